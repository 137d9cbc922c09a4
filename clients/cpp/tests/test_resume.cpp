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

/// A tensor of the four values "abcdefgh" "ijklmnop", as bytes.
const std::string metadata = R"(Weight-Init: {"shape":[4],"dtype":"float32"})";
const std::string body = "abcdefghijklmnop";
const std::string resumable = "ETag: \"one\"\r\nAccept-Ranges: bytes";

std::string answer(const std::string& status, const std::vector<std::string>& headers, const std::string& content) {
    std::string text = "HTTP/1.1 " + status + "\r\nConnection: close\r\n";
    for (const std::string& header : headers) {
        text += header + "\r\n";
    }
    return text + "\r\n" + content;
}

std::string whole(const std::string& content, const std::string& more = resumable) {
    return answer("200 OK", {metadata, "Content-Length: 16", more}, content);
}

/// The rest from the byte `begin`, of which `content` arrives.
std::string rest(std::size_t begin, const std::string& etag, const std::string& content) {
    const std::string range = "Content-Range: bytes " + std::to_string(begin) + "-15/16";
    return answer("206 Partial Content", {"Content-Length: " + std::to_string(16 - begin), range, "ETag: " + etag}, content);
}

weight_init::Options options_of(const ScriptedService& service, int retries = 4) {
    weight_init::Options options;
    options.url = service.url();
    options.retries = retries;
    return options;
}

std::string received_from(const ScriptedService& service, int retries = 4) {
    return std::string(stage::bytes_of(Client(options_of(service, retries)).init({4})));
}

