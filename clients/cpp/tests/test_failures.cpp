#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <weight_init/client.hpp>

#include "stage.hpp"

using nlohmann::json;
using weight_init::Client;
using weight_init::Error;

namespace {

bool contains(const Error& error, const std::string& text) { return std::string(error.what()).find(text) != std::string::npos; }

Client without_retries(const char* name) {
    weight_init::Options options = stage::options(name);
    options.retries = 0;
    return Client(options);
}

}  // namespace

TEST_CASE("an error lists the invalid fields") {
    Client client(stage::options("url"));
    const Error error = stage::error_of([&] { return client.init({2, 3}, {{"scheme", "he_norml"}}); });
    REQUIRE(error.status() == 422);
    REQUIRE(error.title() == "Unprocessable Entity");
    REQUIRE(contains(error, "Did you mean 'he_normal'"));
    REQUIRE(error.errors().size() == 1);
    REQUIRE(error.errors().front().field == "scheme");
    REQUIRE(error.errors().front().expected == "the name of a scheme");
    REQUIRE(error.errors().front().received == "'he_norml'");
    REQUIRE(error.errors().front().action.find("he_normal") != std::string::npos);
    REQUIRE(stage::error_of([&] { return client.recommend("relo"); }).status() == 422);
    stage::report("error");
}

TEST_CASE("invalid fields are rejected before they are sent") {
    Client client(stage::options("url"));
    REQUIRE(contains(stage::error_of([&] { return client.init({2}, "relu"); }), "received string"));
    REQUIRE(contains(stage::error_of([&] { return client.init({2}, {"scheme", "ones"}); }), "received array"));
    REQUIRE(contains(stage::error_of([&] { return client.init({2}, {{"name", "\xff"}}); }), "UTF-8"));
    REQUIRE(contains(stage::error_of([&] { return client.recommend({{"name", "\xff"}}); }), "UTF-8"));
}

TEST_CASE("the API key is sent") {
    weight_init::Options options = stage::options("keyed_url");
    options.api_key = "";
    REQUIRE(stage::error_of([&] { return Client(options).schemes(); }).status() == 401);
    options.api_key = stage::content().at("key").get<std::string>();
    Client client(options);
    REQUIRE_FALSE(client.schemes().empty());
    REQUIRE(client.init({2}, {{"scheme", "ones"}}).values<float>() == std::vector<float>{1, 1});
    stage::report("key");
}

TEST_CASE("a rate-limited request is retried after Retry-After") {
    Client client(stage::options("limited_url"));
    for (int time = 0; time < 3; ++time) {
        REQUIRE(client.init({2}, {{"scheme", "ones"}}).values<float>() == std::vector<float>{1, 1});
    }
    Client single_try = without_retries("limited_url");
    const Error error = stage::error_of([&] {
        for (;;) {
            static_cast<void>(single_try.init({2}, {{"scheme", "ones"}}));
        }
    });
    REQUIRE(error.status() == 429);
    stage::report("retry");
}

TEST_CASE("a service that stays busy is an error after the retries") {
    weight_init::Options options = stage::options("busy_url");
    options.retries = 1;
    Client client(options);
    const auto start = std::chrono::steady_clock::now();
    REQUIRE(stage::error_of([&] { return client.init({100, 1000}); }).status() == 503);
    REQUIRE(std::chrono::steady_clock::now() - start >= std::chrono::seconds(1));  // it retried after Retry-After
    stage::report("busy");
}

TEST_CASE("a service that hangs is an error after the timeout") {
    weight_init::Options options = stage::options("hanging_url");
    options.timeout = std::chrono::milliseconds(500);
    Client client(options);
    const auto start = std::chrono::steady_clock::now();
    const Error error = stage::error_of([&] { return client.init({2, 3}); });
    const auto waited = std::chrono::steady_clock::now() - start;
    REQUIRE(error.status() == 0);
    REQUIRE(error.what() == "Received nothing from " + options.url + " for 0.5 s. Try again, or set a longer timeout.");
    REQUIRE(waited >= options.timeout);
    REQUIRE(waited < std::chrono::seconds(15));
    stage::report("timeout");
}

TEST_CASE("the error says when no service or a foreign one responds") {
    Client closed = without_retries("closed_url");
    const Error refused = stage::error_of([&] { return closed.init({2, 3}); });
    REQUIRE(refused.status() == 0);
    REQUIRE(contains(refused, "No service answers at " + stage::url("closed_url")));
    REQUIRE(contains(refused, "Start it with `weight-init serve`, or pass its URL to Client."));

    Client foreign = without_retries("foreign_url");
    const stage::TemporaryFolder folder;
    const auto require_foreign = [](const Error& error) {
        REQUIRE(error.status() == 200);
        REQUIRE(contains(error, "received \"<!doctype html><title>Welcome</title>\""));
        REQUIRE(contains(error, "Check that the URL points to a weight-init service."));
    };
    require_foreign(stage::error_of([&] { return foreign.init({2, 3}); }));
    require_foreign(stage::error_of([&] { return foreign.recommend("relu"); }));
    require_foreign(stage::error_of([&] { return foreign.schemes(); }));
    require_foreign(stage::error_of([&] { return foreign.activations(); }));
    require_foreign(stage::error_of([&] { foreign.download(folder / "weight.npy", {2, 3}); }));
    REQUIRE(folder.file_count() == 0);
    stage::report("nobody");
}

TEST_CASE("an unsupported URL is an error and a trailing slash is not") {
    const Error error = stage::error_of([] { return Client(std::string("file:///etc/hostname")).schemes(); });
    REQUIRE(error.status() == 0);
    REQUIRE(contains(error, "Check the URL."));
    REQUIRE(Client(stage::url("url") + "/").init({2}, {{"scheme", "ones"}}).values<float>() == std::vector<float>{1, 1});
}
