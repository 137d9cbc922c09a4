#include "scripted_service.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>
#include <utility>

namespace {

int checked(int result) {
    if (result < 0) {
        throw std::system_error(errno, std::generic_category(), "the scripted service");
    }
    return result;
}

sockaddr_in any_port() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/// A request with its body, which must be read: who closes before resets the connection, and what was sent may be lost.
std::string request_on(int connection) {
    std::string request;
    std::array<char, 4096> buffer{};
    const auto is_whole = [&request] {
        const std::size_t end = request.find("\r\n\r\n");
        const std::size_t length = request.find("Content-Length: ");
        const std::size_t body = length < end ? std::stoul(request.substr(length + 16)) : 0;
        return end != std::string::npos && request.size() >= end + 4 + body;
    };
    while (!is_whole()) {
        const ssize_t size = recv(connection, buffer.data(), buffer.size(), 0);
        if (size <= 0) {
            break;
        }
        request.append(buffer.data(), static_cast<std::size_t>(size));
    }
    return request;
}

std::vector<ScriptedService::Parts> one_part_each(const std::vector<std::string>& answers) {
    std::vector<ScriptedService::Parts> parts;
    parts.reserve(answers.size());
    for (const std::string& answer : answers) {
        parts.push_back({answer});
    }
    return parts;
}

}  // namespace

ScriptedService::ScriptedService(const std::vector<std::string>& answers)
    : ScriptedService(one_part_each(answers), std::chrono::milliseconds(0)) {}

ScriptedService::ScriptedService(std::vector<Parts> answers, std::chrono::milliseconds pause)
    : answers_(std::move(answers)), pause_(pause), listener_(checked(socket(AF_INET, SOCK_STREAM, 0))) {
    const sockaddr_in address = any_port();
    checked(bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address));
    checked(listen(listener_, 16));
    thread_ = std::thread([this] { serve(); });
}

ScriptedService::~ScriptedService() {
    shutdown(listener_, SHUT_RDWR);  // wakes the thread that accepts
    thread_.join();
    close(listener_);
}

std::string ScriptedService::url() const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    checked(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size));
    return "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

std::vector<std::string> ScriptedService::requests() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return requests_;
}

void ScriptedService::serve() {
    for (const Parts& parts : answers_) {
        const int connection = accept(listener_, nullptr, nullptr);
        if (connection < 0) {
            return;
        }
        answer(connection, parts);
        close(connection);
    }
}

void ScriptedService::answer(int connection, const Parts& parts) {
    const std::string request = request_on(connection);
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        requests_.push_back(request);
    }
    for (std::size_t at = 0; at < parts.size(); ++at) {
        std::this_thread::sleep_for(at == 0 ? std::chrono::milliseconds(0) : pause_);
        send(connection, parts[at].data(), parts[at].size(), MSG_NOSIGNAL);
    }
}
