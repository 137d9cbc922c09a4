# Builds requests: a path, and for a tensor a JSON body. Fields that are NULL are left to the service.

init_request <- function(shape, ..., format) {
  fields <- named_fields(..., format = format)
  fields$seed <- exact_seed(fields$seed)
  list(path = "/init", body = to_json(c(list(shape = as.list(shape)), fields)))
}

recommend_request <- function(activation, ...) {
  fields <- named_fields(activation = activation, ...)
  values <- vapply(fields, function(value) if (is.character(value)) value else to_json(value), "")
  pairs <- paste0(curl::curl_escape(names(fields)), "=", curl::curl_escape(values), recycle0 = TRUE)
  list(path = paste0("/recommend?", paste(pairs, collapse = "&")))
}

named_fields <- function(...) {
  fields <- list(...)
  if (!all(nzchar(names(fields)))) {
    detail <- "Expected named fields, such as activation = \"relu\"; received one without a name. Name every field."
    stop(weight_init_error(0L, "Invalid call", detail))
  }
  Filter(Negate(is.null), fields)
}

# From 2^53 on, a double stands for several integers, so the intended seed is lost. Classes for large integers (bit64's
# integer64, gmp's bigz) print all digits.
exact_seed <- function(seed) {
  if (is.object(seed)) {
    return(as.character(seed))
  }
  if (is.numeric(seed) && isTRUE(seed >= 2^53)) {
    row <- list(
      field = "seed", expected = "a number below 2^53, or a character string", received = sprintf("%.17g", seed),
      action = "Write it in quotes, because R's numbers are inexact from 2^53 on."
    )
    detail <- sprintf("seed: expected %s; received %s. %s", row$expected, row$received, row$action)
    stop(weight_init_error(0L, "Invalid call", detail, list(row)))
  }
  seed
}

to_json <- function(value) {
  as.character(jsonlite::toJSON(
    with_exact_numbers(value),
    auto_unbox = TRUE, json_verbatim = TRUE, null = "null", na = "string"
  ))
}

# jsonlite writes only 15 digits of a number, which is not enough to restore every double.
with_exact_numbers <- function(value) {
  if (is.list(value)) {
    return(lapply(value, with_exact_numbers))
  }
  if (!is.numeric(value) || !all(is.finite(value))) {
    return(value)
  }
  texts <- lapply(number_text(value), structure, class = "json")
  if (length(texts) == 1) texts[[1]] else texts
}

# Writes whole numbers without an exponent, because the service does not accept 1e+05 as an integer.
number_text <- function(x) {
  whole <- x == trunc(x) & abs(x) < 2^53
  ifelse(whole, sprintf("%.0f", x), sprintf("%.17g", x))
}

# "w.npy" -> "npy". Without an extension NULL, which leaves the format to the service.
format_of <- function(path) {
  extension <- regmatches(path, regexpr("[^./\\\\]+$", path))
  if (!grepl(".", basename(path), fixed = TRUE)) {
    return(NULL)
  }
  if (extension == "bin") "raw" else extension
}
