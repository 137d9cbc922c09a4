#' Create a client of a weight-init service
#'
#' A client is a plain value: you can copy it, save it, and send it to other R processes. All requests of a process
#' share its connections.
#'
#' @param url The URL of the service. Defaults to the environment variable `WEIGHT_INIT_URL`, or
#'   `http://127.0.0.1:8000` if it is not set.
#' @param key The API key, or `""` for none. Defaults to the environment variable `WEIGHT_INIT_API_KEY`.
#' @param timeout_s Seconds to wait for each part of a response. A large tensor may take longer in total. The timeout is
#'   accurate to about a second.
#' @param retries How many times in a row to retry when the service is busy (429, 503) or a connection breaks.
#' @return An object of class `wi_client`.
#' @examples
#' client <- wi_client("http://127.0.0.1:8000", timeout_s = 10)
#' client
#' @export
wi_client <- function(url = Sys.getenv("WEIGHT_INIT_URL", "http://127.0.0.1:8000"),
                      key = Sys.getenv("WEIGHT_INIT_API_KEY"), timeout_s = 30, retries = 4) {
  client <- list(url = sub("/+$", "", url), key = key, timeout_s = timeout_s, retries = retries)
  structure(client, class = "wi_client")
}

#' @export
print.wi_client <- function(x, ...) {
  cat("<weight-init at ", x$url, ">\n", sep = "") # the key is a secret
  invisible(x)
}

#' Fetch an initialized tensor as an array
#'
#' Without `scheme`, the service chooses the one that fits the activation. With a `seed`, the same request always
#' returns the same values. Without one, the service chooses a seed, which [wi_seed()] returns. The service checks all
#' fields, and chooses a value for each one that is missing or `NULL`.
#'
#' @param client A [wi_client()].
#' @param shape The dimensions: `c(out, in, kernel...)`, or `c(kernel..., in, out)` with `layout = "keras"` (or jax,
#'   flax). `c()` is a scalar.
#' @param ... Named fields of the request, including the parameters of the scheme and the activation:
#'   * `scheme`, `activation`: a name, or a list of a name and parameters: `list(name = "normal", stddev = 0.02)`. An
#'     activation may also be a formula: `list(expression = "x*tanh(x)")`.
#'   * `seed`: a number from 0 to 2^53 - 1, or a character string up to 2^64 - 1. An `integer64` from bit64 also works.
#'   * `name`: tensors with different names are independent.
#'   * `dtype`: `"float32"`, `"float64"`, `"float16"` or `"bfloat16"`. The numbers are the same, rounded.
#'   * `slice`: a part of the tensor in NumPy's notation: `"128:256, :"`.
#'   * `layer`, `groups`, `packed`, `fan_convention`, `layout`, `axes`, `fan_in`, `fan_out`: how to compute the fans.
#'   * `padding_idx`: the entry of an embedding that is zero, counted from 0.
#'   * parameters, such as `stddev = 0.02`, `gain = 2`, `negative_slope = 0.2`, `num_layers = 12`.
#' @return A numeric array of class [wi_weights] whose `dim` is the tensor's shape: `w[i, j]` is its element
#'   (i - 1, j - 1). A scalar has no `dim`.
#' @section Errors: Every failure is a [weight_init_error].
#' @examples
#' \dontrun{
#' client <- wi_client()
#' w <- wi_init(client, c(256, 784), activation = "relu", seed = 7)
#' bias <- wi_init(client, 256, scheme = "zeros")
#' query <- wi_init(client, c(768, 768), scheme = "truncated_normal", stddev = 0.02, seed = "18446744073709551615")
#' }
#' @export
wi_init <- function(client, shape, ...) {
  response <- fetch_bytes(client, init_request(shape, ..., format = "raw"), tensor_bytes)
  check_received(response$head, response$received)
  metadata <- response_metadata(response$head)
  new_weights(response$bytes, metadata$dtype, metadata_shape(metadata), metadata)
}

#' Download an initialized tensor to a file
#'
#' Writes a tensor of any size in constant memory. The file appears under its name once it is complete. A download that
#' fails leaves no file behind.
#'
#' @inheritParams wi_init
#' @param path The name of the file.
#' @param format `"npy"`, `"safetensors"`, `"npz"`, `"json"` or `"raw"`. Defaults to the extension of `path`, where
#'   `.bin` means raw.
#' @return The tensor's metadata, invisibly: see [wi_metadata()].
#' @section Errors: Every failed request is a [weight_init_error]. A file that cannot be written is an ordinary R error.
#' @examples
#' \dontrun{
#' metadata <- wi_download(wi_client(), "w.safetensors", c(256, 784), activation = "relu", seed = 7)
#' metadata$scheme
#' }
#' @export
wi_download <- function(client, path, shape, ..., format = format_of(path)) {
  request <- init_request(shape, ..., format = format)
  metadata <- write_atomically(path, function(temporary) {
    response <- fetch(client, request, function(head, beginning) {
      response_metadata(head, beginning) # refuses a foreign response before writing anything
      file(temporary, "wb")
    })
    close(response$content)
    check_size(temporary, response$received)
    response_metadata(response$head)
  })
  invisible(metadata)
}

#' Recommend a scheme for an activation or a layer
#'
#' @param client A [wi_client()].
#' @param activation The activation's name, or a list as in [wi_init()].
#' @param ... Named fields: `layer` (the role of the weight in the network), `num_layers`, `class_prior`,
#'   `distribution`, `fan_in`, `fan_out`, and the activation's parameters. Given the fans, the result includes the
#'   standard deviation.
#' @return A list: `scheme`, `parameters`, `formula`, `stddev`, `gain`, `reason`, `reference`, alternatives and more.
#' @inheritSection wi_init Errors
#' @examples
#' \dontrun{
#' advice <- wi_recommend(wi_client(), "relu", fan_in = 784)
#' advice$scheme
#' advice$reason
#' }
#' @export
wi_recommend <- function(client, activation = NULL, ...) {
  fetch_json(client, recommend_request(activation, ...))
}

#' List all schemes or all activations
#'
#' @param client A [wi_client()].
#' @return A data frame with one row for each: `name`, `formula`, `reference`, and list columns such as `aliases` and
#'   `parameters`.
#' @inheritSection wi_init Errors
#' @examples
#' \dontrun{
#' schemes <- wi_schemes(wi_client())
#' schemes[schemes$name == "he_normal", c("formula", "reference")]
#' }
#' @export
wi_schemes <- function(client) {
  fetch_rows(client, "schemes")
}

#' @rdname wi_schemes
#' @export
wi_activations <- function(client) {
  fetch_rows(client, "activations")
}

fetch_rows <- function(client, name) {
  rows <- fetch_json(client, list(path = paste0("/", name)), data_frames = TRUE)[[name]]
  if (!is.data.frame(rows)) {
    stop(unexpected_response(200L, sprintf("a list of %s", name), "none"))
  }
  rows
}

fetch_json <- function(client, request, ...) {
  response <- fetch_bytes(client, request)
  json_object(decode_text(response$bytes), response$head$status, ...)
}
