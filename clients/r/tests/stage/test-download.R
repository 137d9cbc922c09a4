files_in <- function(folder) list.files(folder, all.files = TRUE, no.. = TRUE)

feature("download", {
  folder <- withr::local_tempdir()
  files <- Filter(function(row) row$request$format != "raw", stage$golden)
  expect_gt(length(files), 0)
  raw <- Filter(function(row) row$request$format == "raw", stage$golden)[1]
  for (row in c(files, raw)) {
    extension <- if (row$request$format == "raw") "bin" else row$request$format
    path <- file.path(folder, paste0("w.", extension))
    metadata <- fetch_golden(row$request, wi_download, path)
    expect_identical(sha256(file = path), row$answer$file_sha256)
    expect_identical(metadata$dtype, row$answer$dtype)
    expect_identical(files_in(folder), basename(path))
    unlink(path)
  }
  path <- file.path(folder, "w.npy")
  error_from(wi_download(client, path, c(2, 3), scheme = "he_norml"))
  expect_identical(files_in(folder), character())
  wi_download(client, path, c(20, 30), activation = "relu", seed = 7)
  expect_identical(as.array(wi_read_npy(path)), as.array(wi_init(client, c(20, 30), activation = "relu", seed = 7)))
})

test_that("a download that cannot be written fails and leaves nothing behind", {
  folder <- file.path(withr::local_tempdir(), "missing")
  expect_error(wi_download(client, file.path(folder, "w.npy"), c(2, 3), seed = 7), "No such file")
  expect_false(dir.exists(folder))
})

feature("npy", {
  for (row in stage$npy) {
    if (row$refused) {
      problem <- error_from(wi_read_npy(row$file))
      expect_match(problem$detail, basename(row$file), fixed = TRUE)
    } else {
      array <- wi_read_npy(row$file)
      expect_identical(in_c_order(array), numbers(row$values))
      expect_identical(wi_dtype(array), row$dtype)
      expect_equal(shape_of(array), numbers(row$shape))
    }
  }
})
