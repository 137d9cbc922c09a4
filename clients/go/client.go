// Package weightinit is the Go client of weight-init: initialized neural-network weights as slices.
//
//	client := weightinit.NewClient()
//	weights, err := client.Init(ctx, weightinit.Request{
//		Shape: []int{256, 784}, Activation: "relu", Seed: weightinit.Seed(7),
//	})
//
// The same request with the same seed has the same values for ever. Values are in C order: the last axis runs fastest.
package weightinit

import (
	"context"
	"math"
	"net/http"
	"os"
	"strings"
	"time"
)

// Version is that of the client.
const Version = "0.1.0"

const (
	defaultURL     = "http://127.0.0.1:8000"
	defaultTimeout = 30 * time.Second
	defaultRetries = 4
)

// Client asks one weight-init service. Goroutines may share it.
//
// Its methods return an *Error for whatever the service refuses, does not answer, or answers as no weight-init service would. A
// connection that breaks is resumed where it broke.
type Client struct {
	url     string
	apiKey  string
	timeout time.Duration
	retries int
	http    *http.Client
}

// Option is a setting of a Client.
type Option func(*Client)

// WithURL sets the URL of the service. The default is the environment's WEIGHT_INIT_URL, else http://127.0.0.1:8000.
func WithURL(url string) Option {
	return func(c *Client) { c.url = strings.TrimRight(url, "/") }
}

// WithAPIKey sets the key to send. The default is the environment's WEIGHT_INIT_API_KEY; without one none is sent.
func WithAPIKey(key string) Option {
	return func(c *Client) { c.apiKey = key }
}

// WithTimeout sets the longest wait for the connection and for each part of an answer, 30 s by default; 0 is for ever. A large tensor
// may take longer in all: the context limits the whole.
func WithTimeout(timeout time.Duration) Option {
	return func(c *Client) {
		if timeout == 0 {
			timeout = math.MaxInt64
		}
		c.timeout = timeout
	}
}

// WithRetries sets how often in a row to ask again after a connection that broke, or an answer of 429 or 503. The default is 4.
func WithRetries(retries int) Option {
	return func(c *Client) { c.retries = retries }
}

// WithTransport sets what carries the requests: for certificates and proxies of your own. The default takes the proxy of the environment.
func WithTransport(transport http.RoundTripper) Option {
	return func(c *Client) { c.http.Transport = transport }
}

// NewClient makes a client. It connects at the first request.
func NewClient(options ...Option) *Client {
	client := &Client{
		apiKey:  os.Getenv("WEIGHT_INIT_API_KEY"),
		timeout: defaultTimeout,
		retries: defaultRetries,
		http: &http.Client{
			Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, IdleConnTimeout: 90 * time.Second},
			// A service does not move while it is asked, and a key is for nobody else.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	url := os.Getenv("WEIGHT_INIT_URL")
	if url == "" {
		url = defaultURL
	}
	for _, option := range append([]Option{WithURL(url)}, options...) {
		option(client)
	}
	return client
}

// Close closes the connections that are kept for the next request.
func (c *Client) Close() {
	c.http.CloseIdleConnections()
}

// Init returns an initialized tensor. Its bytes go from the connection into the memory of the tensor.
func (c *Client) Init(ctx context.Context, request Request) (*Tensor, error) {
	body, err := request.body("raw")
	if err != nil {
		return nil, err
	}
	var incoming incomingTensor
	if err := c.transfer(ctx, postInit(body), &incoming); err != nil {
		return nil, err
	}
	return incoming.complete(), nil
}

// Download writes an initialized tensor to a file, of any size in constant memory, and returns its metadata.
//
// Without a Format the extension of path chooses it: .npy, .safetensors, .npz, .json, or .bin for raw bytes. The file appears under
// its name when it is whole; after an error nothing is left behind. Errors of the file system are those of package os.
func (c *Client) Download(ctx context.Context, path string, request Request) (*Metadata, error) {
	body, err := request.body(request.formatFor(path))
	if err != nil {
		return nil, err
	}
	file, err := newIncomingFile(path)
	if err != nil {
		return nil, err
	}
	defer file.discard()
	if err := c.transfer(ctx, postInit(body), file); err != nil {
		return nil, err
	}
	return file.metadata, file.keep()
}

// Recommend returns the scheme that fits an activation or a layer, and why; with the fans, its standard deviation too.
func (c *Client) Recommend(ctx context.Context, request RecommendRequest) (*Recommendation, error) {
	query, err := request.query()
	if err != nil {
		return nil, err
	}
	var found Recommendation
	if err := c.read(ctx, "/recommend?"+query, "scheme", &found); err != nil {
		return nil, err
	}
	return &found, nil
}

// Schemes returns every scheme: its names, parameters, formula and reference.
func (c *Client) Schemes(ctx context.Context) ([]Scheme, error) {
	var found struct {
		Schemes []Scheme `json:"schemes"`
	}
	err := c.read(ctx, "/schemes", "schemes", &found)
	return found.Schemes, err
}

// Activations returns every activation: its names, parameters, gains and recommended scheme.
func (c *Client) Activations(ctx context.Context) ([]Activation, error) {
	var found struct {
		Activations []Activation `json:"activations"`
	}
	err := c.read(ctx, "/activations", "activations", &found)
	return found.Activations, err
}

// read decodes the JSON object at a path, which has the member needed.
func (c *Client) read(ctx context.Context, path, needed string, into any) error {
	var incoming incomingDocument
	if err := c.transfer(ctx, question{method: http.MethodGet, path: path}, &incoming); err != nil {
		return err
	}
	return decode(incoming.Bytes(), needed, into)
}
