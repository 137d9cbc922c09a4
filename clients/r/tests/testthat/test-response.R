head_with <- function(..., status = 200L) list(status = status, headers = list(...))

test_that("the metadata and Content-Length must agree", {
  metadata <- "{\"shape\":[2,3],\"dtype\":\"float32\"}"
  expect_identical(tensor_bytes(head_with(`weight-init` = metadata, `content-length` = "24")), 24)
  expect_identical(tensor_bytes(head_with(`weight-init` = metadata)), 24)
  expect_error(
    tensor_bytes(head_with(`weight-init` = metadata, `content-length` = "23"), raw()),
    "24 bytes of float32 \\[2, 3\\]; received 23 bytes",
    class = "weight_init_error"
  )
})

test_that("a truncated response is detected without Content-Length", {
  head <- head_with(`weight-init` = "{\"shape\":[2,3],\"dtype\":\"float32\"}")
  expect_null(check_received(head, 24))
  expect_error(check_received(head, 23), "24 bytes; received 23", class = "weight_init_error")
})

test_that("an unknown dtype is refused", {
  metadata <- "{\"shape\":[2,3],\"dtype\":\"float8\"}"
  expect_error(tensor_bytes(head_with(`weight-init` = metadata)), "float8", class = "weight_init_error")
})

test_that("an error quotes the beginning of a foreign response", {
  page <- charToRaw("<!doctype html>")
  problem <- expect_error(response_metadata(head_with(), page), "<!doctype html>", class = "weight_init_error")
  expect_identical(problem$status, 200L)
  proxy_error <- response_error(head_with(`content-type` = "text/html", status = 502L), page)
  expect_match(conditionMessage(proxy_error), "status 502 with the body '<!doctype html>' (text/html)", fixed = TRUE)
  expect_error(json_object("[1]", 200L), "a JSON object", class = "weight_init_error")
  expect_match(quoted(strrep("x", 81)), "^'x{80}\\.\\.\\.'$")
  expect_identical(decode_text(as.raw(c(0x41, 0x00, 0xff))), "A?")
})

test_that("a file name or URL is not read as JSON", {
  file <- withr::local_tempfile(lines = "{\"a\": 1}")
  expect_error(json_object(file, 200L), "a JSON object", class = "weight_init_error")
})

test_that("large integers keep all digits, and arrays become vectors", {
  content <- json_object("{\"seed\":9007199254740993,\"shape\":[2,3],\"errors\":[{\"field\":\"a\"}]}", 200L)
  expect_identical(content, list(seed = "9007199254740993", shape = 2:3, errors = list(list(field = "a"))))
})

test_that("the wait is Retry-After in seconds, or one second if it is not an integer", {
  wait_s <- function(...) refusal(head_with(..., status = 429L), raw())$wait_s
  expect_identical(wait_s(`retry-after` = "7"), 7)
  expect_identical(wait_s(`retry-after` = "soon"), 1)
  expect_identical(wait_s(), 1)
})

test_that("only a response with a strong ETag and byte ranges is resumable", {
  expect_identical(resumable_etag(head_with(etag = "\"a\"", `accept-ranges` = "bytes")), "\"a\"")
  expect_null(resumable_etag(head_with(etag = "W/\"a\"", `accept-ranges` = "bytes")))
  expect_null(resumable_etag(head_with(etag = "\"a\"", `accept-ranges` = "none")))
  expect_null(resumable_etag(head_with()))
})

test_that("a partial response other than the requested one is refused", {
  transfer <- list(received = 100, etag = "\"a\"")
  check <- function(...) check_content_range(transfer, head_with(..., status = 206L))
  expect_null(check(`content-range` = "bytes 100-199/200", etag = "\"a\""))
  expect_error(check(`content-range` = "bytes 10-199/200", etag = "\"a\""), "from 100 on", class = "weight_init_error")
  expect_error(check(`content-range` = "bytes 100-199/200", etag = "\"b\""), "\"b\"", class = "weight_init_error")
})
