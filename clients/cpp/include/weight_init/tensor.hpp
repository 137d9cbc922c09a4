/// @file
/// What `Client::init` answers.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "weight_init/array.hpp"

namespace weight_init {

/// An array that knows how it was made.
class Tensor : public Array {
  public:
    /// The values, and what the service says of them.
    Tensor(Array&& values, nlohmann::json metadata) : Array(std::move(values)), metadata_(std::move(metadata)) {}

    /// How the values were made: scheme, formula, stddev, fan_in, seed, recommended, warnings and more.
    [[nodiscard]] const nlohmann::json& metadata() const noexcept { return metadata_; }

    /// The seed, also when the service chose it: the same request with it has the same values for ever.
    [[nodiscard]] std::uint64_t seed() const {
        const nlohmann::json& seed = metadata_.at("seed");  // text above 2^53, where other readers of JSON lose digits
        return seed.is_string() ? std::stoull(seed.get<std::string>()) : seed.get<std::uint64_t>();
    }

  private:
    nlohmann::json metadata_;
};

}  // namespace weight_init
