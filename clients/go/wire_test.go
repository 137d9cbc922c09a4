package weightinit_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"weight-init/weightinit"
)

// These tests cover responses that a weight-init service never sends, but a proxy or another service may.

var values = []float32{1, 2, 3, 4, 5, 6, 7, 8}

// script is the responses of a server, one for each request. The last one repeats.
type script []http.HandlerFunc

func scriptedClient(t *testing.T, responses script, options ...weightinit.Option) *weightinit.Client {
	t.Helper()
	requests := 0 // the client sends them one at a time
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		respond := responses[min(requests, len(responses)-1)]
		requests++
		respond(w, r)
	}))
	t.Cleanup(server.Close)
	return newClient(t, server.URL, options...)
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}

func body(values []float32) []byte {
	var text bytes.Buffer
	if err := binary.Write(&text, binary.LittleEndian, values); err != nil {
		panic(err) // cannot happen for float32
	}
	return text.Bytes()
}

func announce(w http.ResponseWriter, tag string, length int) {
	w.Header().Set("Weight-Init", `{"shape": [8], "dtype": "float32", "seed": 7, "future_field": null}`)
	w.Header().Set("Accept-Ranges", "bytes")
	w.Header().Set("ETag", tag)
	w.Header().Set("Content-Length", fmt.Sprint(length))
}

// whole sends the complete response.
func whole(tag string, values []float32) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		announce(w, tag, 32)
		w.Write(body(values))
	}
}

// cut sends the first 12 bytes and breaks the connection.
func cut(tag string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		announce(w, tag, 32)
		w.Write(body(values)[:12])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

// rest checks that the client requests the rest of the response, and sends part.
func rest(t *testing.T, tag, contentRange string, part []byte) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "bytes=12-" || r.Header.Get("If-Range") != `"a"` {
			t.Errorf("requested Range %q, If-Range %q", r.Header.Get("Range"), r.Header.Get("If-Range"))
		}
		announce(w, tag, len(part))
		w.Header().Set("Content-Range", contentRange)
		w.WriteHeader(http.StatusPartialContent)
		w.Write(part)
	}
}

// withoutRange checks that the client requests the complete response.
func withoutRange(t *testing.T, respond func(http.ResponseWriter, *http.Request)) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			t.Errorf("requested Range %q", r.Header.Get("Range"))
		}
		respond(w, r)
	}
}

