package weightinit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

const (
	maxProblemBytes = 1 << 20
	maxExcerptBytes = 80
	maxPause        = 60 * time.Second
)

// Error describes why a request failed. Use errors.As to get it. Use errors.Is to test its cause: context.Canceled,
// context.DeadlineExceeded, or os.ErrDeadlineExceeded after the client's timeout.
type Error struct {
	// Status is the HTTP status, or 0 if there was no response.
	Status int
	// Title names the kind of failure.
	Title string
	// Detail says what was expected, what was received and what to do.
	Detail string
	// Errors has an entry for each invalid field. It is often empty.
	Errors []FieldError

	cause error
	pause func(failures int) time.Duration // how long to wait before a retry; nil if a retry cannot help
}

// FieldError describes what is wrong with one field of a request. Field is its path, with dots between levels.
type FieldError struct {
	Field    string `json:"field"`
	Expected string `json:"expected"`
	Received string `json:"received"`
	Action   string `json:"action"`
}

// Error returns the Detail.
func (e *Error) Error() string {
	return e.Detail
}

// Unwrap returns the cause, or nil if it is unknown.
func (e *Error) Unwrap() error {
	return e.cause
}

// failure returns the error for a response that did not arrive, or arrived only in part.
func (c *Client) failure(ctx context.Context, err error, expired bool) *Error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err // drop the method and the URL
	}
	var network net.Error
	var operation *net.OpError
	switch {
	case expired:
		return c.timedOut()
	case ctx.Err() != nil:
		return c.canceled(ctx)
	case errors.As(err, &network) && network.Timeout():
		return c.timedOut()
	case errors.As(err, &operation) && operation.Op == "dial":
		detail := fmt.Sprintf("No service answers at %s (%v). Start it with `weight-init serve`, or correct the client's URL.", c.url, err)
		return &Error{Title: "No Service", Detail: detail, cause: err, pause: backOff}
	}
	return c.broken(err)
}

func (c *Client) broken(err error) *Error {
	detail := fmt.Sprintf("The connection to %s broke before the response was complete (%v). Try again.", c.url, err)
	return &Error{Title: "Broken Connection", Detail: detail, cause: err, pause: backOff}
}

func (c *Client) timedOut() *Error {
	detail := fmt.Sprintf("Received nothing from %s for %g s. Try again, or set a longer timeout.", c.url, c.timeout.Seconds())
	return &Error{Title: "Timeout", Detail: detail, cause: os.ErrDeadlineExceeded}
}

func (c *Client) canceled(ctx context.Context) *Error {
	detail := fmt.Sprintf("The request to %s was canceled before the response was complete (%v).", c.url, ctx.Err())
	return &Error{Title: "Canceled", Detail: detail, cause: ctx.Err()}
}

func backOff(failures int) time.Duration {
	pause := 100 * time.Millisecond
	for ; failures > 0 && pause < maxPause; failures-- {
		pause *= 2
	}
	return pause
}

// readProblem returns the error that a response describes.
func readProblem(response *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(response.Body, maxProblemBytes))
	if err != nil {
		return err
	}
	problem := parseProblem(response, body)
	if response.StatusCode == http.StatusTooManyRequests || response.StatusCode == http.StatusServiceUnavailable {
		problem.pause = retryAfter(response)
	}
	return problem
}

func parseProblem(response *http.Response, body []byte) *Error {
	phrase := http.StatusText(response.StatusCode)
	mediaType, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	var problem struct {
		Title  string       `json:"title"`
		Detail string       `json:"detail"`
		Errors []FieldError `json:"errors"`
	}
	if err == nil && mediaType == "application/problem+json" && json.Unmarshal(body, &problem) == nil && problem.Detail != "" {
		return &Error{Status: response.StatusCode, Title: problem.Title, Detail: problem.Detail, Errors: problem.Errors}
	}
	detail := fmt.Sprintf("Expected a response from weight-init; received %d %s with %s. Check the URL, and the proxy if you use one.",
		response.StatusCode, phrase, excerpt(body))
	return &Error{Status: response.StatusCode, Title: phrase, Detail: detail}
}

// retryAfter returns the pause that the service asks for, or one second if it does not say. It returns nil if the pause is too long.
func retryAfter(response *http.Response) func(int) time.Duration {
	seconds, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		seconds = 1
	}
	if seconds > uint64(maxPause/time.Second) {
		return nil
	}
	return func(int) time.Duration { return time.Duration(seconds) * time.Second }
}

// unexpectedResponse returns the error for a 200 response that does not come from weight-init.
func unexpectedResponse(expected string, received []byte) *Error {
	detail := fmt.Sprintf("Expected %s; received %s. Check that this is the URL of a weight-init service.", expected, excerpt(received))
	return &Error{Status: http.StatusOK, Title: "Unexpected Response", Detail: detail}
}

// inconsistentResponse returns the error for a response that contradicts itself or the request.
func inconsistentResponse(response *http.Response, expected, received string) *Error {
	detail := fmt.Sprintf("Expected %s; received %s. Check the proxy if you use one.", expected, received)
	return &Error{Status: response.StatusCode, Title: "Inconsistent Response", Detail: detail}
}

func excerpt(text []byte) string {
	if len(text) == 0 {
		return "nothing"
	}
	more := ""
	if len(text) > maxExcerptBytes {
		text, more = text[:maxExcerptBytes], "…"
	}
	return strconv.Quote(strings.ToValidUTF8(string(bytes.TrimSpace(text)), "") + more)
}
