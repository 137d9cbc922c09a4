#include <doctest/doctest.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>
#include <weight_init/client.hpp>

#include "scripted_service.hpp"
#include "stage.hpp"

using nlohmann::json;
using weight_init::Client;
using weight_init::Error;

namespace {

/// A tensor of four float32 values, whose 16 bytes are readable.
const std::string metadata = R"(Weight-Init: {"shape":[4],"dtype":"float32"})";
const std::string body = "abcdefghijklmnop";
const std::string resumable = "ETag: \"one\"\r\nAccept-Ranges: bytes";

std::string response(const std::string& status, const std::vector<std::string>& headers, const std::string& content) {
    std::string text = "HTTP/1.1 " + status + "\r\nConnection: close\r\n";
    for (const std::string& header : headers) {
        text += header + "\r\n";
    }
    return text + "\r\n" + content;
}

/// A response of 16 bytes, of which only `content` arrives.
std::string full(const std::string& content, const std::string& extra_header = resumable) {
    return response("200 OK", {metadata, "Content-Length: 16", extra_header}, content);
}

/// A partial response from byte `begin`, of which only `content` arrives.
std::string partial(std::size_t begin, const std::string& etag, const std::string& content) {
    const std::string range = "Content-Range: bytes " + std::to_string(begin) + "-15/16";
    return response("206 Partial Content", {"Content-Length: " + std::to_string(16 - begin), range, "ETag: " + etag}, content);
}

weight_init::Options options_of(const ScriptedService& service, int retries = 4) {
    weight_init::Options options;
    options.url = service.url();
    options.retries = retries;
    return options;
}

std::string fetch_bytes(const ScriptedService& service, int retries = 4) {
    return std::string(stage::bytes_of(Client(options_of(service, retries)).init({4})));
}

Error fetch_error(const ScriptedService& service, int retries = 4) {
    return stage::error_of([&] { return fetch_bytes(service, retries); });
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a connection that keeps breaking is resumed, into an array and into a file") {
    const json fields = {{"activation", "relu"}, {"seed", 7}};
    Client direct(stage::options("url"));
    Client broken(stage::options("cutting_url"));
    const stage::TemporaryFolder folder;
    const auto expected = direct.init({3000, 500}, fields);
    REQUIRE(broken.init({3000, 500}, fields).values() == expected.values());
    direct.download(folder / "direct.npy", {3000, 500}, fields);
    broken.download(folder / "broken.npy", {3000, 500}, fields);
    REQUIRE(stage::sha256(stage::read(folder / "broken.npy")) == stage::sha256(stage::read(folder / "direct.npy")));

    weight_init::Options options = stage::options("cutting_url");
    options.retries = 0;
    Client single_try(options);
    REQUIRE(contains(stage::error_of([&] {
                         return single_try.init({3000, 500}, fields);
                     }).what(),
                     "broke before the response was complete"));
    REQUIRE(stage::error_of([&] { single_try.download(folder / "single_try.npy", {3000, 500}, fields); }).status() == 0);
    REQUIRE(folder.file_count() == 2);
    stage::report("resume");
}

TEST_CASE("only the missing bytes are requested") {
    const ScriptedService service({full("abcde"), partial(5, "\"one\"", "fghij"), partial(10, "\"one\"", "klmnop")});
    REQUIRE(fetch_bytes(service, 1) == body);
    REQUIRE_FALSE(contains(service.requests().at(0), "Range:"));
    REQUIRE(contains(service.requests().at(1), "\r\nRange: bytes=5-\r\n"));
    REQUIRE(contains(service.requests().at(1), "\r\nIf-Range: \"one\"\r\n"));
    REQUIRE(contains(service.requests().at(2), "\r\nRange: bytes=10-\r\n"));
}

TEST_CASE("a partial response may be shorter than requested") {
    const std::string part =
        response("206 Partial Content", {"Content-Length: 5", "Content-Range: bytes 5-9/16", "ETag: \"one\""}, "fghij");
    REQUIRE(fetch_bytes(ScriptedService({full("abcde"), part, partial(10, "\"one\"", "klmnop")})) == body);
}

TEST_CASE("a full response to a range request starts over, in an array and in a file") {
    const std::vector<std::string> script = {full("ABCDEFGHIJ"), full("abcde"), partial(5, "\"one\"", "fghijklmnop")};
    REQUIRE(fetch_bytes(ScriptedService(script)) == body);
    const ScriptedService service(script);
    const stage::TemporaryFolder folder;
    Client(options_of(service)).download(folder / "weight.bin", {4});
    REQUIRE(stage::read(folder / "weight.bin") == body);
}

TEST_CASE("a part of another response is rejected") {
    REQUIRE(contains(fetch_error(ScriptedService({full("abcde"), partial(4, "\"one\"", "efgh")})).what(), "Expected bytes 5- of \"one\""));
    REQUIRE(contains(fetch_error(ScriptedService({full("abcde"), partial(5, "\"two\"", "fghi")})).what(), "of \"two\""));
    REQUIRE(fetch_error(ScriptedService({partial(0, "\"one\"", body)})).status() == 206);  // no range was requested
}

TEST_CASE("a response that is not resumable starts over, a limited number of times") {
    for (const char* header : {"ETag: W/\"one\"\r\nAccept-Ranges: bytes", "ETag: \"one\"", "Accept-Ranges: bytes"}) {
        CAPTURE(header);
        const ScriptedService recovering({full("ABCDE", header), full(body, header)});
        REQUIRE(fetch_bytes(recovering) == body);
        REQUIRE_FALSE(contains(recovering.requests().at(1), "Range:"));
        const ScriptedService breaking({full("ABCDE", header), full("ABCDE", header), full("ABCDE", header), full(body, header)});
        REQUIRE(contains(fetch_error(breaking, 1).what(), "broke before the response was complete"));
        REQUIRE(breaking.requests().size() == 2);
    }
}

TEST_CASE("a busy service between parts is retried, and any other error is final") {
    const std::string busy = response("503 Service Unavailable", {"Retry-After: 0", "Content-Length: 4"}, "busy");
    REQUIRE(fetch_bytes(ScriptedService({full("abcde"), busy, partial(5, "\"one\"", "fghijklmnop")})) == body);
    const std::string gone = response("410 Gone", {"Content-Type: text/html", "Content-Length: 4"}, "gone");
    const Error error = fetch_error(ScriptedService({full("abcde"), gone}));
    REQUIRE(error.status() == 410);
    REQUIRE(error.title() == "HTTP 410");
    REQUIRE(contains(error.what(), "received HTTP 410 with the body \"gone\""));
}

TEST_CASE("the client waits as long as Retry-After says, up to a minute") {
    const auto busy = [](const std::string& wait) { return response("429 Too Many Requests", {"Content-Length: 0", wait}, ""); };
    for (const char* wait : {"Retry-After: 1", "Retry-After: soon", "Date: today"}) {
        CAPTURE(wait);
        const auto start = std::chrono::steady_clock::now();
        REQUIRE(fetch_bytes(ScriptedService({busy(wait), full(body)}), 1) == body);
        REQUIRE(std::chrono::steady_clock::now() - start >= std::chrono::seconds(1));
    }
    const ScriptedService service({busy("Retry-After: 61"), full(body)});
    REQUIRE(fetch_error(service).status() == 429);
    REQUIRE(service.requests().size() == 1);
}

TEST_CASE("a response with inconsistent length, shape or dtype is rejected") {
    const auto of = [](const std::string& weight_init, const std::string& length) {
        return ScriptedService({response("200 OK", {"Weight-Init: " + weight_init, length}, body)});
    };
    REQUIRE(contains(fetch_error(of(R"({"shape":[5],"dtype":"float32"})", "Content-Length: 16")).what(), "Expected 20 bytes"));
    REQUIRE(contains(fetch_error(of(R"({"shape":[3],"dtype":"float32"})", "Vary: *")).what(), "received more"));
    REQUIRE(contains(fetch_error(of(R"({"shape":[5],"dtype":"float32"})", "Vary: *")).what(), "received 16"));
    REQUIRE(contains(fetch_error(of(R"({"shape":[4],"dtype":"float8"})", "Vary: *")).what(), "float8"));
    REQUIRE(contains(fetch_error(of(R"({"shape":[-4],"dtype":"float32"})", "Vary: *")).what(), "a dtype and a shape"));
    REQUIRE(contains(fetch_error(of(R"({"shape":[4294967296,4294967296],"dtype":"float32"})", "Vary: *")).what(), "a dtype and a shape"));
    REQUIRE(contains(fetch_error(of(R"({"shape":"4","dtype":"float32"})", "Vary: *")).what(), "with a valid shape"));
    REQUIRE(contains(fetch_error(of("[4]", "Vary: *")).what(), "Expected a JSON object"));
    REQUIRE(fetch_bytes(of(R"({"shape":[4],"dtype":"float32"})", "Vary: *")) == body);  // a proxy removed Content-Length
}

TEST_CASE("the timeout applies to each part, not to the whole response") {
    const std::vector<std::string> parts = {full("abcd"), "efgh", "ijkl", "mnop"};
    const ScriptedService service({parts}, std::chrono::milliseconds(500));
    weight_init::Options options = options_of(service);
    options.timeout = std::chrono::milliseconds(1400);  // longer than each pause, shorter than all three
    REQUIRE(stage::bytes_of(Client(options).init({4})) == body);
}
