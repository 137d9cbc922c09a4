library(testthat)
library(weightinit)

test_check("weightinit")
