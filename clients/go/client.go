// Package weightinit is the Go client of weight-init, a service that generates initialized neural-network weights. It returns them as
// slices.
//
//	client := weightinit.NewClient()
//	weights, err := client.Init(ctx, weightinit.Request{
//		Shape: []int{256, 784}, Activation: "relu", Seed: weightinit.Seed(7),
//	})
//
// The same request with the same seed always returns the same values. Values are in C order: the last axis varies fastest.
package weightinit

import (
	"context"
	"math"
	"net/http"
	"os"
	"strings"
	"time"
)

// Version is the version of this client.
const Version = "0.1.0"

const (
	defaultURL     = "http://127.0.0.1:8000"
	defaultTimeout = 30 * time.Second
	defaultRetries = 4
)

// Client sends requests to one weight-init service. It is safe for concurrent use.
//
// Its methods return an *Error if the service rejects the request, does not respond, or turns out not to be weight-init. A transfer that
// breaks off resumes after the last byte received.
type Client struct {
	url     string
	apiKey  string
	timeout time.Duration
	retries int
	http    *http.Client
}

// Option configures a Client.
type Option func(*Client)

// WithURL sets the URL of the service. The default is the environment variable WEIGHT_INIT_URL, or http://127.0.0.1:8000 if it is unset.
func WithURL(url string) Option {
	return func(c *Client) { c.url = strings.TrimRight(url, "/") }
}

// WithAPIKey sets the API key. The default is the environment variable WEIGHT_INIT_API_KEY. An empty key is not sent.
func WithAPIKey(key string) Option {
	return func(c *Client) { c.apiKey = key }
}

// WithTimeout limits the wait for the connection and for each part of a response. The default is 30 s; 0 means no limit. It does not
// limit the whole transfer, which may take longer for a large tensor. Use a context for that.
func WithTimeout(timeout time.Duration) Option {
	return func(c *Client) {
		if timeout == 0 {
			timeout = math.MaxInt64
		}
		c.timeout = timeout
	}
}

// WithRetries sets how many times in a row to retry after a broken connection or a 429 or 503 response. The default is 4.
func WithRetries(retries int) Option {
	return func(c *Client) { c.retries = retries }
}

// WithTransport sets the HTTP transport, for example to use your own certificates or proxy. The default transport uses the proxy that the
// environment variables name.
func WithTransport(transport http.RoundTripper) Option {
	return func(c *Client) { c.http.Transport = transport }
}

// NewClient returns a new Client. It does not connect before the first request.
func NewClient(options ...Option) *Client {
	client := &Client{
		apiKey:  os.Getenv("WEIGHT_INIT_API_KEY"),
		timeout: defaultTimeout,
		retries: defaultRetries,
		http: &http.Client{
			Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, IdleConnTimeout: 90 * time.Second},
			// Do not follow redirects: the API key must not reach another host.
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

// Close closes the idle connections.
func (c *Client) Close() {
	c.http.CloseIdleConnections()
}

// Init returns an initialized tensor. It reads the bytes from the connection directly into the memory of the tensor.
func (c *Client) Init(ctx context.Context, request Request) (*Tensor, error) {
	body, err := request.body("raw")
	if err != nil {
		return nil, err
	}
	var incoming incomingTensor
	if err := c.transfer(ctx, postInit(body), &incoming); err != nil {
		return nil, err
	}
	return incoming.finish(), nil
}

// Download writes an initialized tensor of any size to a file, in constant memory, and returns its metadata.
//
// If the request has no Format, the extension of path selects it: .npy, .safetensors, .npz, .json, or .bin for raw bytes. The file appears
// at path only when it is complete; after an error nothing is left behind. File-system errors are those of package os.
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
	return file.metadata, file.commit()
}

// Recommend returns the scheme that suits an activation or a layer, and the reason. If the request has the fans, the result also has the
// standard deviation.
func (c *Client) Recommend(ctx context.Context, request RecommendRequest) (*Recommendation, error) {
	query, err := request.query()
	if err != nil {
		return nil, err
	}
	var recommendation Recommendation
	if err := c.getJSON(ctx, "/recommend?"+query, "scheme", &recommendation); err != nil {
		return nil, err
	}
	return &recommendation, nil
}

// Schemes returns all schemes with their names, parameters, formulas and references.
func (c *Client) Schemes(ctx context.Context) ([]Scheme, error) {
	var result struct {
		Schemes []Scheme `json:"schemes"`
	}
	err := c.getJSON(ctx, "/schemes", "schemes", &result)
	return result.Schemes, err
}

// Activations returns all activations with their names, parameters, gains and recommended schemes.
func (c *Client) Activations(ctx context.Context) ([]Activation, error) {
	var result struct {
		Activations []Activation `json:"activations"`
	}
	err := c.getJSON(ctx, "/activations", "activations", &result)
	return result.Activations, err
}

// getJSON decodes the JSON object at path into target. The object must have the required member.
func (c *Client) getJSON(ctx context.Context, path, required string, target any) error {
	var incoming incomingDocument
	if err := c.transfer(ctx, call{method: http.MethodGet, path: path}, &incoming); err != nil {
		return err
	}
	return decode(incoming.Bytes(), required, target)
}
