// Fetches a tensor of 64 MiB at each line of the input, and prints the seconds that it took.

#include <chrono>
#include <iostream>
#include <string>
#include <weight_init/client.hpp>

namespace {

double seconds_of_a_fetch(weight_init::Client& client) {
    const auto start = std::chrono::steady_clock::now();
    const auto weights = client.init({4096, 4096}, {{"scheme", "normal"}, {"seed", 7}});
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main() {
    weight_init::Client client;
    seconds_of_a_fetch(client);  // so that the connection is there, and the service warm
    for (std::string line; std::getline(std::cin, line);) {
        std::cout << seconds_of_a_fetch(client) << std::endl;
    }
}
