# The addresses of the test services, and the responses to expect from them.
stage <- local({
  file <- Sys.getenv("WEIGHT_INIT_STAGE")
  if (!nzchar(file)) {
    stop("WEIGHT_INIT_STAGE is not set. Run `make test-clients` at the root of the repository.", call. = FALSE)
  }
  jsonlite::fromJSON(file, simplifyVector = FALSE, bigint_as_char = TRUE)
})

client <- wi_client(stage$url, key = "")

# A test that reports its feature when it passes.
feature <- function(name, code) {
  passed <- eval(substitute(testthat::test_that(name, code)), parent.frame())
  report <- Sys.getenv("WEIGHT_INIT_REPORT")
  if (passed && nzchar(report)) {
    cat(name, "\n", sep = "", file = report, append = TRUE)
  }
}

fetch_golden <- function(request, fetch = wi_init, ...) {
  request$format <- NULL
  do.call(fetch, c(list(client, ...), request))
}

sha256 <- function(...) digest::digest(..., algo = "sha256", serialize = FALSE)

in_c_order <- function(w) {
  values <- as.array(w)
  if (is.null(dim(values))) values else as.vector(aperm(values))
}

bytes_of <- function(w) {
  if (!is.null(wi_bits(w))) {
    return(writeBin(as.vector(aperm(wi_bits(w))), raw(), size = 2, endian = "little"))
  }
  writeBin(in_c_order(w), raw(), size = if (wi_dtype(w) == "float64") 8 else 4, endian = "little")
}

shape_of <- function(w) if (is.null(dim(w))) integer() else dim(w)

numbers <- function(values) as.numeric(unlist(values))

error_from <- function(code) testthat::expect_error(code, class = "weight_init_error")
