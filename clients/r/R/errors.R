#' What can go wrong
#'
#' Whatever fails is a condition of class `weight_init_error`, to be caught by `tryCatch(weight_init_error = )`. Its
#' message says what was expected, what was received and what to do. (A file that cannot be written is an error of R's
#' own.)
#'
#' @format A condition with these fields:
#'   * `status`: the status of HTTP; 0 where no answer came, or none was asked for.
#'   * `title`: the kind of problem, in few words.
#'   * `detail`: the same as the message.
#'   * `errors`: a list with an entry for each field at fault, itself a list of `field`, `expected`, `received` and
#'     `action`; it may be empty.
#' @examples
#' \dontrun{
#' tryCatch(
#'   wi_init(wi_client(), c(2, 3), scheme = "he_norml"),
#'   weight_init_error = function(problem) problem$errors[[1]]$field
#' )
#' }
#' @name weight_init_error
NULL

weight_init_error <- function(status, title, detail, errors = list()) {
  fields <- list(message = detail, call = NULL, status = status, title = title, detail = detail, errors = errors)
  structure(fields, class = c("weight_init_error", "error", "condition"))
}

# What the service, or something before it, says of a request that it refuses.
problem_of <- function(head, body) {
  text <- text_of(body)
  type <- header(head, "content-type")
  content <- if (startsWith(type, "application/problem+json")) {
    tryCatch(json_object(text, head$status), weight_init_error = function(unreadable) NULL)
  }
  if (is.null(content$detail)) {
    received <- sprintf("%d with %s (%s)", head$status, quoted(text), if (nzchar(type)) type else "no type")
    return(foreign_answer(head$status, "an answer of weight-init", received))
  }
  weight_init_error(head$status, content$title, content$detail, as.list(content$errors))
}

foreign_answer <- function(status, expected, received) {
  detail <- sprintf("Expected %s; received %s. Is the URL that of a weight-init service?", expected, received)
  weight_init_error(status, "Not an answer of weight-init", detail)
}

connection_failed <- function(client, handle, reason) {
  if (curl::handle_data(handle)$times[["pretransfer"]] > 0) {
    detail <- sprintf("The connection to %s broke before the whole answer came (%s). Ask again.", client$url, reason)
    return(weight_init_error(0L, "Connection broken", detail))
  }
  action <- "Start it with `weight-init serve`, or give wi_client its URL."
  weight_init_error(0L, "No service", sprintf("No service answers at %s (%s). %s", client$url, reason, action))
}

timed_out <- function(client) {
  waited <- sprintf("Nothing came from %s for %g s.", client$url, client$timeout_s)
  weight_init_error(0L, "Timeout", paste(waited, "Ask again, or give a larger timeout_s."))
}
