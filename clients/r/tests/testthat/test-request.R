body_of <- function(...) init_request(..., format = "raw")$body

test_that("a shape is an array of integers, whatever its rank", {
  expect_identical(body_of(c(256, 784)), "{\"shape\":[256,784],\"format\":\"raw\"}")
  expect_identical(body_of(100000), "{\"shape\":[100000],\"format\":\"raw\"}")
  expect_identical(body_of(c(2^31, 2^20)), "{\"shape\":[2147483648,1048576],\"format\":\"raw\"}")
  expect_identical(body_of(c()), "{\"shape\":[],\"format\":\"raw\"}")
  expect_identical(body_of(list(3L, 4L)), "{\"shape\":[3,4],\"format\":\"raw\"}")
})

test_that("numbers keep all digits", {
  for (value in c(0.1, 1 / 3, 0.1 + 0.2, 1e-300, .Machine$double.xmax, -2.5, 2^52 + 1, 123456789012)) {
    expect_identical(jsonlite::parse_json(to_json(list(x = value)))$x + 0, value)
  }
})

test_that("fields are sent unchanged, and NULL is omitted", {
  scheme <- list(name = "normal", stddev = 0.5)
  expect_identical(
    body_of(2, scheme = scheme, activation = NULL, corrected = TRUE, name = "a\"\u00e9"),
    paste0(
      "{\"shape\":[2],\"scheme\":{\"name\":\"normal\",\"stddev\":0.5},",
      "\"corrected\":true,\"name\":\"a\\\"\u00e9\",\"format\":\"raw\"}"
    )
  )
})

test_that("a field without a name is refused", {
  expect_error(body_of(2, "relu"), "Name every field", class = "weight_init_error")
  expect_error(recommend_request("relu", 784), "Name every field", class = "weight_init_error")
})

test_that("a seed from 2^53 on is refused as a number and sent as a string", {
  expect_match(body_of(2, seed = 2^53 - 1), "\"seed\":9007199254740991,")
  expect_match(body_of(2, seed = "18446744073709551615"), "\"seed\":\"18446744073709551615\"")
  problem <- expect_error(body_of(2, seed = 2^53), "quotes", class = "weight_init_error")
  expect_identical(problem$errors[[1]]$field, "seed")
})

test_that("a seed of a large-integer class is sent with all digits", {
  registerS3method("as.character", "large", function(x, ...) "9007199254740993", envir = baseenv())
  expect_match(body_of(2, seed = structure(0, class = "large")), "\"seed\":\"9007199254740993\"")
})

test_that("a query can hold text, numbers and objects", {
  expect_identical(recommend_request("relu", fan_in = 784)$path, "/recommend?activation=relu&fan_in=784")
  expect_identical(recommend_request(NULL, layer = "a&b")$path, "/recommend?layer=a%26b")
  expect_identical(recommend_request(NULL)$path, "/recommend?")
  expect_identical(
    utils::URLdecode(recommend_request(list(expression = "x*x"))$path), "/recommend?activation={\"expression\":\"x*x\"}"
  )
})

test_that("the extension determines the format", {
  expect_identical(format_of("a.b/w.npy"), "npy")
  expect_identical(format_of("w.safetensors"), "safetensors")
  expect_identical(format_of("w.bin"), "raw")
  expect_null(format_of("a.b/w"))
})
