/// @file
/// The result of `Client::init`.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "weight_init/array.hpp"

namespace weight_init {

/// An array with the metadata of its values.
class Tensor : public Array {
  public:
    /// Combines the values with the metadata from the service.
    Tensor(Array&& values, nlohmann::json metadata) : Array(std::move(values)), metadata_(std::move(metadata)) {}

    /// How the values were made: scheme, formula, stddev, fan_in, seed, recommended, warnings and more.
    [[nodiscard]] const nlohmann::json& metadata() const noexcept { return metadata_; }

    /// The seed, whether the request or the service chose it. The same request with this seed always returns the same values.
    [[nodiscard]] std::uint64_t seed() const {
        const nlohmann::json& seed = metadata_.at("seed");  // a string above 2^53, because many JSON parsers lose digits there
        return seed.is_string() ? std::stoull(seed.get<std::string>()) : seed.get<std::uint64_t>();
    }

  private:
    nlohmann::json metadata_;
};

}  // namespace weight_init
