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

int check(int result) {
    if (result < 0) {
        throw std::system_error(errno, std::generic_category(), "the scripted service");
    }
    return result;
}

sockaddr_in loopback_address() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/// Reads a request with its body. Closing a connection with unread bytes would reset it, and the response could be lost.
std::string read_request(int connection) {
    std::string request;
    std::array<char, 4096> buffer{};
    const auto is_complete = [&request] {
        const std::size_t end = request.find("\r\n\r\n");
        const std::size_t length = request.find("Content-Length: ");
        const std::size_t body = length < end ? std::stoul(request.substr(length + 16)) : 0;
        return end != std::string::npos && request.size() >= end + 4 + body;
    };
    while (!is_complete()) {
        const ssize_t size = recv(connection, buffer.data(), buffer.size(), 0);
        if (size <= 0) {
            break;
        }
        request.append(buffer.data(), static_cast<std::size_t>(size));
    }
    return request;
}

std::vector<ScriptedService::Parts> one_part_each(const std::vector<std::string>& responses) {
    std::vector<ScriptedService::Parts> parts;
    parts.reserve(responses.size());
    for (const std::string& response : responses) {
        parts.push_back({response});
    }
    return parts;
}

}  // namespace

ScriptedService::ScriptedService(const std::vector<std::string>& responses)
    : ScriptedService(one_part_each(responses), std::chrono::milliseconds(0)) {}

ScriptedService::ScriptedService(std::vector<Parts> responses, std::chrono::milliseconds pause)
    : responses_(std::move(responses)), pause_(pause), listener_(check(socket(AF_INET, SOCK_STREAM, 0))) {
    const sockaddr_in address = loopback_address();
    check(bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address));
    check(listen(listener_, 16));
    thread_ = std::thread([this] { serve(); });
}

ScriptedService::~ScriptedService() {
    shutdown(listener_, SHUT_RDWR);  // wakes the accepting thread
    thread_.join();
    close(listener_);
}

std::string ScriptedService::url() const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    check(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size));
    return "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

std::vector<std::string> ScriptedService::requests() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return requests_;
}

void ScriptedService::serve() {
    for (const Parts& parts : responses_) {
        const int connection = accept(listener_, nullptr, nullptr);
        if (connection < 0) {
            return;
        }
        respond(connection, parts);
        close(connection);
    }
}

void ScriptedService::respond(int connection, const Parts& parts) {
    const std::string request = read_request(connection);
    {
        const std::lock_guard<std::mutex> lock(mutex_);
        requests_.push_back(request);
    }
    for (std::size_t index = 0; index < parts.size(); ++index) {
        std::this_thread::sleep_for(index == 0 ? std::chrono::milliseconds(0) : pause_);
        send(connection, parts[index].data(), parts[index].size(), MSG_NOSIGNAL);
    }
}
