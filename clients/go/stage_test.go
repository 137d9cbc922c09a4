package weightinit_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"

	"weight-init/weightinit"
)

// golden is a request with its expected response.
type golden struct {
	Request map[string]any `json:"request"`
	Answer  struct {
		DType      weightinit.DType `json:"dtype"`
		Shape      []int            `json:"shape"`
		First      []float64        `json:"first"`
		SHA256     string           `json:"sha256"`
		FileSHA256 string           `json:"file_sha256"`
	} `json:"answer"`
}

// npyFile is a file that NumPy wrote, or an invalid file that must be rejected.
type npyFile struct {
	File    string           `json:"file"`
	Refused bool             `json:"refused"`
	DType   weightinit.DType `json:"dtype"`
	Shape   []int            `json:"shape"`
	Values  []float64        `json:"values"`
}

// stage holds the URLs of the test services, each in a different state, and the expected responses.
var stage struct {
	URL        string    `json:"url"`
	KeyedURL   string    `json:"keyed_url"`
	Key        string    `json:"key"`
	LimitedURL string    `json:"limited_url"`
	BusyURL    string    `json:"busy_url"`
	HangingURL string    `json:"hanging_url"`
	CuttingURL string    `json:"cutting_url"`
	ForeignURL string    `json:"foreign_url"`
	ClosedURL  string    `json:"closed_url"`
	Golden     []golden  `json:"golden"`
	NPY        []npyFile `json:"npy"`
}

func TestMain(m *testing.M) {
	if err := readStage(); err != nil {
		fmt.Fprintf(os.Stderr, "the tests need running services (%v): run `make test-clients`\n", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func readStage() error {
	path := os.Getenv("WEIGHT_INIT_STAGE")
	if path == "" {
		return errors.New("WEIGHT_INIT_STAGE is not set")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // pass the fields of a request on unchanged
	return decoder.Decode(&stage)
}

// reportFeature records, at the end of the test, that the feature works.
func reportFeature(t *testing.T, feature string) {
	t.Helper()
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		file, err := os.OpenFile(os.Getenv("WEIGHT_INIT_REPORT"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
		must(t, err)
		defer file.Close()
		_, err = fmt.Fprintln(file, feature)
		must(t, err)
	})
}

func newClient(t *testing.T, url string, options ...weightinit.Option) *weightinit.Client {
	t.Helper()
	client := weightinit.NewClient(append([]weightinit.Option{weightinit.WithURL(url)}, options...)...)
	t.Cleanup(client.Close)
	return client
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustInit(t *testing.T, client *weightinit.Client, request weightinit.Request) *weightinit.Tensor {
	t.Helper()
	tensor, err := client.Init(context.Background(), request)
	must(t, err)
	return tensor
}

// asError returns err as an *Error, and fails the test if it is not one.
func asError(t *testing.T, err error) *weightinit.Error {
	t.Helper()
	var problem *weightinit.Error
	if !errors.As(err, &problem) {
		t.Fatalf("expected a *weightinit.Error; received %v", err)
	}
	return problem
}

// digest returns the SHA-256 of the values as little-endian bytes.
func digest(t *testing.T, tensor *weightinit.Tensor) string {
	t.Helper()
	var values any
	switch tensor.DType {
	case weightinit.Float32:
		values = tensor.Float32()
	case weightinit.Float64:
		values = tensor.Float64()
	default:
		values = tensor.Bits()
	}
	hash := sha256.New()
	must(t, binary.Write(hash, binary.LittleEndian, values))
	return hex.EncodeToString(hash.Sum(nil))
}

func fileDigest(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	must(t, err)
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

// listFiles returns the names of all files in a folder, including hidden ones.
func listFiles(t *testing.T, folder string) []string {
	t.Helper()
	entries, err := os.ReadDir(folder)
	must(t, err)
	names := []string{}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}
