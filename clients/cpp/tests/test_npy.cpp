#include <doctest/doctest.h>

#include <filesystem>
#include <variant>
#include <vector>
#include <weight_init/npy.hpp>

#include "stage.hpp"

using nlohmann::json;

TEST_CASE("reads every supported .npy file and rejects the others") {
    for (const json& row : stage::content().at("npy")) {
        const std::filesystem::path path = row.at("file").get<std::string>();
        CAPTURE(path);
        if (row.at("refused").get<bool>()) {
            const auto error = stage::error_of([&] { return weight_init::read_npy(path); });
            REQUIRE(error.title() == "Not a .npy File");
            REQUIRE(std::string(error.what()).find(path.string() + ": expected ") == 0);
            continue;
        }
        const weight_init::Array array = weight_init::read_npy(path);
        const auto as_doubles = [](const auto& values) { return std::vector<double>(values.begin(), values.end()); };
        REQUIRE(array.dtype() == row.at("dtype").get<std::string>());
        REQUIRE(array.shape() == row.at("shape").get<weight_init::Shape>());
        REQUIRE(std::visit(as_doubles, array.values()) == row.at("values").get<std::vector<double>>());
    }
    REQUIRE_THROWS_AS(static_cast<void>(weight_init::read_npy("no such file.npy")), std::filesystem::filesystem_error);
    stage::report("npy");
}

TEST_CASE("reads a downloaded file") {
    weight_init::Client client(stage::options("url"));
    const json fields = {{"activation", "relu"}, {"seed", 7}, {"dtype", "float16"}};
    const stage::TemporaryFolder folder;
    client.download(folder / "weight.npy", {30, 20}, fields);
    const auto read = weight_init::read_npy(folder / "weight.npy");
    const auto received = client.init({30, 20}, fields);
    REQUIRE(read.bits() == received.bits());
    REQUIRE(read.values() == received.values());
}
