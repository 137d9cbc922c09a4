feature("error", {
  problem <- error_from(wi_init(client, c(2, 3), scheme = "he_norml"))
  expect_identical(problem$status, 422L)
  expect_identical(problem$title, "Unprocessable Entity")
  expect_match(problem$detail, "Did you mean 'he_normal'", fixed = TRUE)
  expect_identical(conditionMessage(problem), problem$detail)
  expect_identical(problem$errors[[1]]$field, "scheme")
  expect_identical(names(problem$errors[[1]]), c("field", "expected", "received", "action"))
})

feature("key", {
  expect_identical(error_from(wi_init(wi_client(stage$keyed_url, key = ""), 2, seed = 7))$status, 401L)
  with_key <- wi_client(stage$keyed_url, key = stage$key)
  expect_equal(dim(wi_init(with_key, c(2, 3), seed = 7)), c(2, 3))
  withr::local_envvar(WEIGHT_INIT_API_KEY = stage$key)
  expect_equal(dim(wi_init(wi_client(stage$keyed_url), c(2, 3), seed = 7)), c(2, 3))
})

feature("retry", {
  limited <- wi_client(stage$limited_url, key = "")
  for (time in 1:3) {
    expect_equal(dim(wi_init(limited, c(2, 3), seed = 7)), c(2, 3))
  }
  limited$retries <- 0
  problem <- error_from(repeat wi_init(limited, c(2, 3), seed = 7))
  expect_identical(problem$status, 429L)
})

feature("busy", {
  busy <- wi_client(stage$busy_url, key = "", retries = 1)
  start <- proc.time()[["elapsed"]]
  expect_identical(error_from(wi_init(busy, c(100, 1000), seed = 7))$status, 503L)
  expect_gte(proc.time()[["elapsed"]] - start, 1)
})

feature("resume", {
  breaking <- wi_client(stage$cutting_url, key = "")
  fields <- list(shape = c(3000, 500), scheme = "normal", seed = 7)
  whole <- do.call(wi_init, c(list(client), fields))
  expect_identical(do.call(wi_init, c(list(breaking), fields)), whole)
  folder <- withr::local_tempdir()
  path <- file.path(folder, "w.bin")
  do.call(wi_download, c(list(breaking, path), fields))
  expect_identical(sha256(file = path), sha256(bytes_of(whole)))
  unlink(path)
  breaking$retries <- 0
  expect_match(error_from(do.call(wi_init, c(list(breaking), fields)))$detail, "broke before the response was complete")
  error_from(do.call(wi_download, c(list(breaking, path), fields)))
  expect_identical(list.files(folder, all.files = TRUE, no.. = TRUE), character())
})

test_that("a request that cannot be resumed is retried a limited number of times", {
  breaking <- wi_client(stage$cutting_url, key = "", retries = 2)
  problem <- error_from(wi_init(breaking, c(3000, 500), scheme = "normal")) # no seed, so no ETag
  expect_identical(problem$status, 0L)
})

test_that("an error in the caller ends the transfer at once, without output", {
  request <- init_request(c(3000, 500), seed = 7, format = "raw")
  expect_silent(expect_error(fetch(client, request, function(head, beginning) stop("caller error")), "caller error"))
  expect_identical(curl::multi_list(pool()), list())
})

feature("timeout", {
  start <- proc.time()[["elapsed"]]
  problem <- error_from(wi_init(wi_client(stage$hanging_url, key = "", timeout_s = 0.5), c(2, 3)))
  expect_lt(proc.time()[["elapsed"]] - start, 10)
  expect_identical(problem$status, 0L)
  expect_match(problem$detail, "Received nothing from .* for 0.5 s")
})

feature("nobody", {
  problem <- error_from(wi_init(wi_client(stage$closed_url, key = "", retries = 0), c(2, 3)))
  expect_identical(problem$status, 0L)
  expect_match(problem$detail, paste("No service answers at", stage$closed_url), fixed = TRUE)
  foreign <- wi_client(stage$foreign_url, key = "")
  folder <- withr::local_tempdir()
  problems <- list(
    error_from(wi_init(foreign, c(2, 3))),
    error_from(wi_recommend(foreign, "relu")),
    error_from(wi_schemes(foreign)),
    error_from(wi_download(foreign, file.path(folder, "w.npy"), c(2, 3)))
  )
  for (problem in problems) {
    expect_match(problem$detail, "received .*<!doctype html>.* Check that the URL points to a weight-init service\\.")
  }
  expect_identical(list.files(folder, all.files = TRUE, no.. = TRUE), character())
})
