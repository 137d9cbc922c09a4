#' Read a file in NumPy's format
#'
#' Reads versions 1, 2 and 3 of the format: float16, float32 and float64, in either byte order, in C or Fortran order.
#'
#' @param path The name of the file.
#' @return A numeric array of class [wi_weights] without metadata: `w[i, j]` is NumPy's `w[i - 1, j - 1]`.
#' @section Errors: A file in another format, or a truncated one, is a [weight_init_error].
#' @examples
#' \dontrun{
#' wi_download(wi_client(), "w.npy", c(256, 784), activation = "relu", seed = 7)
#' w <- wi_read_npy("w.npy")
#' }
#' @export
wi_read_npy <- function(path) {
  content <- file(path, "rb", raw = TRUE)
  on.exit(close(content))
  array <- parse_npy_header(read_npy_header(content, path), path)
  bytes <- read_exactly(content, prod(array$shape) * item_bytes[[array$dtype]], path)
  new_weights(bytes, array$dtype, array$shape, endian = array$endian, fortran_order = array$fortran_order)
}

read_npy_header <- function(content, path) {
  if (!identical(readBin(content, "raw", 6), as.raw(c(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59)))) {
    stop(npy_error(path, "a file that begins with \\x93NUMPY", "other bytes", "Is it a .npy file?"))
  }
  version <- as.integer(read_exactly(content, 2, path))
  if (!version[1] %in% 1:3) {
    stop(npy_error(path, "version 1, 2 or 3 of the format", version[1], "Save it in one of these versions."))
  }
  digits <- as.integer(read_exactly(content, if (version[1] == 1) 2 else 4, path))
  decode_text(read_exactly(content, sum(digits * 256^(seq_along(digits) - 1)), path))
}

# The header is a Python dict. The pattern excludes arrays of objects and records, whose descr differs.
# NumPy on Python 2 wrote 2L.
parse_npy_header <- function(header, path) {
  pattern <- c(
    descr = "['\"]descr['\"]\\s*:\\s*['\"]([<>=|]?f[248])['\"]",
    order = "['\"]fortran_order['\"]\\s*:\\s*(True|False)",
    shape = "['\"]shape['\"]\\s*:\\s*\\(([0-9,[:space:]L]*)\\)"
  )
  fields <- vapply(pattern, function(one) regmatches(header, regexec(one, header))[[1]][2], "")
  if (anyNA(fields)) {
    action <- "Convert the array, and save it again."
    stop(npy_error(path, "an array of float16, float32 or float64", quoted(header), action))
  }
  kind <- sub("^[<>=|]", "", fields[["descr"]])
  list(
    dtype = c(f2 = "float16", f4 = "float32", f8 = "float64")[[kind]],
    endian = switch(substr(fields[["descr"]], 1, 1), `<` = "little", `>` = "big", .Platform$endian),
    fortran_order = fields[["order"]] == "True",
    shape = as.numeric(regmatches(fields[["shape"]], gregexpr("[0-9]+", fields[["shape"]]))[[1]])
  )
}

# Checks the size first, so that a header with a wrong shape does not allocate memory.
read_exactly <- function(content, count, path) {
  remaining <- file.size(path) - seek(content)
  if (!isTRUE(remaining >= count)) {
    action <- "The file is truncated: download or save it again."
    stop(npy_error(path, sprintf("%.0f more bytes", count), remaining, action))
  }
  readBin(content, "raw", count)
}

npy_error <- function(path, expected, received, action) {
  detail <- sprintf("%s: expected %s; received %s. %s", path, expected, received, action)
  weight_init_error(0L, "Not a readable .npy file", detail)
}
