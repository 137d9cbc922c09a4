#include <weight_init/client.hpp>
#include <weight_init/npy.hpp>

int main() {
    const weight_init::Client client;
    return weight_init::float_of_float16(0x3c00) == 1.0F ? 0 : 1;
}
