#' Arrays with metadata
#'
#' The result of [wi_init()]: a numeric array with the metadata of its values. `w[i, j]` is the tensor's element
#' (i - 1, j - 1), regardless of the byte layout. R's numbers are doubles, which hold every float32, float64, float16
#' and bfloat16 exactly.
#'
#' Anything computed from it (a part, a product, a transpose) holds other values, and is a plain array. `as.array()`
#' returns a plain array of the same values.
#'
#' @param w An array from [wi_init()] or [wi_read_npy()].
#' @return
#'   * `wi_metadata()`: how the values were made, as a list: `scheme`, `parameters`, `formula`, `stddev`, `fan_in`,
#'     `seed`, `recommended` (with `scheme`, `reason`, `reference`), `warnings` and more.
#'   * `wi_seed()`: the seed, 0 to 2^64 - 1, as a character string, whether the request or the service chose it.
#'   * `wi_dtype()`: `"float32"`, `"float64"`, `"float16"` or `"bfloat16"`.
#'   * `wi_bits()`: the bits of float16 and bfloat16 as an integer array (0 to 65535), or `NULL` for other dtypes.
#' @section Errors: `wi_metadata()` and `wi_seed()` raise a [weight_init_error] if the array is not from [wi_init()].
#' @examples
#' \dontrun{
#' w <- wi_init(wi_client(), c(256, 784), activation = "relu", dtype = "float16")
#' wi_seed(w)
#' wi_metadata(w)$recommended$reason
#' wi_bits(w)[1, 1]
#' }
#' @name wi_weights
NULL

#' @rdname wi_weights
#' @export
wi_metadata <- function(w) {
  metadata <- attr(w, "metadata", exact = TRUE)
  if (is.null(metadata)) {
    detail <- "Expected an array from wi_init; received one without metadata, perhaps a derived one. Keep the original."
    stop(weight_init_error(0L, "No metadata", detail))
  }
  metadata
}

#' @rdname wi_weights
#' @export
wi_seed <- function(w) {
  seed <- wi_metadata(w)$seed
  if (is.character(seed)) seed else number_text(seed)
}

#' @rdname wi_weights
#' @export
wi_dtype <- function(w) {
  attr(w, "dtype", exact = TRUE)
}

#' @rdname wi_weights
#' @export
wi_bits <- function(w) {
  attr(w, "bits", exact = TRUE)
}

#' @export
print.wi_weights <- function(x, ...) {
  cat("<", wi_dtype(x), " [", paste(dim(x), collapse = ", "), "]", sep = "")
  metadata <- attr(x, "metadata", exact = TRUE)
  if (!is.null(metadata)) {
    cat(" of ", metadata$scheme, ", seed ", wi_seed(x), sep = "")
  }
  cat(">\n")
  for (warning in metadata$warnings) {
    cat("warning: ", warning, "\n", sep = "")
  }
  invisible(x)
}

#' @export
as.array.wi_weights <- function(x, ...) {
  shape <- dim(x)
  attributes(x) <- NULL
  dim(x) <- shape
  x
}

#' @export
Ops.wi_weights <- function(e1, e2) {
  as_plain(NextMethod())
}

#' @export
Math.wi_weights <- function(x, ...) {
  as_plain(NextMethod())
}

#' @export
t.wi_weights <- function(x) {
  as_plain(NextMethod())
}

as_plain <- function(x) {
  if (inherits(x, "wi_weights")) as.array(x) else x
}

# Build an array from bytes in C or Fortran order.
new_weights <- function(bytes, dtype, shape, metadata = NULL, endian = "little", fortran_order = FALSE) {
  elements <- arrange(decode_elements(bytes, dtype, endian), shape, fortran_order)
  bits <- if (is.integer(elements)) elements
  w <- if (is.null(bits)) elements else widen(bits, dtype)
  structure(w, class = c("wi_weights", class(w)), dtype = dtype, bits = bits, metadata = metadata)
}

# R stores arrays in Fortran order. An array in C order is a Fortran-order array of the reversed shape, so reversing the
# dimensions gives the tensor's w[i, j]. A scalar is an R vector without dim.
arrange <- function(elements, shape, fortran_order) {
  if (length(shape) == 0) {
    return(elements)
  }
  dim(elements) <- if (fortran_order) shape else rev(shape)
  if (fortran_order) elements else aperm(elements)
}
