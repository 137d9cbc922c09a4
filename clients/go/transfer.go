package weightinit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// destination receives a response body.
type destination interface {
	// begin discards what was received before and prepares for a new body. It returns the length of the body in bytes, or -1 if unknown.
	begin(response *http.Response) (int64, error)
	// ReadFrom appends the bytes that it reads, until io.EOF.
	io.ReaderFrom
}

// transfer is one response, received over one or more connections. Each connection resumes where the previous one broke.
type transfer struct {
	client      *Client
	call        call
	destination destination

	received int64  // bytes in the destination
	furthest int64  // the maximum of received over all attempts
	length   int64  // total bytes, -1 if unknown
	tag      string // the strong ETag, empty if the response cannot be resumed
}

// transfer sends the call and retries until the whole response is in the destination, or a retry cannot help.
func (c *Client) transfer(ctx context.Context, call call, destination destination) error {
	t := &transfer{client: c, call: call, destination: destination}
	for failures := 0; ; failures++ {
		before := t.furthest
		err := t.attempt(ctx)
		var failed *Error
		if err == nil || !errors.As(err, &failed) || failed.pause == nil {
			return err
		}
		// Only new progress resets the count. Otherwise a response that cannot be resumed and always breaks at the same byte would be
		// retried forever.
		if t.furthest > before {
			failures = 0
		}
		if failures >= c.retries {
			return err
		}
		if err := c.sleep(ctx, failed.pause(failures)); err != nil {
			return err
		}
	}
}

func (c *Client) sleep(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return c.canceled(ctx)
	}
}

// attempt receives as much as one connection delivers.
func (t *transfer) attempt(ctx context.Context) error {
	response, err := t.client.send(ctx, t.call, t.rangeHeaders())
	if err != nil {
		return err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusOK:
		err = t.begin(response)
	case response.StatusCode == http.StatusPartialContent && t.resumable():
		err = t.checkPart(response)
	default:
		err = readProblem(response)
	}
	if err != nil {
		return err
	}
	return t.readBody(response)
}

func (t *transfer) resumable() bool {
	return t.received > 0 && t.tag != ""
}

// rangeHeaders returns the headers that request the rest of the response, or all of it if the response has changed since.
func (t *transfer) rangeHeaders() map[string]string {
	if !t.resumable() {
		return nil
	}
	return map[string]string{"Range": fmt.Sprintf("bytes=%d-", t.received), "If-Range": t.tag}
}

func (t *transfer) begin(response *http.Response) (err error) {
	t.received, t.tag = 0, ""
	t.length, err = t.destination.begin(response)
	tag := response.Header.Get("ETag")
	if t.length >= 0 && response.Header.Get("Accept-Ranges") == "bytes" && strings.HasPrefix(tag, `"`) {
		t.tag = tag
	}
	return err
}

// checkPart checks that a partial response belongs to the same body and starts where the previous one ended.
func (t *transfer) checkPart(response *http.Response) error {
	var first, last, length int64
	received := response.Header.Get("Content-Range")
	_, err := fmt.Sscanf(received, "bytes %d-%d/%d", &first, &last, &length)
	if err != nil || first != t.received || length != t.length {
		expected := fmt.Sprintf("a range from byte %d of %d", t.received, t.length)
		return inconsistentResponse(response, expected, fmt.Sprintf("Content-Range: %q", received))
	}
	if tag := response.Header.Get("ETag"); tag != t.tag {
		expected := fmt.Sprintf("the rest of the response with ETag %s", t.tag)
		return inconsistentResponse(response, expected, fmt.Sprintf("a part of another response (ETag %s)", tag))
	}
	return nil
}

// readBody reads to the end of the body, and fails if it is shorter or longer than announced.
func (t *transfer) readBody(response *http.Response) error {
	var rest io.Reader = response.Body
	if t.length >= 0 {
		rest = io.LimitReader(rest, t.length-t.received)
	}
	n, err := t.destination.ReadFrom(rest)
	t.received += n
	if t.received > t.furthest {
		t.furthest = t.received
	}
	if err != nil || t.length < 0 {
		return err
	}
	if t.received < t.length {
		return t.client.broken(io.ErrUnexpectedEOF)
	}
	if n, _ := io.ReadFull(response.Body, make([]byte, 1)); n > 0 {
		return inconsistentResponse(response, fmt.Sprintf("%d bytes, as announced", t.length), "more")
	}
	return nil
}
