in_c_order <- function(values, shape, ...) {
  new_weights(writeBin(values, raw(), size = 4, endian = "little"), "float32", shape, ...)
}

test_that("w[i, j, k] is the tensor's element (i - 1, j - 1, k - 1)", {
  w <- in_c_order(as.double(0:23), c(2, 3, 4))
  for (i in 0:1) for (j in 0:2) for (k in 0:3) expect_identical(w[i + 1, j + 1, k + 1], i * 12 + j * 4 + k)
})

test_that("a vector has its length as dim, and a scalar has no dim", {
  expect_identical(as.array(in_c_order(c(1.5, -2), 2)), array(c(1.5, -2), 2))
  expect_identical(as.array(in_c_order(0.25, numeric())), 0.25)
  expect_identical(dim(in_c_order(numeric(), c(0, 3))), c(0L, 3L))
})

test_that("derived arrays are plain", {
  w <- in_c_order(c(1, 4, 9, 16), c(2, 2), metadata = list(seed = 7L))
  square <- matrix(c(1, 9, 4, 16), 2)
  expect_identical(w * 2, square * 2)
  expect_identical(2 * w, square * 2)
  expect_identical(-w, -square)
  expect_identical(w + w, square + square)
  expect_identical(sqrt(w), sqrt(square))
  expect_identical(round(w, 1), square)
  expect_identical(t(w), t(square))
  expect_identical(w[1, ], c(1, 4))
  expect_identical(w %*% c(1, 1), square %*% c(1, 1))
  expect_identical(as.data.frame(w), as.data.frame(square))
  expect_error(wi_metadata(w * 2), "original", class = "weight_init_error")
})

test_that("wi_seed returns all digits", {
  expect_identical(wi_seed(in_c_order(1, 1, metadata = list(seed = 100000L))), "100000")
  expect_identical(wi_seed(in_c_order(1, 1, metadata = list(seed = 2^53 - 1))), "9007199254740991")
  expect_identical(wi_seed(in_c_order(1, 1, metadata = list(seed = "18446744073709551615"))), "18446744073709551615")
})

test_that("printing is brief and does not reveal the key", {
  w <- in_c_order(c(1, 2), c(1, 2), metadata = list(scheme = "zeros", seed = 7L, warnings = c("one", "two")))
  expect_output(print(w), "<float32 [1, 2] of zeros, seed 7>\nwarning: one\nwarning: two", fixed = TRUE)
  expect_output(print(in_c_order(1, numeric())), "<float32 []>", fixed = TRUE)
  expect_output(print(wi_client("http://host/", key = "secret")), "^<weight-init at http://host>$")
})

test_that("float16 is widened exactly", {
  bits <- c(0x0000L, 0x8000L, 0x0001L, 0x8001L, 0x03ffL, 0x0400L, 0x3c00L, 0x7bffL, 0x7c00L, 0xfc00L, 0x7e00L)
  values <- c(0, -0, 2^-24, -2^-24, 1023 * 2^-24, 2^-14, 1, 65504, Inf, -Inf, NaN)
  expect_identical(widen(bits, "float16"), values)
  expect_identical(1 / widen(0x8000L, "float16"), -Inf)
})

test_that("bfloat16 is widened exactly", {
  bits <- c(0x0000L, 0x0001L, 0x8001L, 0x0080L, 0x3f80L, 0xc000L, 0x7f7fL, 0x7f80L, 0xff80L)
  values <- c(0, 2^-133, -2^-133, 2^-126, 1, -2, 255 * 2^120, Inf, -Inf)
  expect_identical(widen(bits, "bfloat16"), values)
  expect_true(is.nan(widen(0x7fc0L, "bfloat16")))
})
