# A file that is there whole or not at all: written under a temporary name beside it.
whole_or_nothing <- function(path, write) {
  if (dir.exists(path)) {
    stop(sprintf("expected the name of a file; received that of a folder: %s", path), call. = FALSE)
  }
  temporary <- tempfile(paste0(".", basename(path), "."), dirname(path))
  on.exit(unlink(temporary))
  value <- write(temporary)
  if (!file.rename(temporary, path)) {
    stop(sprintf("the file is whole, but cannot be renamed to %s", path), call. = FALSE)
  }
  value
}

# What is still in a buffer when a file is closed may fail to reach the disk, which is no error to close.
check_size <- function(path, expected) {
  size <- file.size(path)
  if (!isTRUE(size == expected)) {
    stop(sprintf("the disk took %.0f of %.0f bytes: is it full?", size, expected), call. = FALSE)
  }
}
