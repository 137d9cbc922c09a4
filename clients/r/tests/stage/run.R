# Every test: those of tests/testthat, and those that need a stage. In the package's folder: Rscript tests/stage/run.R
.libPaths(c("build/library", .libPaths()))
library(testthat)

for (folder in c("tests/testthat", "tests/stage")) {
  test_dir(folder, package = "weightinit", load_package = "installed", reporter = "summary", stop_on_failure = TRUE)
}
