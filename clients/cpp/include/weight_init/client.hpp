/// @file
/// The client of weight-init: initialized neural-network weights as vectors.
///
///     weight_init::Client client;
///     auto weights = client.init({256, 784}, {{"activation", "relu"}, {"seed", 7}});
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "weight_init/detail/answer.hpp"
#include "weight_init/detail/connection.hpp"
#include "weight_init/detail/http.hpp"
#include "weight_init/detail/receivers.hpp"
#include "weight_init/detail/request.hpp"
#include "weight_init/detail/transfer.hpp"
#include "weight_init/error.hpp"
#include "weight_init/options.hpp"
#include "weight_init/shape.hpp"
#include "weight_init/tensor.hpp"

namespace weight_init {

/// A connection to a weight-init service. It can be moved; threads do not share it: give each its own.
///
/// Every method throws Error when the service refuses the request, when no whole answer comes, and when something else than a
/// weight-init service answers. A busy service is asked again after the time that it says, and a download whose connection breaks
/// goes on where it broke.
class Client {
  public:
    /// Connects at the first request.
    explicit Client(Options options) : connection_(std::move(options)) {}

    /// A service at a URL, the rest by default.
    explicit Client(std::string url) : Client(with_url(std::move(url))) {}

    /// The service that the environment names, else that of this machine.
    Client() : Client(Options()) {}

    /// An initialized tensor.
    ///
    /// `shape` is [out, in, *kernel], or as the field `layout` says. `fields` is an object of the fields of the service's /init: scheme,
    /// activation, layer, groups, packed, fan_convention, layout, dtype (float32, float64, float16 or bfloat16), seed (0 to 2^64 - 1),
    /// name, slice (NumPy's basic slicing as text: "128:256, :"), fan_in, fan_out, and the parameters of the scheme and of the
    /// activation: stddev, negative_slope, num_layers and so on. What is left out is decided by the service, and told in the metadata.
    [[nodiscard]] Tensor init(const Shape& shape, const nlohmann::json& fields = {}) {
        nlohmann::json asked = detail::object_of(fields);
        asked["format"] = "raw";
        detail::TensorReceiver receiver;
        fetch(detail::init_request(shape, std::move(asked)), receiver);
        return std::move(receiver).complete();
    }

    /// Write an initialized tensor to a file, however large, and answer its metadata. `fields` are those of `init`.
    ///
    /// The format is that of the extension (.npy, .safetensors, .npz, .json, or .bin for the values alone) unless a field `format` says
    /// it, npy without either. The file appears under its name when it is whole, in place of an older one. Throws
    /// std::filesystem::filesystem_error too.
    nlohmann::json download(const std::filesystem::path& path, const Shape& shape, const nlohmann::json& fields = {}) {
        nlohmann::json asked = detail::object_of(fields);
        if (const std::string extension = path.extension().string(); extension.size() > 1 && !asked.contains("format")) {
            asked["format"] = extension == ".bin" ? "raw" : extension.substr(1);
        }
        detail::FileReceiver receiver(path);
        fetch(detail::init_request(shape, std::move(asked)), receiver);
        return std::move(receiver).complete();
    }

    /// The scheme that fits an activation, with its reason, reference and alternatives; with the fans, its stddev and bound too.
    ///
    /// `activation` is a name, or an object of a name and parameters, or of an expression in x; null where `fields` name a layer alone.
    /// `fields`: layer, num_layers, class_prior, distribution, fan_in, fan_out, and the parameters of the activation.
    [[nodiscard]] nlohmann::json recommend(const nlohmann::json& activation, const nlohmann::json& fields = {}) {
        return detail::object_in(text_of(detail::recommend_request(activation, detail::object_of(fields))));
    }

    /// Every scheme, an object each: its names, parameters, formula and reference.
    [[nodiscard]] nlohmann::json schemes() { return detail::rows_in(text_of({"/schemes"}), "schemes"); }

    /// Every activation, an object each: its names, parameters, gains and recommended scheme.
    [[nodiscard]] nlohmann::json activations() { return detail::rows_in(text_of({"/activations"}), "activations"); }

  private:
    static Options with_url(std::string url) {
        Options options;
        options.url = std::move(url);
        return options;
    }

    void fetch(const detail::Request& request, detail::Receiver& receiver) { detail::Transfer(connection_, request, receiver).run(); }

    std::string text_of(const detail::Request& request) {
        detail::TextReceiver receiver;
        fetch(request, receiver);
        return receiver.text();
    }

    detail::Connection connection_;
};

}  // namespace weight_init
