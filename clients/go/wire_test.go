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

// These are answers that no weight-init service gives, and that a proxy, or another service, may.

var values = []float32{1, 2, 3, 4, 5, 6, 7, 8}

// script is what a server answers, one entry a request, the last one again and again.
type script []func(w http.ResponseWriter, r *http.Request)

func played(t *testing.T, answers script, options ...weightinit.Option) *weightinit.Client {
	t.Helper()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := answers[min(asked, len(answers)-1)]
		asked++ // requests come one after the other
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return clientOf(t, server.URL, options...)
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
		panic(err) // float32 can be written
	}
	return text.Bytes()
}

func announce(w http.ResponseWriter, tag string, length int) {
	w.Header().Set("Weight-Init", `{"shape": [8], "dtype": "float32", "seed": 7, "of_tomorrow": null}`)
	w.Header().Set("Accept-Ranges", "bytes")
	w.Header().Set("ETag", tag)
	w.Header().Set("Content-Length", fmt.Sprint(length))
}

// whole answers all of it.
func whole(tag string, values []float32) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		announce(w, tag, 32)
		w.Write(body(values))
	}
}

// cut answers the first 12 bytes, and breaks the connection.
func cut(tag string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		announce(w, tag, 32)
		w.Write(body(values)[:12])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

// rest answers a part, to who asked for it.
func rest(t *testing.T, tag, contentRange string, part []byte) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "bytes=12-" || r.Header.Get("If-Range") != `"a"` {
			t.Errorf("asked for %q if %q", r.Header.Get("Range"), r.Header.Get("If-Range"))
		}
		announce(w, tag, len(part))
		w.Header().Set("Content-Range", contentRange)
		w.WriteHeader(http.StatusPartialContent)
		w.Write(part)
	}
}

func withoutRange(t *testing.T, answer func(http.ResponseWriter, *http.Request)) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Range") != "" {
			t.Errorf("asked for %q", r.Header.Get("Range"))
		}
		answer(w, r)
	}
}

