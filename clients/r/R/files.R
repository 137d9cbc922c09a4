# Writes to a temporary file in the same folder and renames it at the end, so that no partial file ever has this name.
write_atomically <- function(path, write) {
  if (dir.exists(path)) {
    stop(sprintf("path: expected the name of a file; received the folder %s. Add a file name.", path), call. = FALSE)
  }
  temporary <- tempfile(paste0(".", basename(path), "."), dirname(path))
  on.exit(unlink(temporary))
  value <- write(temporary)
  if (!file.rename(temporary, path)) {
    stop(sprintf("The download is complete, but it cannot be renamed to %s.", path), call. = FALSE)
  }
  value
}

# close() flushes the buffer, but R reports no error if that fails.
check_size <- function(path, expected) {
  size <- file.size(path)
  if (!isTRUE(size == expected)) {
    stop(sprintf("Wrote %.0f of %.0f bytes. Is the disk full?", size, expected), call. = FALSE)
  }
}
