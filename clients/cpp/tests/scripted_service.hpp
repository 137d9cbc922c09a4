/// @file
/// A service that says what a test has written for it: what the real one does in rare moments only.
#pragma once

#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

/// It answers each connection with the next answer, sends the parts of it with pauses between them, and breaks the connection.
class ScriptedService {
  public:
    using Parts = std::vector<std::string>;

    /// One part for each answer.
    explicit ScriptedService(const std::vector<std::string>& answers);
    ScriptedService(std::vector<Parts> answers, std::chrono::milliseconds pause);
    ScriptedService(const ScriptedService&) = delete;
    ScriptedService& operator=(const ScriptedService&) = delete;
    ~ScriptedService();

    [[nodiscard]] std::string url() const;

    /// What it was asked, with all headers.
    [[nodiscard]] std::vector<std::string> requests() const;

  private:
    void serve();
    void answer(int connection, const Parts& parts);

    std::vector<Parts> answers_;
    std::chrono::milliseconds pause_;
    mutable std::mutex mutex_;
    std::vector<std::string> requests_;
    int listener_ = -1;
    std::thread thread_;
};
