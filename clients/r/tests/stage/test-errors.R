feature("error", {
  problem <- problem_in(wi_init(client, c(2, 3), scheme = "he_norml"))
  expect_identical(problem$status, 422L)
  expect_identical(problem$title, "Unprocessable Entity")
  expect_match(problem$detail, "Did you mean 'he_normal'", fixed = TRUE)
  expect_identical(conditionMessage(problem), problem$detail)
  expect_identical(problem$errors[[1]]$field, "scheme")
  expect_identical(names(problem$errors[[1]]), c("field", "expected", "received", "action"))
})

feature("key", {
  expect_identical(problem_in(wi_init(wi_client(stage$keyed_url, key = ""), 2, seed = 7))$status, 401L)
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
  problem <- problem_in(repeat wi_init(limited, c(2, 3), seed = 7))
  expect_identical(problem$status, 429L)
})

feature("busy", {
  busy <- wi_client(stage$busy_url, key = "", retries = 1)
  began <- proc.time()[["elapsed"]]
  expect_identical(problem_in(wi_init(busy, c(100, 1000), seed = 7))$status, 503L)
  expect_gte(proc.time()[["elapsed"]] - began, 1)
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
  expect_match(problem_in(do.call(wi_init, c(list(breaking), fields)))$detail, "broke before the whole answer came")
  problem_in(do.call(wi_download, c(list(breaking, path), fields)))
  expect_identical(list.files(folder, all.files = TRUE, no.. = TRUE), character())
})

test_that("an answer that cannot be resumed is asked for so many times and no more", {
  breaking <- wi_client(stage$cutting_url, key = "", retries = 2)
  problem <- problem_in(wi_init(breaking, c(3000, 500), scheme = "normal")) # without a seed it has no ETag
  expect_identical(problem$status, 0L)
})

test_that("a transfer that the caller breaks off is over at once, without a word", {
  request <- init_request(c(3000, 500), seed = 7, format = "raw")
  expect_silent(expect_error(fetch(client, request, function(head, beginning) stop("my own")), "my own"))
  expect_identical(curl::multi_list(pool()), list())
})

feature("timeout", {
  began <- proc.time()[["elapsed"]]
  problem <- problem_in(wi_init(wi_client(stage$hanging_url, key = "", timeout_s = 0.5), c(2, 3)))
  expect_lt(proc.time()[["elapsed"]] - began, 10)
  expect_identical(problem$status, 0L)
  expect_match(problem$detail, "Nothing came from .* for 0.5 s")
})

feature("nobody", {
  problem <- problem_in(wi_init(wi_client(stage$closed_url, key = "", retries = 0), c(2, 3)))
  expect_identical(problem$status, 0L)
  expect_match(problem$detail, paste("No service answers at", stage$closed_url), fixed = TRUE)
  foreign <- wi_client(stage$foreign_url, key = "")
  folder <- withr::local_tempdir()
  refusals <- list(
    problem_in(wi_init(foreign, c(2, 3))),
    problem_in(wi_recommend(foreign, "relu")),
    problem_in(wi_schemes(foreign)),
    problem_in(wi_download(foreign, file.path(folder, "w.npy"), c(2, 3)))
  )
  for (problem in refusals) {
    expect_match(problem$detail, "received .*<!doctype html>.* Is the URL that of a weight-init service\\?")
  }
  expect_identical(list.files(folder, all.files = TRUE, no.. = TRUE), character())
})