Error refused_by(const ScriptedService& service, int retries = 4) {
    return stage::error_of([&] { return received_from(service, retries); });
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("a connection that always breaks is resumed, into an array and into a file") {
    const json fields = {{"activation", "relu"}, {"seed", 7}};
    Client direct(stage::options("url"));
    Client broken(stage::options("cutting_url"));
    const stage::Folder folder;
    const auto expected = direct.init({3000, 500}, fields);
    REQUIRE(broken.init({3000, 500}, fields).values() == expected.values());
    direct.download(folder / "direct.npy", {3000, 500}, fields);
    broken.download(folder / "broken.npy", {3000, 500}, fields);
    REQUIRE(stage::sha256(stage::read(folder / "broken.npy")) == stage::sha256(stage::read(folder / "direct.npy")));

    weight_init::Options options = stage::options("cutting_url");
    options.retries = 0;
    Client impatient(options);
    REQUIRE(contains(stage::error_of([&] { return impatient.init({3000, 500}, fields); }).what(), "broke before the whole answer came"));
    REQUIRE(stage::error_of([&] { impatient.download(folder / "impatient.npy", {3000, 500}, fields); }).status() == 0);
    REQUIRE(folder.files() == 2);
    stage::shown("resume");
}

TEST_CASE("only the rest is asked for") {
    const ScriptedService service({whole("abcde"), rest(5, "\"one\"", "fghij"), rest(10, "\"one\"", "klmnop")});
    REQUIRE(received_from(service, 1) == body);
    REQUIRE_FALSE(contains(service.requests().at(0), "Range:"));
    REQUIRE(contains(service.requests().at(1), "\r\nRange: bytes=5-\r\n"));
    REQUIRE(contains(service.requests().at(1), "\r\nIf-Range: \"one\"\r\n"));
    REQUIRE(contains(service.requests().at(2), "\r\nRange: bytes=10-\r\n"));
}

TEST_CASE("a rest may come in parts that are shorter than asked for") {
    const std::string part = answer("206 Partial Content", {"Content-Length: 5", "Content-Range: bytes 5-9/16", "ETag: \"one\""}, "fghij");
    REQUIRE(received_from(ScriptedService({whole("abcde"), part, rest(10, "\"one\"", "klmnop")})) == body);
}

TEST_CASE("a whole answer in place of the rest begins anew, in an array and in a file") {
    const std::vector<std::string> script = {whole("ABCDEFGHIJ"), whole("abcde"), rest(5, "\"one\"", "fghijklmnop")};
    REQUIRE(received_from(ScriptedService(script)) == body);
    const ScriptedService service(script);
    const stage::Folder folder;
    Client(options_of(service)).download(folder / "weight.bin", {4});
    REQUIRE(stage::read(folder / "weight.bin") == body);
}

TEST_CASE("the rest of something else is refused") {
    REQUIRE(contains(refused_by(ScriptedService({whole("abcde"), rest(4, "\"one\"", "efgh")})).what(), "Expected bytes 5- of \"one\""));
    REQUIRE(contains(refused_by(ScriptedService({whole("abcde"), rest(5, "\"two\"", "fghi")})).what(), "of \"two\""));
    REQUIRE(refused_by(ScriptedService({rest(0, "\"one\"", body)})).status() == 206);  // nobody asked for a part
}

TEST_CASE("what cannot be resumed begins anew, and not for ever") {
    for (const char* header : {"ETag: W/\"one\"\r\nAccept-Ranges: bytes", "ETag: \"one\"", "Accept-Ranges: bytes"}) {
        CAPTURE(header);
        const ScriptedService recovering({whole("ABCDE", header), whole(body, header)});
        REQUIRE(received_from(recovering) == body);
        REQUIRE_FALSE(contains(recovering.requests().at(1), "Range:"));
        const ScriptedService breaking({whole("ABCDE", header), whole("ABCDE", header), whole("ABCDE", header), whole(body, header)});
        REQUIRE(contains(refused_by(breaking, 1).what(), "broke before the whole answer came"));
        REQUIRE(breaking.requests().size() == 2);
    }
}

TEST_CASE("a refusal, or another service, in the middle is an error") {
    const std::string busy = answer("503 Service Unavailable", {"Retry-After: 0", "Content-Length: 4"}, "busy");
    REQUIRE(received_from(ScriptedService({whole("abcde"), busy, rest(5, "\"one\"", "fghijklmnop")})) == body);
    const std::string gone = answer("410 Gone", {"Content-Type: text/html", "Content-Length: 4"}, "gone");
    const Error error = refused_by(ScriptedService({whole("abcde"), gone}));
    REQUIRE(error.status() == 410);
    REQUIRE(error.title() == "HTTP 410");
    REQUIRE(contains(error.what(), "received HTTP 410 with \"gone\""));
}

TEST_CASE("who is told to wait waits, but not for longer than a minute") {
    const auto busy = [](const std::string& wait) { return answer("429 Too Many Requests", {"Content-Length: 0", wait}, ""); };
    for (const char* wait : {"Retry-After: 1", "Retry-After: soon", "Date: today"}) {
        CAPTURE(wait);
        const auto start = std::chrono::steady_clock::now();
        REQUIRE(received_from(ScriptedService({busy(wait), whole(body)}), 1) == body);
        REQUIRE(std::chrono::steady_clock::now() - start >= std::chrono::seconds(1));
    }
    const ScriptedService service({busy("Retry-After: 61"), whole(body)});
    REQUIRE(refused_by(service).status() == 429);
    REQUIRE(service.requests().size() == 1);
}

TEST_CASE("an answer whose length, shape or dtype disagree is refused") {
    const auto of = [](const std::string& weight_init, const std::string& length) {
        return ScriptedService({answer("200 OK", {"Weight-Init: " + weight_init, length}, body)});
    };
    REQUIRE(contains(refused_by(of(R"({"shape":[5],"dtype":"float32"})", "Content-Length: 16")).what(), "Expected 20 bytes"));
    REQUIRE(contains(refused_by(of(R"({"shape":[3],"dtype":"float32"})", "Vary: *")).what(), "received more"));
    REQUIRE(contains(refused_by(of(R"({"shape":[5],"dtype":"float32"})", "Vary: *")).what(), "received 16"));
    REQUIRE(contains(refused_by(of(R"({"shape":[4],"dtype":"float8"})", "Vary: *")).what(), "float8"));
    REQUIRE(contains(refused_by(of(R"({"shape":[-4],"dtype":"float32"})", "Vary: *")).what(), "a dtype and a shape"));
    REQUIRE(contains(refused_by(of(R"({"shape":[4294967296,4294967296],"dtype":"float32"})", "Vary: *")).what(), "a dtype and a shape"));
    REQUIRE(contains(refused_by(of(R"({"shape":"4","dtype":"float32"})", "Vary: *")).what(), "tell the shape"));
    REQUIRE(contains(refused_by(of("[4]", "Vary: *")).what(), "Expected a JSON object"));
    REQUIRE(received_from(of(R"({"shape":[4],"dtype":"float32"})", "Vary: *")) == body);  // a proxy left the length out
}

TEST_CASE("the timeout is for each part, not for the whole") {
    const std::vector<std::string> parts = {whole("abcd"), "efgh", "ijkl", "mnop"};
    const ScriptedService service({parts}, std::chrono::milliseconds(500));
    weight_init::Options options = options_of(service);
    options.timeout = std::chrono::milliseconds(1400);  // less than the pauses together, which are what is tested
    REQUIRE(stage::bytes_of(Client(options).init({4})) == body);
}
