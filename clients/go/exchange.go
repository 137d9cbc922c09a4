package weightinit

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"
)

// exchange is one request and its response. It cancels the request if nothing arrives within the timeout. It replaces the response body,
// and its read errors are of type *Error, so callers can tell them from errors of the writer that the body is copied to.
type exchange struct {
	client  *Client
	caller  context.Context
	cancel  context.CancelFunc
	timer   *time.Timer
	expired atomic.Bool
	body    io.ReadCloser
}

// send returns a response of any status. The caller must read and close its body.
func (c *Client) send(ctx context.Context, call call, headers map[string]string) (*http.Response, error) {
	request, err := c.request(call, headers)
	if err != nil {
		return nil, err
	}
	e := &exchange{client: c, caller: ctx}
	watched, cancel := context.WithCancel(ctx)
	e.cancel = cancel
	e.timer = time.AfterFunc(c.timeout, func() {
		e.expired.Store(true)
		cancel()
	})
	defer e.timer.Stop()
	// Once connected, the full timeout starts again for the response.
	connected := func(httptrace.GotConnInfo) { e.timer.Reset(c.timeout) }
	response, err := c.http.Do(request.WithContext(httptrace.WithClientTrace(watched, &httptrace.ClientTrace{GotConn: connected})))
	if err != nil {
		cancel()
		return nil, e.failure(err)
	}
	e.body, response.Body = response.Body, e
	return response, nil
}

func (c *Client) request(call call, headers map[string]string) (*http.Request, error) {
	parsed, err := url.Parse(c.url)
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Host == "" {
		detail := fmt.Sprintf("url: expected a URL such as %s; received %q. Start it with http:// or https://.", defaultURL, c.url)
		return nil, &Error{Title: "Invalid URL", Detail: detail, cause: err}
	}
	request, err := http.NewRequest(call.method, c.url+call.path, bytes.NewReader(call.body))
	if err != nil {
		return nil, &Error{Title: "Invalid Request", Detail: err.Error(), cause: err}
	}
	request.Header.Set("User-Agent", "weight-init-go/"+Version)
	// Weights do not compress, and the length must match the shape.
	request.Header.Set("Accept-Encoding", "identity")
	// An empty Idempotency-Key is not sent. It tells net/http to retry on a new connection when the service has closed an idle one.
	request.Header["Idempotency-Key"] = nil
	if call.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if c.apiKey != "" {
		request.Header.Set("Authorization", "Bearer "+c.apiKey)
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	return request, nil
}

// Read waits for the next part of the body, for at most the timeout.
func (e *exchange) Read(part []byte) (int, error) {
	e.timer.Reset(e.client.timeout)
	defer e.timer.Stop() // the caller may take as long as it needs to write the part
	n, err := e.body.Read(part)
	if err != nil && err != io.EOF {
		err = e.failure(err)
	}
	return n, err
}

// Close discards the rest of the body.
func (e *exchange) Close() error {
	e.cancel()
	return e.body.Close()
}

func (e *exchange) failure(err error) *Error {
	return e.client.failure(e.caller, err, e.expired.Load())
}
