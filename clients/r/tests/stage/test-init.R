feature("golden", {
  for (row in stage$golden) {
    w <- fetch_golden(row$request)
    expect_identical(sha256(bytes_of(w)), row$answer$sha256)
    expect_identical(wi_dtype(w), row$answer$dtype)
    expect_equal(shape_of(w), numbers(row$answer$shape))
    expect_identical(utils::head(in_c_order(w), length(row$answer$first)), numbers(row$answer$first))
  }
})

feature("wide", {
  request <- list(shape = c(64, 64), scheme = "normal", seed = 7)
  w <- lapply(c("float32", "float64", "float16", "bfloat16"), function(dtype) fetch_golden(c(request, dtype = dtype)))
  names(w) <- vapply(w, wi_dtype, "")
  expect_lt(max(abs(w$float64 - w$float32)), 1e-5)
  expect_identical(dim(wi_bits(w$float16)), c(64L, 64L))
  # Decodes the bits with arithmetic independent of the package.
  decode <- function(bits, fraction_bits, bias) {
    exponent <- bitwAnd(bitwShiftR(bits, fraction_bits), 2 * bias + 1)
    fraction <- bitwAnd(bits, 2^fraction_bits - 1) / 2^fraction_bits
    sign <- 1 - 2 * bitwShiftR(bits, 15)
    sign * 2^(pmax(exponent, 1) - bias) * (fraction + (exponent > 0))
  }
  expect_identical(as.vector(w$float16), decode(as.vector(wi_bits(w$float16)), 10, 15))
  expect_identical(as.vector(w$bfloat16), decode(as.vector(wi_bits(w$bfloat16)), 7, 127))
  expect_true(all(abs(w$float16 - w$float32) <= abs(w$float32) * 2^-11 + 2^-25))
  expect_true(all(abs(w$bfloat16 - w$float32) <= abs(w$float32) * 2^-8))
})

feature("seed", {
  largest <- Filter(function(row) identical(row$request$seed, "18446744073709551615"), stage$golden)
  expect_gt(length(largest), 0)
  for (row in largest) {
    w <- fetch_golden(row$request)
    expect_identical(sha256(bytes_of(w)), row$answer$sha256)
    expect_identical(wi_seed(w), "18446744073709551615")
  }
  fresh <- wi_init(client, c(4, 5), activation = "relu")
  expect_match(wi_seed(fresh), "^[0-9]{1,20}$")
  expect_identical(as.array(wi_init(client, c(4, 5), activation = "relu", seed = wi_seed(fresh))), as.array(fresh))
})

feature("slice", {
  whole <- wi_init(client, c(64, 64), activation = "tanh", seed = 7)
  part <- wi_init(client, c(64, 64), activation = "tanh", seed = 7, slice = "10:20, ::-3")
  expect_identical(as.array(part), whole[11:20, seq(64, 1, by = -3)])
})

test_that("forked processes can share a client", {
  draw <- function(seed) as.array(wi_init(client, c(300, 300), scheme = "normal", seed = seed))
  expect_identical(parallel::mclapply(1:4, draw, mc.cores = 4), lapply(1:4, draw))
})
