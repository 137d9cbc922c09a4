# Reads the parts of a response: head, metadata and JSON. transfer.R receives it.

item_bytes <- c(float16 = 2, bfloat16 = 2, float32 = 4, float64 = 8)

response_head <- function(handle) {
  data <- curl::handle_data(handle)
  list(status = data$status_code, headers = curl::parse_headers_list(data$headers))
}

# Returns "" for a missing header.
header <- function(head, name) {
  value <- head$headers[[name]]
  if (is.null(value)) "" else value
}

response_metadata <- function(head, beginning = raw()) {
  text <- header(head, "weight-init")
  if (!nzchar(text)) {
    received <- sprintf("a response without it: %s", quoted(decode_text(beginning)))
    stop(unexpected_response(head$status, "a Weight-Init header", received))
  }
  json_object(text, head$status)
}

metadata_shape <- function(metadata) {
  as.numeric(unlist(metadata$shape))
}

# The size of the tensor in bytes, from its metadata. Content-Length must agree, but a proxy may have removed it.
tensor_bytes <- function(head, beginning = raw()) {
  metadata <- response_metadata(head, beginning)
  shape <- metadata_shape(metadata)
  if (!isTRUE(metadata$dtype %in% names(item_bytes))) {
    expected <- sprintf("one of the dtypes %s", paste(names(item_bytes), collapse = ", "))
    stop(unexpected_response(head$status, expected, quoted(format(metadata$dtype))))
  }
  size <- prod(shape) * item_bytes[[metadata$dtype]]
  length <- header(head, "content-length")
  if (nzchar(length) && !isTRUE(as.numeric(length) == size)) {
    expected <- sprintf("%.0f bytes of %s [%s]", size, metadata$dtype, paste(shape, collapse = ", "))
    stop(unexpected_response(head$status, expected, sprintf("%s bytes", length)))
  }
  size
}

# Without Content-Length, curl cannot tell that a connection ended early.
check_received <- function(head, received) {
  size <- tensor_bytes(head)
  if (received != size) {
    stop(unexpected_response(head$status, sprintf("%.0f bytes", size), sprintf("%.0f", received)))
  }
}

# JSON objects become lists, and arrays of numbers or strings become vectors. With `data_frames`, an array of objects
# becomes a data frame.
json_object <- function(text, status, data_frames = FALSE) {
  content <- tryCatch(
    jsonlite::parse_json(
      text,
      simplifyVector = TRUE, simplifyDataFrame = data_frames, simplifyMatrix = FALSE, bigint_as_char = TRUE
    ),
    error = function(problem) NULL
  )
  if (!is.list(content) || is.null(names(content))) {
    stop(unexpected_response(status, "a JSON object", quoted(text)))
  }
  content
}

# Accepts any bytes: drops NULs and replaces invalid UTF-8.
decode_text <- function(bytes) {
  iconv(rawToChar(bytes[bytes != 0]), "UTF-8", "UTF-8", sub = "?")
}

quoted <- function(text, max_chars = 80) {
  sprintf("'%s%s'", substr(text, 1, max_chars), if (nchar(text) > max_chars) "..." else "")
}
