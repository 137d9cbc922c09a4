#' Where the service is, and how to ask it
#'
#' A client is a plain value: it can be kept, copied, saved, and sent to other R processes. Requests of one process
#' share their connections.
#'
#' @param url The service's URL; by default that of the environment variable `WEIGHT_INIT_URL`, else
#'   `http://127.0.0.1:8000`.
#' @param key Its API key, or `""` for none; by default that of the environment variable `WEIGHT_INIT_API_KEY`.
#' @param timeout_s The longest wait for each part of an answer, in seconds. A large tensor may take longer in all.
#'   Waits are measured to about a second.
#' @param retries How often in a row to ask again when the service is busy (429, 503) or a connection breaks.
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
  cat("<weight-init at ", x$url, ">\n", sep = "") # not the key
  invisible(x)
}

#' An initialized tensor as an array
#'
#' Without `scheme`, the service takes the one that fits the activation. With a `seed`, the same request has the same
#' values for ever; without one, the service chooses a seed, and [wi_seed()] tells it. What is left out, or `NULL`, is
#' decided by the service, which also checks the values.
#'
#' @param client A [wi_client()].
#' @param shape The lengths of the dimensions: `c(out, in, kernel...)`, or `c(kernel..., in, out)` with
#'   `layout = "keras"` (or jax, flax). `c()` is a scalar.
#' @param ... Named fields of the request, and beside them the parameters of the scheme and the activation:
#'   * `scheme`, `activation`: a name, or a list of a name and parameters: `list(name = "normal", stddev = 0.02)`. An
#'     activation may be `list(expression = "x*tanh(x)")`.
#'   * `seed`: a number from 0 to below 2^53, or up to 2^64 - 1 as a character string. An `integer64` of bit64 will do.
#'   * `name`: tensors of different names are independent.
#'   * `dtype`: `"float32"`, `"float64"`, `"float16"` or `"bfloat16"`: the same numbers, rounded.
#'   * `slice`: a part, as NumPy writes it: `"128:256, :"`.
#'   * `layer`, `groups`, `packed`, `fan_convention`, `layout`, `fan_in`, `fan_out`: how the fans are counted.
#'   * parameters, such as `stddev = 0.02`, `gain = 2`, `negative_slope = 0.2`, `num_layers = 12`.
#' @return A numeric array of class [wi_weights] whose `dim` is the tensor's shape: `w[i, j]` is its element
#'   (i - 1, j - 1). A scalar has no `dim`.
#' @section Errors: Whatever fails is a [weight_init_error].
#' @examples
#' \dontrun{
#' client <- wi_client()
#' w <- wi_init(client, c(256, 784), activation = "relu", seed = 7)
#' bias <- wi_init(client, 256, scheme = "zeros")
#' query <- wi_init(client, c(768, 768), scheme = "truncated_normal", stddev = 0.02, seed = "18446744073709551615")
#' }
#' @export
wi_init <- function(client, shape, ...) {
  answer <- fetch_bytes(client, init_request(shape, ..., format = "raw"), announced_bytes)
  check_whole(answer$head, answer$received)
  metadata <- metadata_of(answer$head)
  new_weights(answer$bytes, metadata$dtype, shape_of(metadata), metadata)
}

#' An initialized tensor, written to a file
#'
#' For a tensor of any size, in constant memory. The file appears under its name when it is whole; nothing is left of
#' one that fails.
#'
#' @inheritParams wi_init
#' @param path The file's name.
#' @param format `"npy"`, `"safetensors"`, `"npz"`, `"json"` or `"raw"`; by default as the extension says, where `.bin`
#'   is raw.
#' @return The tensor's metadata, invisibly: see [wi_metadata()].
#' @inheritSection wi_init Errors
#' @examples
#' \dontrun{
#' metadata <- wi_download(wi_client(), "w.safetensors", c(256, 784), activation = "relu", seed = 7)
#' metadata$scheme
#' }
#' @export
wi_download <- function(client, path, shape, ..., format = format_of(path)) {
  request <- init_request(shape, ..., format = format)
  metadata <- whole_or_nothing(path, function(temporary) {
    answer <- fetch(client, request, function(head, beginning) {
      metadata_of(head, beginning) # an answer without it is refused before a byte is written
      file(temporary, "wb")
    })
    close(answer$content)
    check_size(temporary, answer$received)
    metadata_of(answer$head)
  })
  invisible(metadata)
}

#' The scheme that fits an activation or a layer
#'
#' @param client A [wi_client()].
#' @param activation The activation's name, or a list as in [wi_init()].
#' @param ... Named: `layer` (what the weight is in the network), `num_layers`, `class_prior`, `distribution`, `fan_in`,
#'   `fan_out`, and the activation's parameters. With the fans, the answer has the standard deviation too.
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

#' Every scheme, and every activation
#'
#' @param client A [wi_client()].
#' @return A data frame with a row for each: `name`, `formula`, `reference`, and columns of lists such as `aliases` and
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
    stop(foreign_answer(200L, sprintf("a list of %s", name), "none"))
  }
  rows
}

fetch_json <- function(client, request, ...) {
  answer <- fetch_bytes(client, request)
  json_object(text_of(answer$bytes), answer$head$status, ...)
}
