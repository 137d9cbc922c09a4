# The only place where bytes are sent and received: asked again, and resumed where a connection broke.

longest_wait_s <- 60
pools <- new.env(parent = emptyenv())

# Fetch the answer to a request, all of it. `open(head, beginning)` gives the connection that takes its bytes, and is
# called again if the answer has to begin anew. The value has the connection, which the caller closes, as `content`.
fetch <- function(client, request, open) {
  transfer <- list2env(list(open = open, received = 0, furthest = 0), parent = emptyenv())
  on.exit(discard(transfer))
  tries <- 0
  repeat {
    furthest <- transfer$furthest
    setback <- attempt(client, request, transfer)
    if (is.null(setback)) {
      break
    }
    if (transfer$furthest > furthest) {
      tries <- 0
    }
    if (tries >= client$retries || isTRUE(setback$wait_s > longest_wait_s)) {
      stop(setback$error)
    }
    Sys.sleep(if (is.null(setback$wait_s)) 0.1 * 2^tries else setback$wait_s)
    tries <- tries + 1
  }
  on.exit()
  as.list(transfer)
}

# The same into memory; `size(head, beginning)` says how much of it is needed.
fetch_bytes <- function(client, request, size = function(head, beginning) 0) {
  answer <- fetch(client, request, function(head, beginning) rawConnection(raw(size(head, beginning)), "r+b"))
  on.exit(close(answer$content))
  list(head = answer$head, bytes = rawConnectionValue(answer$content), received = answer$received)
}

# Ask once, for what is missing. NULL when the answer is whole, else a list of the error and perhaps of the wait.
attempt <- function(client, request, transfer) {
  handle <- new_request(client, request, rest_of(transfer))
  head <- NULL
  page <- list()
  take <- function(bytes) {
    if (is.null(head)) {
      head <<- head_of(handle)
      begin(transfer, head, bytes)
    }
    if (is_content(head)) add(transfer, bytes) else page[[length(page) + 1]] <<- bytes
  }
  broken <- exchange(client, handle, take)
  if (is.null(broken) && is.null(head)) {
    take(raw()) # the body is empty
  }
  if (is.null(broken) && !is_content(head)) {
    return(refused(head, do.call(c, page)))
  }
  if (is.null(broken) && is_short(transfer)) {
    broken <- sprintf("%.0f of %.0f bytes", transfer$received, transfer$length)
  }
  if (!is.null(broken)) list(error = connection_failed(client, handle, broken))
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

# Send a request, and hand the parts of the body to `take`. The value is NULL, or why the connection broke.
exchange <- function(client, handle, take) {
  state <- list2env(list(heard = now(), over = FALSE), parent = emptyenv())
  before <- options("show.error.messages", "error")
  on.exit({
    curl::multi_cancel(handle)
    options(before)
  })
  curl::multi_add(
    handle,
    done = function(answer) state$over <- TRUE,
    fail = function(reason) {
      state$over <- TRUE
      state$broken <- reason
    },
    data = function(bytes, ...) {
      state$heard <- now()
      give_up <- function(problem) abort(state, problem)
      if (length(bytes) > 0) tryCatch(take(bytes), error = give_up, warning = give_up, interrupt = give_up)
    },
    pool = pool()
  )
  while (!state$over) {
    left_s <- state$heard + client$timeout_s - now()
    if (left_s <= 0) {
      stop(timed_out(client))
    }
    curl::multi_run(timeout = left_s, poll = TRUE, pool = pool())
  }
  if (!is.null(state$problem)) {
    stop(state$problem)
  }
  state$broken
}

# An error is the only way to make curl end a transfer from within. It is silent; the problem is kept for the caller.
# A file that cannot be opened, and a disk that is full, are warnings first.
abort <- function(state, problem) {
  state$problem <- if (inherits(problem, "warning")) simpleError(conditionMessage(problem)) else problem
  options(show.error.messages = FALSE, error = NULL)
  stop(problem)
}

# A process that was forked must not write to the connections of its parent, nor close them.
pool <- function() {
  process <- as.character(Sys.getpid())
  if (is.null(pools[[process]])) {
    pools[[process]] <- curl::new_pool()
  }
  pools[[process]]
}

begin <- function(transfer, head, bytes) {
  if (head$status == 206) {
    check_continuation(transfer, head)
  } else if (head$status == 200) {
    discard(transfer) # what came before is of another answer
    transfer$content <- transfer$open(head, bytes)
    transfer$head <- head
    transfer$received <- 0
    transfer$length <- as.numeric(header(head, "content-length"))
    transfer$etag <- resumable_etag(head)
  }
}

add <- function(transfer, bytes) {
  writeBin(bytes, transfer$content)
  transfer$received <- transfer$received + length(bytes)
  transfer$furthest <- max(transfer$furthest, transfer$received)
}

discard <- function(transfer) {
  if (!is.null(transfer$content)) {
    close(transfer$content)
  }
  transfer$content <- NULL
}

is_content <- function(head) {
  head$status %in% c(200, 206)
}

is_short <- function(transfer) {
  isTRUE(transfer$received < transfer$length)
}

rest_of <- function(transfer) {
  if (transfer$received == 0 || is.null(transfer$etag)) {
    return(list())
  }
  list(Range = sprintf("bytes=%.0f-", transfer$received), `If-Range` = transfer$etag)
}

resumable_etag <- function(head) {
  etag <- header(head, "etag")
  if (startsWith(etag, "\"") && header(head, "accept-ranges") == "bytes") etag
}

check_continuation <- function(transfer, head) {
  range <- header(head, "content-range")
  etag <- header(head, "etag")
  if (!startsWith(range, sprintf("bytes %.0f-", transfer$received)) || !identical(etag, transfer$etag)) {
    expected <- sprintf("the bytes from %.0f on of %s", transfer$received, format(transfer$etag))
    stop(foreign_answer(206L, expected, sprintf("'%s' of '%s'", range, etag)))
  }
}

# A service that is busy says when to ask again; all else is an error.
refused <- function(head, body) {
  problem <- problem_of(head, body)
  if (!head$status %in% c(429, 503)) {
    stop(problem)
  }
  asked <- header(head, "retry-after")
  list(error = problem, wait_s = if (grepl("^[0-9]+$", asked)) as.numeric(asked) else 1)
}

now <- function() {
  proc.time()[["elapsed"]]
}
