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

// destination is where an answer goes.
type destination interface {
	// begin makes it empty, ready for an answer that begins, and returns the length of the body in bytes, -1 if nobody knows it.
	begin(response *http.Response) (int64, error)
	// ReadFrom appends what it reads, until io.EOF.
	io.ReaderFrom
}

// transfer is an answer on its way: over as many connections as it takes, each going on where the one before it broke.
type transfer struct {
	client   *Client
	question question
	into     destination

	received int64  // bytes that `into` has
	furthest int64  // the most that it ever had
	length   int64  // bytes of the whole, -1 if nobody knows
	tag      string // the strong ETag of what can be resumed, else empty
}

// transfer asks until the whole answer is in its destination, or until it is of no use to ask again.
func (c *Client) transfer(ctx context.Context, question question, into destination) error {
	t := &transfer{client: c, question: question, into: into}
	for failures := 0; ; failures++ {
		before := t.furthest
		err := t.attempt(ctx)
		var failed *Error
		if err == nil || !errors.As(err, &failed) || failed.pause == nil {
			return err
		}
		if t.furthest > before { // only then: an answer that always breaks at the same byte, and cannot be resumed, would go on for ever
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
		return c.givenUp(ctx)
	}
}

// attempt takes what one connection brings.
func (t *transfer) attempt(ctx context.Context) error {
	response, err := t.client.send(ctx, t.question, t.condition())
	if err != nil {
		return err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusOK:
		err = t.begin(response)
	case response.StatusCode == http.StatusPartialContent && t.resumable():
		err = t.checkRest(response)
	default:
		err = problemIn(response)
	}
	if err != nil {
		return err
	}
	return t.takeRest(response)
}

func (t *transfer) resumable() bool {
	return t.received > 0 && t.tag != ""
}

// condition is the headers that ask for the rest of the same answer, or for all of another.
func (t *transfer) condition() map[string]string {
	if !t.resumable() {
		return nil
	}
	return map[string]string{"Range": fmt.Sprintf("bytes=%d-", t.received), "If-Range": t.tag}
}

func (t *transfer) begin(response *http.Response) (err error) {
	t.received, t.tag = 0, ""
	t.length, err = t.into.begin(response)
	tag := response.Header.Get("ETag")
	if t.length >= 0 && response.Header.Get("Accept-Ranges") == "bytes" && strings.HasPrefix(tag, `"`) {
		t.tag = tag
	}
	return err
}

// checkRest makes sure that a part is one of the same answer, and begins where the last one ended.
func (t *transfer) checkRest(response *http.Response) error {
	var first, last, length int64
	received := response.Header.Get("Content-Range")
	_, err := fmt.Sscanf(received, "bytes %d-%d/%d", &first, &last, &length)
	if err != nil || first != t.received || length != t.length {
		return unfitting(response, fmt.Sprintf("the bytes from %d on of %d", t.received, t.length), fmt.Sprintf("Content-Range: %q", received))
	}
	if tag := response.Header.Get("ETag"); tag != t.tag {
		return unfitting(response, fmt.Sprintf("the rest of the answer with the ETag %s", t.tag), fmt.Sprintf("that of another (%s)", tag))
	}
	return nil
}

// takeRest reads to the end, and no further than the announced one.
func (t *transfer) takeRest(response *http.Response) error {
	var rest io.Reader = response.Body
	if t.length >= 0 {
		rest = io.LimitReader(rest, t.length-t.received)
	}
	n, err := t.into.ReadFrom(rest)
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
		return unfitting(response, fmt.Sprintf("%d bytes, as announced", t.length), "more")
	}
	return nil
}
