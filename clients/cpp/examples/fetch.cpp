// Fetches a tensor of 64 MiB for each line of the input, and prints the seconds it took.

#include <chrono>
#include <iostream>
#include <string>
#include <weight_init/client.hpp>

namespace {

double time_fetch(weight_init::Client& client) {
    const auto start = std::chrono::steady_clock::now();
    const auto weights = client.init({4096, 4096}, {{"scheme", "normal"}, {"seed", 7}});
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main() {
    weight_init::Client client;
    time_fetch(client);  // opens the connection and warms up the service
    for (std::string line; std::getline(std::cin, line);) {
        std::cout << time_fetch(client) << std::endl;
    }
}
