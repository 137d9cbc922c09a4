# What comes back: heads, metadata and JSON, apart from the receiving of them.

item_bytes <- c(float16 = 2, bfloat16 = 2, float32 = 4, float64 = 8)

head_of <- function(handle) {
  data <- curl::handle_data(handle)
  list(status = data$status_code, headers = curl::parse_headers_list(data$headers))
}

# "" where there is none.
header <- function(head, name) {
  value <- head$headers[[name]]
  if (is.null(value)) "" else value
}

metadata_of <- function(head, beginning = raw()) {
  text <- header(head, "weight-init")
  if (!nzchar(text)) {
    received <- sprintf("none, and %s", quoted(text_of(beginning)))
    stop(foreign_answer(head$status, "the header Weight-Init", received))
  }
  json_object(text, head$status)
}

shape_of <- function(metadata) {
  as.numeric(unlist(metadata$shape))
}

# The bytes of a tensor, as its metadata and Content-Length say in agreement; a proxy may have left out the latter.
announced_bytes <- function(head, beginning = raw()) {
  metadata <- metadata_of(head, beginning)
  shape <- shape_of(metadata)
  if (!isTRUE(metadata$dtype %in% names(item_bytes))) {
    expected <- sprintf("a dtype among %s", paste(names(item_bytes), collapse = ", "))
    stop(foreign_answer(head$status, expected, quoted(format(metadata$dtype))))
  }
  size <- prod(shape) * item_bytes[[metadata$dtype]]
  length <- header(head, "content-length")
  if (nzchar(length) && !isTRUE(as.numeric(length) == size)) {
    expected <- sprintf("%.0f bytes of %s [%s]", size, metadata$dtype, paste(shape, collapse = ", "))
    stop(foreign_answer(head$status, expected, sprintf("%s bytes", length)))
  }
  size
}

# Without Content-Length a connection may have ended early unnoticed.
check_whole <- function(head, received) {
  size <- announced_bytes(head)
  if (received != size) {
    stop(foreign_answer(head$status, sprintf("%.0f bytes", size), sprintf("%.0f", received)))
  }
}

# Objects are lists, and arrays of numbers or strings are vectors. Rows become a data frame where that is asked for.
json_object <- function(text, status, data_frames = FALSE) {
  content <- tryCatch(
    jsonlite::parse_json(
      text,
      simplifyVector = TRUE, simplifyDataFrame = data_frames, simplifyMatrix = FALSE, bigint_as_char = TRUE
    ),
    error = function(problem) NULL
  )
  if (!is.list(content) || is.null(names(content))) {
    stop(foreign_answer(status, "a JSON object", quoted(text)))
  }
  content
}

# Whatever the bytes are.
text_of <- function(bytes) {
  iconv(rawToChar(bytes[bytes != 0]), "UTF-8", "UTF-8", sub = "?")
}

quoted <- function(text, longest = 80) {
  sprintf("'%s%s'", substr(text, 1, longest), if (nchar(text) > longest) "..." else "")
}