func TestWaysToResume(t *testing.T) {
	other := []float32{8, 7, 6, 5, 4, 3, 2, 1}
	for name, test := range map[string]struct {
		answers  script
		expected []float32
	}{
		"the rest":                     {script{cut(`"a"`), rest(t, `"a"`, "bytes 12-31/32", body(values)[12:])}, values},
		"a part of the rest, and more": {script{cut(`"a"`), rest(t, `"a"`, "bytes 12-15/32", body(values)[12:16]), whole(`"a"`, values)}, values},
		"another whole":                {script{cut(`"a"`), whole(`"b"`, other)}, other},
		"a weak ETag":                  {script{cut(`W/"a"`), withoutRange(t, whole(`W/"a"`, other))}, other},
		"no ETag":                      {script{cut(""), withoutRange(t, whole("", other))}, other},
		"busy between":                 {script{cut(`"a"`), busy("0"), rest(t, `"a"`, "bytes 12-31/32", body(values)[12:])}, values},
	} {
		client := played(t, test.answers)
		tensor, err := client.Init(ctx, weightinit.Request{Shape: []int{8}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if !reflect.DeepEqual(tensor.Float32(), test.expected) {
			t.Errorf("%s: %v", name, tensor.Float32())
		}
		path := filepath.Join(t.TempDir(), "w.bin")
		if _, err = played(t, test.answers).Download(ctx, path, weightinit.Request{Shape: []int{8}}); err != nil {
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

func TestADownloadThatBeginsAnewKeepsNothingOfTheFirst(t *testing.T) {
	shorter := func(w http.ResponseWriter, _ *http.Request) {
		announce(w, `"b"`, 4)
		w.Write(body(values[7:]))
	}
	path := filepath.Join(t.TempDir(), "w.bin")
	_, err := played(t, script{cut(`"a"`), shorter}).Download(ctx, path, weightinit.Request{})
	must(t, err)
	if content, err := os.ReadFile(path); err != nil || !bytes.Equal(content, body(values[7:])) {
		t.Errorf("% x, %v", content, err)
	}
}

func TestAnswersThatContradictThemselves(t *testing.T) {
	for name, test := range map[string]struct {
		answers script
		detail  string
	}{
		"another beginning": {script{cut(`"a"`), rest(t, `"a"`, "bytes 8-31/32", body(values)[8:])}, "the bytes from 12 on of 32"},
		"another length":    {script{cut(`"a"`), rest(t, `"a"`, "bytes 12-35/36", body(values)[8:])}, "the bytes from 12 on of 32"},
		"no beginning":      {script{cut(`"a"`), rest(t, `"a"`, "", body(values)[8:])}, "the bytes from 12 on of 32"},
		"another ETag":      {script{cut(`"a"`), rest(t, `"b"`, "bytes 12-31/32", body(values)[12:])}, "that of another"},
		"a rest too long":   {script{cut(`"a"`), rest(t, `"a"`, "bytes 12-31/32", body(values)[8:])}, "received more"},
		"a part of nothing": {script{func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusPartialContent) }}, "206 Partial Content"},
		"a length that is not that of the shape": {script{func(w http.ResponseWriter, _ *http.Request) {
			announce(w, `"a"`, 28)
			w.Write(body(values)[:28])
		}}, "Expected 32 bytes of float32 [8]; received 28"},
		"more than announced, of no length": {script{func(w http.ResponseWriter, _ *http.Request) {
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
		_, err := played(t, test.answers, weightinit.WithRetries(3)).Init(ctx, weightinit.Request{Shape: []int{8}})
		if problem := problemOf(t, err); !strings.Contains(problem.Detail, test.detail) || problem.Status == 0 {
			t.Errorf("%s: %+v", name, problem)
		}
	}
}

func TestAnswersOfNoAnnouncedLength(t *testing.T) {
	chunked := func(count int) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			announce(w, `"a"`, 0)
			w.Header().Del("Content-Length")
			w.(http.Flusher).Flush()
			w.Write(body(values)[:count])
		}
	}
	tensor := tensorOf(t, played(t, script{chunked(12), chunked(32)}), weightinit.Request{})
	if !reflect.DeepEqual(tensor.Float32(), values) {
		t.Errorf("%v", tensor.Float32())
	}
	path := filepath.Join(t.TempDir(), "w.bin")
	_, err := played(t, script{chunked(32)}).Download(ctx, path, weightinit.Request{})
	must(t, err)
	if info, err := os.Stat(path); err != nil || info.Size() != 32 {
		t.Errorf("%v %v", info, err)
	}
}

func TestAnAnswerMayTakeLongerThanEachOfItsParts(t *testing.T) {
	slow := func(w http.ResponseWriter, _ *http.Request) {
		announce(w, `"a"`, 32)
		for _, value := range values {
			w.Write(body([]float32{value}))
			w.(http.Flusher).Flush()
			time.Sleep(300 * time.Millisecond) // as a slow network is
		}
	}
	tensor := tensorOf(t, played(t, script{slow}, weightinit.WithTimeout(2*time.Second), weightinit.WithRetries(0)), weightinit.Request{})
	if !reflect.DeepEqual(tensor.Float32(), values) {
		t.Errorf("%v", tensor.Float32())
	}
	tensorOf(t, played(t, script{whole(`"a"`, values)}, weightinit.WithTimeout(0)), weightinit.Request{})
}

func TestABodyThatStops(t *testing.T) {
	stops := func(w http.ResponseWriter, r *http.Request) {
		announce(w, `"a"`, 32)
		w.Write(body(values)[:12])
		w.(http.Flusher).Flush()
		<-r.Context().Done() // until the client has given up
	}
	_, err := played(t, script{stops, whole(`"a"`, values)}, weightinit.WithTimeout(500*time.Millisecond)).Init(ctx, weightinit.Request{})
	if problem := problemOf(t, err); problem.Title != "Timeout" {
		t.Errorf("%+v", problem)
	}
}

func TestHowLongToWait(t *testing.T) {
	for _, wish := range []string{"61", "99999999999999999999"} {
		_, err := played(t, script{busy(wish), whole(`"a"`, values)}).Init(ctx, weightinit.Request{})
		if problem := problemOf(t, err); problem.Status != http.StatusServiceUnavailable {
			t.Errorf("%s: %+v", wish, problem)
		}
	}
	for _, wish := range []string{"", "soon", "-5"} {
		start := time.Now()
		tensorOf(t, played(t, script{busy(wish), whole(`"a"`, values)}), weightinit.Request{})
		if waited := time.Since(start); waited < time.Second {
			t.Errorf("%q: it waited %v", wish, waited)
		}
	}
}

func TestAnswersOfOthers(t *testing.T) {
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
		answers script
		status  int
	}{
		"a proxy's page":           {page(http.StatusBadGateway), http.StatusBadGateway},
		"a problem that is none":   {page(http.StatusTeapot, "Content-Type", "application/problem+json"), http.StatusTeapot},
		"a redirect, not followed": {page(http.StatusTemporaryRedirect, "Location", stage.URL+"/init"), http.StatusTemporaryRedirect},
		"a page":                   {page(http.StatusOK), http.StatusOK},
	} {
		_, err := played(t, test.answers).Init(ctx, weightinit.Request{Shape: []int{8}})
		if problem := problemOf(t, err); problem.Status != test.status || !strings.Contains(problem.Detail, "<title>Elsewhere") || problem.Title == "" {
			t.Errorf("%s: %+v", name, problem)
		}
	}
	for _, text := range []string{"{}", "[]", `{"schemes": 7}`, "", "null"} {
		_, err := played(t, script{func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, text) }}).Schemes(ctx)
		if problem := problemOf(t, err); !strings.Contains(problem.Detail, `Expected a JSON object with "schemes"`) {
			t.Errorf("%q: %+v", text, problem)
		}
	}
}

func TestWhatIsSent(t *testing.T) {
	var sent http.Header
	var text []byte
	look := func(w http.ResponseWriter, r *http.Request) {
		sent = r.Header
		text, _ = io.ReadAll(r.Body)
		whole(`"a"`, values)(w, r)
	}
	request := weightinit.Request{Shape: []int{8}, Seed: weightinit.Seed(math.MaxUint64), Extra: map[string]any{"stddev": 0.5}}
	tensorOf(t, played(t, script{look}, weightinit.WithAPIKey("key")), request)
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

func TestAKeptConnectionThatTheServiceHasClosed(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(whole(`"a"`, values)))
	defer server.Close()
	client := clientOf(t, server.URL, weightinit.WithRetries(0))
	for i := 0; i < 50; i++ {
		tensorOf(t, client, weightinit.Request{})
		server.CloseClientConnections()
	}
}
