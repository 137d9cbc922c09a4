head_with <- function(..., status = 200L) list(status = status, headers = list(...))

test_that("the header and Content-Length must agree", {
  metadata <- "{\"shape\":[2,3],\"dtype\":\"float32\"}"
  expect_identical(announced_bytes(head_with(`weight-init` = metadata, `content-length` = "24")), 24)
  expect_identical(announced_bytes(head_with(`weight-init` = metadata)), 24)
  expect_error(
    announced_bytes(head_with(`weight-init` = metadata, `content-length` = "23"), raw()),
    "24 bytes of float32 \\[2, 3\\]; received 23 bytes",
    class = "weight_init_error"
  )
})

test_that("without Content-Length an answer that is not whole is noticed", {
  head <- head_with(`weight-init` = "{\"shape\":[2,3],\"dtype\":\"float32\"}")
  expect_null(check_whole(head, 24))
  expect_error(check_whole(head, 23), "24 bytes; received 23", class = "weight_init_error")
})

test_that("a dtype of a later version is refused", {
  metadata <- "{\"shape\":[2,3],\"dtype\":\"float8\"}"
  expect_error(announced_bytes(head_with(`weight-init` = metadata)), "float8", class = "weight_init_error")
})

test_that("a foreign answer is named, with its beginning", {
  page <- charToRaw("<!doctype html>")
  problem <- expect_error(metadata_of(head_with(), page), "<!doctype html>", class = "weight_init_error")
  expect_identical(problem$status, 200L)
  of_proxy <- problem_of(head_with(`content-type` = "text/html", status = 502L), page)
  expect_match(conditionMessage(of_proxy), "502 with '<!doctype html>' (text/html)", fixed = TRUE)
  expect_error(json_object("[1]", 200L), "a JSON object", class = "weight_init_error")
  expect_match(quoted(strrep("x", 81)), "^'x{80}\\.\\.\\.'$")
  expect_identical(text_of(as.raw(c(0x41, 0x00, 0xff))), "A?")
})

test_that("JSON is never read from a file or a URL that it names", {
  file <- withr::local_tempfile(lines = "{\"a\": 1}")
  expect_error(json_object(file, 200L), "a JSON object", class = "weight_init_error")
})

test_that("large integers keep their digits, and arrays are vectors", {
  content <- json_object("{\"seed\":9007199254740993,\"shape\":[2,3],\"errors\":[{\"field\":\"a\"}]}", 200L)
  expect_identical(content, list(seed = "9007199254740993", shape = 2:3, errors = list(list(field = "a"))))
})

test_that("a wait is an integer of seconds, or one", {
  wait_s <- function(...) refused(head_with(..., status = 429L), raw())$wait_s
  expect_identical(wait_s(`retry-after` = "7"), 7)
  expect_identical(wait_s(`retry-after` = "soon"), 1)
  expect_identical(wait_s(), 1)
})

test_that("only a strong ETag of an answer with ranges is resumed", {
  expect_identical(resumable_etag(head_with(etag = "\"a\"", `accept-ranges` = "bytes")), "\"a\"")
  expect_null(resumable_etag(head_with(etag = "W/\"a\"", `accept-ranges` = "bytes")))
  expect_null(resumable_etag(head_with(etag = "\"a\"", `accept-ranges` = "none")))
  expect_null(resumable_etag(head_with()))
})

test_that("a rest that is not the one asked for is refused", {
  transfer <- list(received = 100, etag = "\"a\"")
  rest <- function(...) check_continuation(transfer, head_with(..., status = 206L))
  expect_null(rest(`content-range` = "bytes 100-199/200", etag = "\"a\""))
  expect_error(rest(`content-range` = "bytes 10-199/200", etag = "\"a\""), "from 100 on", class = "weight_init_error")
  expect_error(rest(`content-range` = "bytes 100-199/200", etag = "\"b\""), "\"b\"", class = "weight_init_error")
})
