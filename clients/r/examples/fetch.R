# Fetches 64 MiB for each line on stdin and prints the seconds it took. An untimed first fetch opens the connection.
library(weightinit)

client <- wi_client()
fetch <- function() wi_init(client, c(4096, 4096), scheme = "normal", seed = 7)
now <- function() proc.time()[["elapsed"]]

w <- fetch()
lines <- file("stdin", "r")
while (length(readLines(lines, 1)) > 0) {
  start <- now()
  w <- fetch()
  cat(now() - start, "\n", sep = "")
  flush(stdout())
}
close(lines)
