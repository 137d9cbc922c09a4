# The seconds of one fetch of 64 MiB for each line on stdin. The first fetch, untimed, opens the connection.
library(weightinit)

client <- wi_client()
fetch <- function() wi_init(client, c(4096, 4096), scheme = "normal", seed = 7)
now <- function() proc.time()[["elapsed"]]

w <- fetch()
lines <- file("stdin", "r")
while (length(readLines(lines, 1)) > 0) {
  began <- now()
  w <- fetch()
  cat(now() - began, "\n", sep = "")
  flush(stdout())
}
close(lines)
