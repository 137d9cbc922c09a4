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
	longestProblem   = 1 << 20 // bytes
	longestBeginning = 80      // bytes
	longestPause     = 60 * time.Second
)

// Error is any failure to get what was asked for. errors.As finds it; errors.Is finds what caused it: context.Canceled,
// context.DeadlineExceeded, or os.ErrDeadlineExceeded after the timeout of the client.
type Error struct {
	// Status is that of HTTP; 0 where no answer came.
	Status int
	// Title says what kind of failure it is.
	Title string
	// Detail says what was expected, what was received and what to do.
	Detail string
	// Errors has a row for each field at fault; often none.
	Errors []FieldError

	cause error
	pause func(failures int) time.Duration // how long to wait before asking again; nil where that is of no use
}

// FieldError is what is wrong with one field of a request. Field is its place, with dots between levels.
type FieldError struct {
	Field    string `json:"field"`
	Expected string `json:"expected"`
	Received string `json:"received"`
	Action   string `json:"action"`
}

// Error is the Detail.
func (e *Error) Error() string {
	return e.Detail
}

// Unwrap is what caused it, if it is known.
func (e *Error) Unwrap() error {
	return e.cause
}

// failure is why no answer came, or only a part of one.
func (c *Client) failure(ctx context.Context, err error, expired bool) *Error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err // without the method and the URL
	}
	var network net.Error
	var operation *net.OpError
	switch {
	case expired:
		return c.timedOut()
	case ctx.Err() != nil:
		return c.givenUp(ctx)
	case errors.As(err, &network) && network.Timeout():
		return c.timedOut()
	case errors.As(err, &operation) && operation.Op == "dial":
		detail := fmt.Sprintf("No service answers at %s (%v). Start it with `weight-init serve`, or give Client its URL.", c.url, err)
		return &Error{Title: "No Service", Detail: detail, cause: err, pause: backOff}
	}
	return c.broken(err)
}

func (c *Client) broken(err error) *Error {
	detail := fmt.Sprintf("The connection to %s broke before the whole answer came (%v). Ask again.", c.url, err)
	return &Error{Title: "Broken Connection", Detail: detail, cause: err, pause: backOff}
}

func (c *Client) timedOut() *Error {
	detail := fmt.Sprintf("Nothing came from %s for %g s. Ask again, or give a larger timeout.", c.url, c.timeout.Seconds())
	return &Error{Title: "Timeout", Detail: detail, cause: os.ErrDeadlineExceeded}
}

func (c *Client) givenUp(ctx context.Context) *Error {
	detail := fmt.Sprintf("The request to %s was given up before the whole answer came (%v).", c.url, ctx.Err())
	return &Error{Title: "Given Up", Detail: detail, cause: ctx.Err()}
}

func backOff(failures int) time.Duration {
	pause := 100 * time.Millisecond
	for ; failures > 0 && pause < longestPause; failures-- {
		pause *= 2
	}
	return pause
}

// problemIn is the error that an answer tells of.
func problemIn(response *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(response.Body, longestProblem))
	if err != nil {
		return err
	}
	problem := problemOf(response, body)
	if response.StatusCode == http.StatusTooManyRequests || response.StatusCode == http.StatusServiceUnavailable {
		problem.pause = retryAfter(response)
	}
	return problem
}

func problemOf(response *http.Response, body []byte) *Error {
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
	detail := fmt.Sprintf("Expected an answer of weight-init; received %d %s with %s. Check the URL, and the proxy if there is one.",
		response.StatusCode, phrase, beginning(body))
	return &Error{Status: response.StatusCode, Title: phrase, Detail: detail}
}

// retryAfter is the pause that the service wishes: a second where it does not say, and none where it is too long to wait.
func retryAfter(response *http.Response) func(int) time.Duration {
	seconds, err := strconv.ParseUint(response.Header.Get("Retry-After"), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		seconds = 1
	}
	if seconds > uint64(longestPause/time.Second) {
		return nil
	}
	return func(int) time.Duration { return time.Duration(seconds) * time.Second }
}

// foreign is the error of an answer of 200 that is not one of weight-init.
func foreign(expected string, received []byte) *Error {
	detail := fmt.Sprintf("Expected %s; received %s. Is the URL that of a weight-init service?", expected, beginning(received))
	return &Error{Status: http.StatusOK, Title: "Foreign Answer", Detail: detail}
}

// unfitting is the error of an answer that contradicts itself.
func unfitting(response *http.Response, expected, received string) *Error {
	detail := fmt.Sprintf("Expected %s; received %s. Check the proxy if there is one.", expected, received)
	return &Error{Status: response.StatusCode, Title: "Contradictory Answer", Detail: detail}
}

func beginning(text []byte) string {
	if len(text) == 0 {
		return "nothing"
	}
	more := ""
	if len(text) > longestBeginning {
		text, more = text[:longestBeginning], "…"
	}
	return strconv.Quote(strings.ToValidUTF8(string(bytes.TrimSpace(text)), "") + more)
}