func TestResumesOrRestartsAfterABreak(t *testing.T) {
	other := []float32{8, 7, 6, 5, 4, 3, 2, 1}
	for name, test := range map[string]struct {
		responses script
		expected  []float32
	}{
		"the rest":                     {script{cut(`"a"`), rest(t, `"a"`, "bytes 12-31/32", body(values)[12:])}, values},
		"a part of the rest, then all": {script{cut(`"a"`), rest(t, `"a"`, "bytes 12-15/32", body(values)[12:16]), whole(`"a"`, values)}, values},
		"a new response":               {script{cut(`"a"`), whole(`"b"`, other)}, other},
		"a weak ETag":                  {script{cut(`W/"a"`), withoutRange(t, whole(`W/"a"`, other))}, other},
		"no ETag":                      {script{cut(""), withoutRange(t, whole("", other))}, other},
		"busy in between":              {script{cut(`"a"`), busy("0"), rest(t, `"a"`, "bytes 12-31/32", body(values)[12:])}, values},
	} {
		client := scriptedClient(t, test.responses)
		tensor, err := client.Init(ctx, weightinit.Request{Shape: []int{8}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !reflect.DeepEqual(tensor.Float32(), test.expected) {
			t.Errorf("%s: %v", name, tensor.Float32())
		}
		path := filepath.Join(t.TempDir(), "w.bin")
		if _, err = scriptedClient(t, test.responses).Download(ctx, path, weightinit.Request{Shape: []int{8}}); err != nil {
			t.Errorf("%s: %v", name, err)
		} else if content, err := os.ReadFile(path); err != nil || !bytes.Equal(content, body(test.expected)) {
			t.Errorf("%s: % x, %v", name, content, err)
		}
	}
}

func busy(retryAfter string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", retryAfter)
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func TestARestartedDownloadDiscardsTheFirstAttempt(t *testing.T) {
	shorter := func(w http.ResponseWriter, _ *http.Request) {
		announce(w, `"b"`, 4)
		w.Write(body(values[7:]))
	}
	path := filepath.Join(t.TempDir(), "w.bin")
	_, err := scriptedClient(t, script{cut(`"a"`), shorter}).Download(ctx, path, weightinit.Request{})
	must(t, err)
	if content, err := os.ReadFile(path); err != nil || !bytes.Equal(content, body(values[7:])) {
		t.Errorf("% x, %v", content, err)
	}
}

func TestRejectsInconsistentResponses(t *testing.T) {
	for name, test := range map[string]struct {
		responses script
		detail    string
	}{
		"another start":           {script{cut(`"a"`), rest(t, `"a"`, "bytes 8-31/32", body(values)[8:])}, "a range from byte 12 of 32"},
		"another length":          {script{cut(`"a"`), rest(t, `"a"`, "bytes 12-35/36", body(values)[8:])}, "a range from byte 12 of 32"},
		"no range":                {script{cut(`"a"`), rest(t, `"a"`, "", body(values)[8:])}, "a range from byte 12 of 32"},
		"another ETag":            {script{cut(`"a"`), rest(t, `"b"`, "bytes 12-31/32", body(values)[12:])}, "another response"},
		"a rest that is too long": {script{cut(`"a"`), rest(t, `"a"`, "bytes 12-31/32", body(values)[8:])}, "received more"},
		"a part that was not requested": {script{func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusPartialContent)
		}}, "206 Partial Content"},
		"a length that contradicts the shape": {script{func(w http.ResponseWriter, _ *http.Request) {
			announce(w, `"a"`, 28)
			w.Write(body(values)[:28])
		}}, "Expected 32 bytes of float32 [8]; received 28"},
		"more bytes than the shape, without a length": {script{func(w http.ResponseWriter, _ *http.Request) {
			announce(w, `"a"`, 0)
			w.Header().Del("Content-Length")
			w.(http.Flusher).Flush()
			w.Write(append(body(values), 0))
		}}, "received more"},
		"an unknown dtype": {script{func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Weight-Init", `{"shape": [8], "dtype": "float8", "seed": 7}`)
		}}, `received the dtype "float8"`},
		"no metadata": {script{func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Weight-Init", `{"shape": "eight"}`)
		}}, "the metadata of a tensor"},
	} {
		_, err := scriptedClient(t, test.responses, weightinit.WithRetries(3)).Init(ctx, weightinit.Request{Shape: []int{8}})
		if problem := asError(t, err); !strings.Contains(problem.Detail, test.detail) || problem.Status == 0 {
			t.Errorf("%s: %+v", name, problem)
		}
	}
}

func TestAcceptsResponsesWithoutContentLength(t *testing.T) {
	chunked := func(count int) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			announce(w, `"a"`, 0)
			w.Header().Del("Content-Length")
			w.(http.Flusher).Flush()
			w.Write(body(values)[:count])
		}
	}
	tensor := mustInit(t, scriptedClient(t, script{chunked(12), chunked(32)}), weightinit.Request{})
	if !reflect.DeepEqual(tensor.Float32(), values) {
		t.Errorf("%v", tensor.Float32())
	}
	path := filepath.Join(t.TempDir(), "w.bin")
	_, err := scriptedClient(t, script{chunked(32)}).Download(ctx, path, weightinit.Request{})
	must(t, err)
	if info, err := os.Stat(path); err != nil || info.Size() != 32 {
		t.Errorf("%v %v", info, err)
	}
}

func TestTheTimeoutLimitsEachPartAndNotTheWhole(t *testing.T) {
	slow := func(w http.ResponseWriter, _ *http.Request) {
		announce(w, `"a"`, 32)
		for _, value := range values {
			w.Write(body([]float32{value}))
			w.(http.Flusher).Flush()
			time.Sleep(300 * time.Millisecond) // simulate a slow network
		}
	}
	client := scriptedClient(t, script{slow}, weightinit.WithTimeout(2*time.Second), weightinit.WithRetries(0))
	tensor := mustInit(t, client, weightinit.Request{})
	if !reflect.DeepEqual(tensor.Float32(), values) {
		t.Errorf("%v", tensor.Float32())
	}
	mustInit(t, scriptedClient(t, script{whole(`"a"`, values)}, weightinit.WithTimeout(0)), weightinit.Request{})
}

