/// @file
/// A server with scripted responses, for situations that are rare with the real service.
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

/// Sends the next scripted response on each connection, in parts with pauses between them, and closes the connection.
class ScriptedService {
  public:
    using Parts = std::vector<std::string>;

    /// Sends each response in one part.
    explicit ScriptedService(const std::vector<std::string>& responses);
    ScriptedService(std::vector<Parts> responses, std::chrono::milliseconds pause);
    ScriptedService(const ScriptedService&) = delete;
    ScriptedService& operator=(const ScriptedService&) = delete;
    ~ScriptedService();

    [[nodiscard]] std::string url() const;

    /// The requests received so far, with headers and bodies.
    [[nodiscard]] std::vector<std::string> requests() const;

  private:
    void serve();
    void respond(int connection, const Parts& parts);

    std::vector<Parts> responses_;
    std::chrono::milliseconds pause_;
    mutable std::mutex mutex_;
    std::vector<std::string> requests_;
    int listener_ = -1;
    std::thread thread_;
};
