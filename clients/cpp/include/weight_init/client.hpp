/// @file
/// The weight-init client: initialized neural-network weights as vectors.
///
///     weight_init::Client client;
///     auto weights = client.init({256, 784}, {{"activation", "relu"}, {"seed", 7}});
#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "weight_init/detail/connection.hpp"
#include "weight_init/detail/http.hpp"
#include "weight_init/detail/receivers.hpp"
#include "weight_init/detail/request.hpp"
#include "weight_init/detail/response.hpp"
#include "weight_init/detail/transfer.hpp"
#include "weight_init/error.hpp"
#include "weight_init/options.hpp"
#include "weight_init/shape.hpp"
#include "weight_init/tensor.hpp"

namespace weight_init {

/// A connection to a weight-init service. It can be moved, but threads must not share it: give each thread its own.
///
/// Every method throws Error if the service rejects the request, if the response is incomplete, or if something other than a
/// weight-init service responds. The client retries a busy service after the time the service asks for, and resumes a download
/// whose connection breaks.
class Client {
  public:
    /// Connects on the first request.
    explicit Client(Options options) : connection_(std::move(options)) {}

    /// Uses the service at `url`, and default values for the other options.
    explicit Client(std::string url) : Client(with_url(std::move(url))) {}

    /// Uses the default options: the URL in WEIGHT_INIT_URL, or a service on this machine.
    Client() : Client(Options()) {}

    /// Fetches an initialized tensor.
    ///
    /// `shape` is [out, in, *kernel], unless the field `layout` says otherwise. `fields` is an object with the fields of the service's
    /// /init: scheme, activation, layer, groups, packed, fan_convention, layout, axes, dtype (float32, float64, float16 or bfloat16),
    /// seed (0 to 2^64 - 1), name, slice (NumPy's basic slicing as text: "128:256, :"), fan_in, fan_out, and the parameters of the scheme
    /// and of the activation: stddev, negative_slope, num_layers and so on. The service chooses missing fields, and lists its choices in
    /// the metadata.
    [[nodiscard]] Tensor init(const Shape& shape, const nlohmann::json& fields = {}) {
        nlohmann::json body = detail::to_object(fields);
        body["format"] = "raw";
        detail::TensorReceiver receiver;
        fetch(detail::init_request(shape, std::move(body)), receiver);
        return std::move(receiver).complete();
    }

    /// Writes an initialized tensor of any size to a file, and returns its metadata. `fields` are those of `init`.
    ///
    /// The format is the field `format`, or else the extension (.npy, .safetensors, .npz, .json, or .bin for the raw values), or else
    /// npy. The file appears under its name once it is complete, and replaces an older one. Also throws
    /// std::filesystem::filesystem_error.
    nlohmann::json download(const std::filesystem::path& path, const Shape& shape, const nlohmann::json& fields = {}) {
        nlohmann::json body = detail::to_object(fields);
        if (const std::string extension = path.extension().string(); extension.size() > 1 && !body.contains("format")) {
            body["format"] = extension == ".bin" ? "raw" : extension.substr(1);
        }
        detail::FileReceiver receiver(path);
        fetch(detail::init_request(shape, std::move(body)), receiver);
        return std::move(receiver).complete();
    }

    /// Recommends a scheme for an activation, with a reason, a reference and alternatives. Given the fans, adds its stddev and bound.
    ///
    /// `activation` is a name, an object of a name and parameters, or an object with an expression in x. Pass null to ask about a layer
    /// alone. `fields` may contain layer, num_layers, class_prior, distribution, fan_in, fan_out, and the parameters of the activation.
    [[nodiscard]] nlohmann::json recommend(const nlohmann::json& activation, const nlohmann::json& fields = {}) {
        return detail::parse_object(fetch_text(detail::recommend_request(activation, detail::to_object(fields))));
    }

    /// Lists all schemes: an array of objects with names, parameters, formula and reference.
    [[nodiscard]] nlohmann::json schemes() { return detail::parse_rows(fetch_text({"/schemes"}), "schemes"); }

    /// Lists all activations: an array of objects with names, parameters, gains and recommended scheme.
    [[nodiscard]] nlohmann::json activations() { return detail::parse_rows(fetch_text({"/activations"}), "activations"); }

  private:
    static Options with_url(std::string url) {
        Options options;
        options.url = std::move(url);
        return options;
    }

    void fetch(const detail::Request& request, detail::Receiver& receiver) { detail::Transfer(connection_, request, receiver).run(); }

    std::string fetch_text(const detail::Request& request) {
        detail::TextReceiver receiver;
        fetch(request, receiver);
        return receiver.text();
    }

    detail::Connection connection_;
};

}  // namespace weight_init
