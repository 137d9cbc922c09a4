#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <variant>
#include <vector>
#include <weight_init/client.hpp>

#include "stage.hpp"

using nlohmann::json;
using weight_init::Client;
using weight_init::Shape;
using weight_init::Tensor;

namespace {

double value_at(const Tensor& tensor, std::size_t index) {
    return std::visit([index](const auto& values) { return static_cast<double>(values.at(index)); }, tensor.values());
}

void require_golden(const Tensor& tensor, const json& expected) {
    REQUIRE(tensor.dtype() == expected.at("dtype").get<std::string>());
    REQUIRE(tensor.shape() == expected.at("shape").get<Shape>());
    REQUIRE(stage::sha256(stage::bytes_of(tensor)) == expected.at("sha256").get<std::string>());
    for (std::size_t index = 0; index < expected.at("first").size(); ++index) {
        REQUIRE(value_at(tensor, index) == expected.at("first").at(index).get<double>());
    }
}

/// Decodes the bits of a 16-bit float with the formula of IEEE 754.
double decode(std::uint16_t bits, int fraction_bits, int bias) {
    const int exponent_bits = 15 - fraction_bits;
    const int exponent = (bits >> fraction_bits) & ((1 << exponent_bits) - 1);
    const double fraction = std::ldexp(bits & ((1 << fraction_bits) - 1), -fraction_bits);
    const double magnitude = exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias);
    return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

/// Rounds a float to the bits of the nearest bfloat16, with ties to even.
std::uint16_t nearest_bfloat16(float value) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16U) & 1U)) >> 16U);
}

}  // namespace

TEST_CASE("every golden request returns its golden values") {
    Client client(stage::options("url"));
    for (const json& row : stage::content().at("golden")) {
        const json& request = row.at("request");
        CAPTURE(request.dump());
        require_golden(client.init(request.at("shape").get<Shape>(), stage::fields_of(request)), row.at("answer"));
    }
    stage::report("golden");
}

TEST_CASE("float64 is native, and 16-bit floats are widened exactly") {
    Client client(stage::options("url"));
    const auto fetch = [&](const char* dtype) { return client.init({64, 64}, {{"scheme", "normal"}, {"seed", 7}, {"dtype", dtype}}); };
    const auto narrow = fetch("float32");
    const auto& floats = narrow.values<float>();
    const auto wide = fetch("float64");
    const auto& doubles = wide.values<double>();
    const auto half = fetch("float16");
    const auto brain = fetch("bfloat16");
    REQUIRE(narrow.bits().empty());
    REQUIRE(half.dtype() == "float16");
    REQUIRE(brain.dtype() == "bfloat16");
    REQUIRE(half.bits().size() == 64 * 64);
    for (std::size_t index = 0; index < floats.size(); ++index) {
        CAPTURE(index);
        REQUIRE(std::abs(doubles.at(index) - static_cast<double>(floats.at(index))) <= 1e-5);
        REQUIRE(static_cast<double>(half.values<float>().at(index)) == decode(half.bits().at(index), 10, 15));
        REQUIRE(std::abs(half.values<float>().at(index) - floats.at(index)) <= std::abs(floats.at(index)) * 0x1p-11F + 0x1p-25F);
        REQUIRE(static_cast<double>(brain.values<float>().at(index)) == decode(brain.bits().at(index), 7, 127));
        REQUIRE(brain.bits().at(index) == nearest_bfloat16(floats.at(index)));
    }
    REQUIRE(stage::error_of([&] { return wide.values<float>(); }).what() ==
            std::string("The array holds values of type double. Call values<double>()."));
    stage::report("wide");
}

TEST_CASE("special 16-bit floats are widened exactly") {
    using weight_init::float_of_bfloat16;
    using weight_init::float_of_float16;
    REQUIRE(stage::content().is_object());
    REQUIRE(float_of_float16(0x0000) == 0.0F);
    REQUIRE(std::signbit(float_of_float16(0x8000)));
    REQUIRE(float_of_float16(0x0001) == 0x1p-24F);
    REQUIRE(float_of_float16(0x8001) == -0x1p-24F);
    REQUIRE(float_of_float16(0x03ff) == 1023 * 0x1p-24F);
    REQUIRE(float_of_float16(0x0400) == 0x1p-14F);
    REQUIRE(float_of_float16(0x3c00) == 1.0F);
    REQUIRE(float_of_float16(0x7bff) == 65504.0F);
    REQUIRE(float_of_float16(0x7c00) == std::numeric_limits<float>::infinity());
    REQUIRE(float_of_float16(0xfc00) == -std::numeric_limits<float>::infinity());
    REQUIRE(std::isnan(float_of_float16(0x7e00)));
    REQUIRE(float_of_bfloat16(0x3f80) == 1.0F);
    REQUIRE(float_of_bfloat16(0x0001) == 0x1p-133F);
    REQUIRE(float_of_bfloat16(0xff80) == -std::numeric_limits<float>::infinity());
    REQUIRE(std::isnan(float_of_bfloat16(0x7fc0)));
}

