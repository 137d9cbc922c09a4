# Runs all tests: tests/testthat, and tests/stage, which needs services. From clients/r: Rscript tests/stage/run.R
.libPaths(c("build/library", .libPaths()))
library(testthat)

for (folder in c("tests/testthat", "tests/stage")) {
  test_dir(folder, package = "weightinit", load_package = "installed", reporter = "summary", stop_on_failure = TRUE)
}
