#include <iostream>
#include <weight_init/client.hpp>

int main() {
    weight_init::Client client;
    const auto weights = client.init({256, 784}, {{"activation", "relu"}, {"seed", 7}});

    const auto& values = weights.values<float>();
    std::cout << weights.dtype() << ' ' << weights.shape().at(0) << " x " << weights.shape().at(1) << '\n';
    std::cout << values[0] << ' ' << values[1] << ' ' << values[2] << '\n';
    std::cout << weights.metadata().at("scheme").get<std::string>() << '\n';
    std::cout << weights.metadata().at("recommended").at("reason").get<std::string>() << '\n';
}