TEST_CASE("seeds keep all digits") {
    Client client(stage::options("url"));
    constexpr std::uint64_t largest = std::numeric_limits<std::uint64_t>::max();
    for (const json& row : stage::content().at("golden")) {
        if (row.at("request").value("seed", json()) == "18446744073709551615") {
            json fields = stage::fields_of(row.at("request"));
            fields["seed"] = largest;
            const Tensor tensor = client.init(row.at("request").at("shape").get<Shape>(), fields);
            REQUIRE(tensor.seed() == largest);
            require_golden(tensor, row.at("answer"));
        }
    }
    constexpr std::uint64_t exact = std::uint64_t{1} << 53U;
    for (const std::uint64_t seed : {exact - 1, exact, exact + 1, largest - 1}) {
        REQUIRE(client.init({2}, {{"scheme", "normal"}, {"seed", seed}}).seed() == seed);
    }
    const Tensor chosen = client.init({64}, {{"scheme", "normal"}});
    const Tensor repeated = client.init({64}, {{"scheme", "normal"}, {"seed", chosen.seed()}});
    REQUIRE(chosen.values() == repeated.values());
    stage::report("seed");
}

TEST_CASE("a slice equals that part of the full tensor") {
    Client client(stage::options("url"));
    const json fields = {{"activation", "tanh"}, {"seed", 7}};
    const auto full = client.init({64, 64}, fields).values<float>();
    json sliced = fields;
    sliced["slice"] = "10:20, ::-3";
    const auto part = client.init({64, 64}, sliced);
    std::vector<float> expected;
    for (std::size_t row = 10; row < 20; ++row) {
        for (std::size_t step = 0; step < 22; ++step) {
            expected.push_back(full.at(row * 64 + 63 - 3 * step));
        }
    }
    REQUIRE(part.shape() == Shape{10, 22});
    REQUIRE(part.values<float>() == expected);
    stage::report("slice");
}

TEST_CASE("recommend, schemes and activations return their entries") {
    Client client(stage::options("url"));
    const auto has_name = [](const json& rows, const char* name) {
        return std::any_of(rows.begin(), rows.end(), [name](const json& row) { return row.at("name") == name; });
    };
    const json advice = client.recommend("relu", {{"fan_in", 784}});
    REQUIRE(advice.at("scheme") == "he_normal");
    REQUIRE(advice.at("stddev").get<double>() == doctest::Approx(std::sqrt(2.0 / 784)));
    REQUIRE(client.recommend({{"expression", "x*tanh(softplus(x))"}}).at("scheme") == "variance_scaling");
    REQUIRE(client.recommend(nullptr, {{"layer", "residual_output"}, {"num_layers", 12}}).at("scheme") == "gpt2_residual");
    REQUIRE(has_name(client.schemes(), "he_normal"));
    REQUIRE(has_name(client.activations(), "relu"));
    stage::report("advice");
}

TEST_CASE("fields can be omitted, written inline, or passed as an object") {
    Client client(stage::options("url"));
    const json fields = {{"scheme", {{"name", "normal"}, {"stddev", 0.02}}}, {"seed", 7}};
    REQUIRE(client.init({}, {{"scheme", "zeros"}}).shape().empty());
    REQUIRE(client.init({3, 2}).shape() == Shape{3, 2});
    REQUIRE(client.init({3, 2}, {}).shape() == Shape{3, 2});
    REQUIRE(client.init({3}, {{"scheme", "ones"}}).values<float>() == std::vector<float>{1, 1, 1});
    REQUIRE(client.init({3}, fields).metadata().at("stddev") == 0.02);
    REQUIRE(client.init({3}, fields).values() == client.init({3}, {{"scheme", "normal"}, {"stddev", 0.02}, {"seed", 7}}).values());
}

TEST_CASE("a client can be moved, and values can be modified and moved out") {
    Client first(stage::options("url"));
    REQUIRE(first.init({2}, {{"scheme", "ones"}}).values<float>().size() == 2);
    Client second = std::move(first);
    Tensor tensor = second.init({2}, {{"scheme", "ones"}, {"dtype", "bfloat16"}});
    tensor.values<float>().at(1) = 5;
    REQUIRE(std::move(tensor).values<float>() == std::vector<float>{1, 5});
    REQUIRE(second.init({2}, {{"scheme", "ones"}, {"dtype", "bfloat16"}}).bits() == std::vector<std::uint16_t>{0x3f80, 0x3f80});
}
