# Sends requests and receives responses. Retries when the service is busy, and resumes when a connection breaks.

max_wait_s <- 60
pools <- new.env(parent = emptyenv())

# Fetch the complete response to a request. `open(head, beginning)` returns the R connection that receives the body, and
# is called again if the body has to start over. The result has that connection as `content`, for the caller to close.
fetch <- function(client, request, open) {
  transfer <- list2env(list(open = open, received = 0, furthest = 0), parent = emptyenv())
  on.exit(discard_content(transfer))
  retries <- 0
  repeat {
    furthest <- transfer$furthest
    failure <- attempt(client, request, transfer)
    if (is.null(failure)) {
      break
    }
    if (transfer$furthest > furthest) {
      retries <- 0
    }
    if (retries >= client$retries || isTRUE(failure$wait_s > max_wait_s)) {
      stop(failure$error)
    }
    Sys.sleep(if (is.null(failure$wait_s)) 0.1 * 2^retries else failure$wait_s)
    retries <- retries + 1
  }
  on.exit()
  as.list(transfer)
}

# Fetch the complete response into memory. `size(head, beginning)` returns how many bytes to allocate for it.
fetch_bytes <- function(client, request, size = function(head, beginning) 0) {
  response <- fetch(client, request, function(head, beginning) rawConnection(raw(size(head, beginning)), "r+b"))
  on.exit(close(response$content))
  list(head = response$head, bytes = rawConnectionValue(response$content), received = response$received)
}

# Request the missing bytes once. Returns NULL when the response is complete. Otherwise returns a list with the error
# and, if the service asks for one, a wait.
attempt <- function(client, request, transfer) {
  handle <- new_request(client, request, range_headers(transfer))
  head <- NULL
  error_body <- list()
  receive <- function(bytes) {
    if (is.null(head)) {
      head <<- response_head(handle)
      begin_response(transfer, head, bytes)
    }
    if (is_success(head)) append_bytes(transfer, bytes) else error_body[[length(error_body) + 1]] <<- bytes
  }
  reason <- send(client, handle, receive)
  if (is.null(reason) && is.null(head)) {
    receive(raw()) # an empty body triggers no callback
  }
  if (is.null(reason) && !is_success(head)) {
    return(refusal(head, do.call(c, error_body)))
  }
  if (is.null(reason) && is_incomplete(transfer)) {
    reason <- sprintf("received %.0f of %.0f bytes", transfer$received, transfer$length)
  }
  if (!is.null(reason)) list(error = connection_error(client, handle, reason))
}

new_request <- function(client, request, headers) {
  handle <- curl::new_handle(url = paste0(client$url, request$path), accept_encoding = "identity")
  if (nzchar(client$key)) {
    headers$Authorization <- paste("Bearer", client$key)
  }
  if (!is.null(request$body)) {
    headers$`Content-Type` <- "application/json"
    curl::handle_setopt(handle, copypostfields = request$body)
  }
  curl::handle_setheaders(handle, .list = headers)
}

# Send a request and pass each part of the body to `receive`. Returns NULL, or the reason why the connection broke.
send <- function(client, handle, receive) {
  state <- list2env(list(last_receipt = now(), done = FALSE), parent = emptyenv())
  saved_options <- options("show.error.messages", "error")
  on.exit({
    curl::multi_cancel(handle)
    options(saved_options)
  })
  curl::multi_add(
    handle,
    done = function(response) state$done <- TRUE,
    fail = function(reason) {
      state$done <- TRUE
      state$reason <- reason
    },
    data = function(bytes, ...) {
      state$last_receipt <- now()
      cancel <- function(problem) abort(state, problem)
      if (length(bytes) > 0) tryCatch(receive(bytes), error = cancel, warning = cancel, interrupt = cancel)
    },
    pool = pool()
  )
  while (!state$done) {
    remaining_s <- state$last_receipt + client$timeout_s - now()
    if (remaining_s <= 0) {
      stop(timeout_error(client))
    }
    curl::multi_run(timeout = remaining_s, poll = TRUE, pool = pool())
  }
  if (!is.null(state$problem)) {
    stop(state$problem)
  }
  state$reason
}

# Only an error stops a curl transfer from inside a callback. It is raised silently, and send() raises the real problem
# afterwards. R reports an unwritable file or a full disk as a warning first, so warnings become errors.
abort <- function(state, problem) {
  state$problem <- if (inherits(problem, "warning")) simpleError(conditionMessage(problem)) else problem
  options(show.error.messages = FALSE, error = NULL)
  stop(problem)
}

# One pool per process: a forked process must neither use nor close the connections of its parent.
pool <- function() {
  process <- as.character(Sys.getpid())
  if (is.null(pools[[process]])) {
    pools[[process]] <- curl::new_pool()
  }
  pools[[process]]
}

begin_response <- function(transfer, head, bytes) {
  if (head$status == 206) {
    check_content_range(transfer, head)
  } else if (head$status == 200) {
    discard_content(transfer) # a 200 starts over: earlier bytes belong to another response
    transfer$content <- transfer$open(head, bytes)
    transfer$head <- head
    transfer$received <- 0
    transfer$length <- as.numeric(header(head, "content-length"))
    transfer$etag <- resumable_etag(head)
  }
}

append_bytes <- function(transfer, bytes) {
  writeBin(bytes, transfer$content)
  transfer$received <- transfer$received + length(bytes)
  transfer$furthest <- max(transfer$furthest, transfer$received)
}

discard_content <- function(transfer) {
  if (!is.null(transfer$content)) {
    close(transfer$content)
  }
  transfer$content <- NULL
}

is_success <- function(head) {
  head$status %in% c(200, 206)
}

is_incomplete <- function(transfer) {
  isTRUE(transfer$received < transfer$length)
}

range_headers <- function(transfer) {
  if (transfer$received == 0 || is.null(transfer$etag)) {
    return(list())
  }
  list(Range = sprintf("bytes=%.0f-", transfer$received), `If-Range` = transfer$etag)
}

# Only a strong ETag proves that two responses have the same bytes.
resumable_etag <- function(head) {
  etag <- header(head, "etag")
  if (startsWith(etag, "\"") && header(head, "accept-ranges") == "bytes") etag
}

check_content_range <- function(transfer, head) {
  range <- header(head, "content-range")
  etag <- header(head, "etag")
  if (!startsWith(range, sprintf("bytes %.0f-", transfer$received)) || !identical(etag, transfer$etag)) {
    expected <- sprintf("the bytes from %.0f on of %s", transfer$received, format(transfer$etag))
    stop(unexpected_response(206L, expected, sprintf("'%s' of '%s'", range, etag)))
  }
}

# A busy service says when to try again. Any other refusal is final.
refusal <- function(head, body) {
  error <- response_error(head, body)
  if (!head$status %in% c(429, 503)) {
    stop(error)
  }
  retry_after <- header(head, "retry-after")
  list(error = error, wait_s = if (grepl("^[0-9]+$", retry_after)) as.numeric(retry_after) else 1)
}

now <- function() {
  proc.time()[["elapsed"]]
}
