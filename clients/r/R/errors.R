#' Errors of the client
#'
#' Every failure is a condition of class `weight_init_error`, which `tryCatch(weight_init_error = )` catches. Its
#' message says what was expected, what was received and what to do. The exception is a file that cannot be written,
#' which is an ordinary R error.
#'
#' @format A condition with these fields:
#'   * `status`: the HTTP status, or 0 if there was no response or no request was sent.
#'   * `title`: the kind of problem, in a few words.
#'   * `detail`: the same text as the message.
#'   * `errors`: a list with one entry for each invalid field, itself a list of `field`, `expected`, `received` and
#'     `action`. It may be empty.
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

# The error in a response other than 200: the service's own problem document, or whatever a proxy sent instead.
response_error <- function(head, body) {
  text <- decode_text(body)
  type <- header(head, "content-type")
  content <- if (startsWith(type, "application/problem+json")) {
    tryCatch(json_object(text, head$status), weight_init_error = function(unreadable) NULL)
  }
  if (is.null(content$detail)) {
    type <- if (nzchar(type)) type else "no content type"
    received <- sprintf("status %d with the body %s (%s)", head$status, quoted(text), type)
    return(unexpected_response(head$status, "a weight-init response", received))
  }
  weight_init_error(head$status, content$title, content$detail, as.list(content$errors))
}

unexpected_response <- function(status, expected, received) {
  action <- "Check that the URL points to a weight-init service."
  detail <- sprintf("Expected %s; received %s. %s", expected, received, action)
  weight_init_error(status, "Not a weight-init response", detail)
}

connection_error <- function(client, handle, reason) {
  if (curl::handle_data(handle)$times[["pretransfer"]] > 0) {
    problem <- sprintf("The connection to %s broke before the response was complete (%s).", client$url, reason)
    return(weight_init_error(0L, "Connection broken", paste(problem, "Try again.")))
  }
  action <- "Start it with `weight-init serve`, or pass its URL to wi_client."
  weight_init_error(0L, "No service", sprintf("No service answers at %s (%s). %s", client$url, reason, action))
}

timeout_error <- function(client) {
  problem <- sprintf("Received nothing from %s for %g s.", client$url, client$timeout_s)
  weight_init_error(0L, "Timeout", paste(problem, "Try again, or set a longer timeout_s."))
}
