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

// exchange is one request and its answer, which is cancelled when nothing has come for the timeout. As a body it returns errors of type
// *Error, so that they are told from those of whoever writes what was read.
type exchange struct {
	client  *Client
	caller  context.Context
	cancel  context.CancelFunc
	timer   *time.Timer
	expired atomic.Bool
	body    io.ReadCloser
}

// send returns an answer of any status, its body still to be read.
func (c *Client) send(ctx context.Context, question question, headers map[string]string) (*http.Response, error) {
	request, err := c.request(question, headers)
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
	connected := func(httptrace.GotConnInfo) { e.timer.Reset(c.timeout) } // the answer may take as long as the connection
	response, err := c.http.Do(request.WithContext(httptrace.WithClientTrace(watched, &httptrace.ClientTrace{GotConn: connected})))
	if err != nil {
		cancel()
		return nil, e.failure(err)
	}
	e.body, response.Body = response.Body, e
	return response, nil
}

func (c *Client) request(question question, headers map[string]string) (*http.Request, error) {
	parsed, err := url.Parse(c.url)
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Host == "" {
		detail := fmt.Sprintf("url: expected one such as %s; received %q. Begin it with http:// or https://.", defaultURL, c.url)
		return nil, &Error{Title: "Invalid URL", Detail: detail, cause: err}
	}
	request, err := http.NewRequest(question.method, c.url+question.path, bytes.NewReader(question.body))
	if err != nil {
		return nil, &Error{Title: "Invalid Request", Detail: err.Error(), cause: err}
	}
	request.Header.Set("User-Agent", "weight-init-go/"+Version)
	request.Header.Set("Accept-Encoding", "identity") // weights do not compress, and lengths must agree
	// It is not sent when it is empty. It lets net/http use another connection when the service has closed the one that was kept.
	request.Header["Idempotency-Key"] = nil
	if question.body != nil {
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

// Read waits for the next part of the body, and no longer than the timeout.
func (e *exchange) Read(part []byte) (int, error) {
	e.timer.Reset(e.client.timeout)
	defer e.timer.Stop() // what is read may be written as slowly as it likes
	n, err := e.body.Read(part)
	if err != nil && err != io.EOF {
		err = e.failure(err)
	}
	return n, err
}

// Close gives up what has not been read.
func (e *exchange) Close() error {
	e.cancel()
	return e.body.Close()
}

func (e *exchange) failure(err error) *Error {
	return e.client.failure(e.caller, err, e.expired.Load())
}
