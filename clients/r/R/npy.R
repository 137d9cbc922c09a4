#' Read a file in NumPy's format
#'
#' Versions 1, 2 and 3, of float16, float32 and float64 in either byte order, in C order or Fortran's.
#'
#' @param path The file's name.
#' @return A numeric array of class [wi_weights] without metadata: `w[i, j]` is NumPy's `w[i - 1, j - 1]`.
#' @section Errors: A file that is not such a one, or not whole, is a [weight_init_error].
#' @examples
#' \dontrun{
#' wi_download(wi_client(), "w.npy", c(256, 784), activation = "relu", seed = 7)
#' w <- wi_read_npy("w.npy")
#' }
#' @export
wi_read_npy <- function(path) {
  content <- file(path, "rb", raw = TRUE)
  on.exit(close(content))
  array <- npy_array(npy_header(content, path), path)
  bytes <- read_exactly(content, prod(array$shape) * item_bytes[[array$dtype]], path)
  new_weights(bytes, array$dtype, array$shape, endian = array$endian, fortran_order = array$fortran_order)
}

npy_header <- function(content, path) {
  if (!identical(readBin(content, "raw", 6), as.raw(c(0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59)))) {
    stop(npy_error(path, "a file that begins with \\x93NUMPY", "another", "Is it an .npy file?"))
  }
  version <- as.integer(read_exactly(content, 2, path))
  if (!version[1] %in% 1:3) {
    stop(npy_error(path, "version 1, 2 or 3 of the format", version[1], "Save it with a version among these."))
  }
  digits <- as.integer(read_exactly(content, if (version[1] == 1) 2 else 4, path))
  text_of(read_exactly(content, sum(digits * 256^(seq_along(digits) - 1)), path))
}

# The header is a dict of Python. Arrays of objects and of records have another descr.
npy_array <- function(header, path) {
  pattern <- c(
    descr = "'descr': *'([<>=]f[248])'", order = "'fortran_order': *(True|False)", shape = "'shape': *\\(([0-9, ]*)\\)"
  )
  found <- vapply(pattern, function(one) regmatches(header, regexec(one, header))[[1]][2], "")
  if (anyNA(found)) {
    stop(npy_error(path, "an array of float16, float32 or float64", quoted(header), "Convert it, and save it again."))
  }
  list(
    dtype = c(f2 = "float16", f4 = "float32", f8 = "float64")[[substring(found[["descr"]], 2)]],
    endian = c(`<` = "little", `>` = "big", `=` = .Platform$endian)[[substr(found[["descr"]], 1, 1)]],
    fortran_order = found[["order"]] == "True",
    shape = as.numeric(strsplit(found[["shape"]], ",")[[1]])
  )
}

# The size is compared first, so that a header which lies does not take memory.
read_exactly <- function(content, count, path) {
  left <- file.size(path) - seek(content)
  if (!isTRUE(left >= count)) {
    stop(npy_error(path, sprintf("%.0f more bytes", count), left, "The file is not whole: download or save it again."))
  }
  readBin(content, "raw", count)
}

npy_error <- function(path, expected, received, action) {
  detail <- sprintf("%s: expected %s; received %s. %s", path, expected, received, action)
  weight_init_error(0L, "Not a readable .npy file", detail)
}
