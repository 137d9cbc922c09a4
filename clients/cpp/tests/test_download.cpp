#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <weight_init/client.hpp>
#include <weight_init/npy.hpp>

#include "stage.hpp"

using nlohmann::json;
using weight_init::Client;
using weight_init::Shape;

TEST_CASE("a download leaves a complete file or none") {
    Client client(stage::options("url"));
    bool has_raw = false;
    for (const json& row : stage::content().at("golden")) {
        const json& request = row.at("request");
        const auto format = request.at("format").get<std::string>();
        if (format == "raw" && std::exchange(has_raw, true)) {
            continue;
        }
        CAPTURE(request.dump());
        const stage::TemporaryFolder folder;
        const auto path = folder / ("weight." + (format == "raw" ? "bin" : format)).c_str();
        const json metadata = client.download(path, request.at("shape").get<Shape>(), stage::fields_of(request));
        REQUIRE(metadata.at("seed") == 7);
        REQUIRE(stage::sha256(stage::read(path)) == row.at("answer").at("file_sha256").get<std::string>());
        REQUIRE(folder.file_count() == 1);
    }
    const stage::TemporaryFolder folder;
    const auto refused = stage::error_of([&] { client.download(folder / "weight.npy", {2, 3}, {{"scheme", "he_norml"}}); });
    REQUIRE(refused.status() == 422);
    REQUIRE(folder.file_count() == 0);
    stage::report("download");
}

TEST_CASE("a download replaces an older file and a failed one keeps it") {
    Client client(stage::options("url"));
    const stage::TemporaryFolder folder;
    const auto path = folder / "weight.data";
    std::ofstream(path) << "before";
    REQUIRE_THROWS_AS(client.download(path, {2, 3}, {{"format", "npy"}, {"scheme", "he_norml"}}), weight_init::Error);
    REQUIRE(stage::read(path) == "before");
    client.download(path, {2, 3}, {{"format", "npy"}, {"scheme", "ones"}});
    REQUIRE(weight_init::read_npy(path).values<float>() == std::vector<float>(6, 1));
    REQUIRE(folder.file_count() == 1);
}

TEST_CASE("a file that cannot be written is a filesystem_error") {
    Client client(stage::options("url"));
    const stage::TemporaryFolder folder;
    REQUIRE_THROWS_AS(client.download(folder / ".", {2}), std::filesystem::filesystem_error);
    REQUIRE_THROWS_AS(client.download(folder / "missing/weight.npy", {2}), std::filesystem::filesystem_error);
    REQUIRE_THROWS_WITH_AS(client.download("/dev/full/weight.npy", {2}), doctest::Contains("Not a directory"),
                           std::filesystem::filesystem_error);
    REQUIRE(folder.file_count() == 0);
}
