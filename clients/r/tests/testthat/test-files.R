test_that("a file appears when it is whole, and nothing is left of one that fails", {
  folder <- withr::local_tempdir()
  path <- file.path(folder, "w.npy")
  expect_error(whole_or_nothing(path, function(temporary) {
    writeLines("part", temporary)
    stop("broken")
  }), "broken")
  expect_identical(list.files(folder, all.files = TRUE, no.. = TRUE), character())
  expect_identical(whole_or_nothing(path, function(temporary) {
    writeLines("whole", temporary)
    expect_false(file.exists(path))
    "value"
  }), "value")
  expect_identical(list.files(folder, all.files = TRUE, no.. = TRUE), "w.npy")
})

test_that("a folder is no file, and a disk that lost bytes is noticed", {
  expect_error(whole_or_nothing(withr::local_tempdir(), identity), "folder")
  file <- withr::local_tempfile(lines = "1234")
  expect_silent(check_size(file, 5))
  expect_error(check_size(file, 6), "5 of 6 bytes")
})
