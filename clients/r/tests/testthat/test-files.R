test_that("a file appears only when it is complete, and a failure leaves no file", {
  folder <- withr::local_tempdir()
  path <- file.path(folder, "w.npy")
  expect_error(write_atomically(path, function(temporary) {
    writeLines("part", temporary)
    stop("broken")
  }), "broken")
  expect_identical(list.files(folder, all.files = TRUE, no.. = TRUE), character())
  expect_identical(write_atomically(path, function(temporary) {
    writeLines("whole", temporary)
    expect_false(file.exists(path))
    "value"
  }), "value")
  expect_identical(list.files(folder, all.files = TRUE, no.. = TRUE), "w.npy")
})

test_that("a folder as path and a short file are errors", {
  expect_error(write_atomically(withr::local_tempdir(), identity), "folder")
  file <- withr::local_tempfile(lines = "1234")
  expect_silent(check_size(file, 5))
  expect_error(check_size(file, 6), "5 of 6 bytes")
})