func TestTimesOutIfTheBodyStops(t *testing.T) {
	stops := func(w http.ResponseWriter, r *http.Request) {
		announce(w, `"a"`, 32)
		w.Write(body(values)[:12])
		w.(http.Flusher).Flush()
		<-r.Context().Done() // until the client disconnects
	}
	client := scriptedClient(t, script{stops, whole(`"a"`, values)}, weightinit.WithTimeout(500*time.Millisecond))
	_, err := client.Init(ctx, weightinit.Request{})
	if problem := asError(t, err); problem.Title != "Timeout" {
		t.Errorf("%+v", problem)
	}
}

func TestObeysRetryAfter(t *testing.T) {
	for _, retryAfter := range []string{"61", "99999999999999999999"} {
		_, err := scriptedClient(t, script{busy(retryAfter), whole(`"a"`, values)}).Init(ctx, weightinit.Request{})
		if problem := asError(t, err); problem.Status != http.StatusServiceUnavailable {
			t.Errorf("%s: %+v", retryAfter, problem)
		}
	}
	for _, retryAfter := range []string{"", "soon", "-5"} {
		start := time.Now()
		mustInit(t, scriptedClient(t, script{busy(retryAfter), whole(`"a"`, values)}), weightinit.Request{})
		if waited := time.Since(start); waited < time.Second {
			t.Errorf("%q: waited %v", retryAfter, waited)
		}
	}
}

func TestRejectsResponsesOfOtherServices(t *testing.T) {
	page := func(status int, headers ...string) script {
		return script{func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			for i := 0; i < len(headers); i += 2 {
				w.Header().Set(headers[i], headers[i+1])
			}
			w.WriteHeader(status)
			fmt.Fprint(w, "<title>Elsewhere</title>", strings.Repeat(" ", 200))
		}}
	}
	for name, test := range map[string]struct {
		responses script
		status    int
	}{
		"a proxy's page":              {page(http.StatusBadGateway), http.StatusBadGateway},
		"an invalid problem document": {page(http.StatusTeapot, "Content-Type", "application/problem+json"), http.StatusTeapot},
		"a redirect":                  {page(http.StatusTemporaryRedirect, "Location", stage.URL+"/init"), http.StatusTemporaryRedirect},
		"a page":                      {page(http.StatusOK), http.StatusOK},
	} {
		_, err := scriptedClient(t, test.responses).Init(ctx, weightinit.Request{Shape: []int{8}})
		problem := asError(t, err)
		if problem.Status != test.status || !strings.Contains(problem.Detail, "<title>Elsewhere") || problem.Title == "" {
			t.Errorf("%s: %+v", name, problem)
		}
	}
	for _, text := range []string{"{}", "[]", `{"schemes": 7}`, "", "null"} {
		_, err := scriptedClient(t, script{func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }}).Schemes(ctx)
		if problem := asError(t, err); !strings.Contains(problem.Detail, `Expected a JSON object with "schemes"`) {
			t.Errorf("%q: %+v", text, problem)
		}
	}
}

func TestSendsTheExpectedHeadersAndBody(t *testing.T) {
	var sent http.Header
	var text []byte
	record := func(w http.ResponseWriter, r *http.Request) {
		sent = r.Header
		text, _ = io.ReadAll(r.Body)
		whole(`"a"`, values)(w, r)
	}
	request := weightinit.Request{Shape: []int{8}, Seed: weightinit.Seed(math.MaxUint64), Extra: map[string]any{"stddev": 0.5}}
	mustInit(t, scriptedClient(t, script{record}, weightinit.WithAPIKey("key")), request)
	if expected := `{"format":"raw","seed":"18446744073709551615","shape":[8],"stddev":0.5}`; string(text) != expected {
		t.Errorf("%s", text)
	}
	for name, expected := range map[string]string{
		"Accept-Encoding": "identity", "Authorization": "Bearer key", "Content-Type": "application/json",
		"Idempotency-Key": "", "Range": "", "User-Agent": "weight-init-go/" + weightinit.Version,
	} {
		if sent.Get(name) != expected {
			t.Errorf("%s: %q", name, sent.Get(name))
		}
	}
}

func TestReplacesAnIdleConnectionThatTheServiceClosed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(whole(`"a"`, values)))
	defer server.Close()
	client := newClient(t, server.URL, weightinit.WithRetries(0))
	for i := 0; i < 50; i++ {
		mustInit(t, client, weightinit.Request{})
		server.CloseClientConnections()
	}
}
