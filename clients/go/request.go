package weightinit

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
)

// Request is what to initialize: the fields of the service's /init. What is left out, the service decides, and tells in the Metadata.
type Request struct {
	// Shape is the lengths of the dimensions: [out, in, *kernel], or as Layout says. It has no default; []int{} is a scalar's.
	Shape []int `json:"shape"`
	// Scheme is a name, such as "he_normal" or "torch.nn.init.kaiming_normal_", or an object: map[string]any{"name": ...}.
	Scheme any `json:"scheme,omitempty"`
	// Activation is that after the layer: a name, or an object of a name and parameters, or of an expression in x.
	Activation any `json:"activation,omitempty"`
	// Layer is what the axes mean: dense, conv, conv_transpose, depthwise, embedding or recurrent.
	Layer string `json:"layer,omitempty"`
	// Groups is the number of a convolution's groups.
	Groups int `json:"groups,omitempty"`
	// Packed is the number of matrices stacked along the outputs: 3 for queries, keys and values in one.
	Packed int `json:"packed,omitempty"`
	// FanConvention is who counts the fans: true, torch, keras or jax.
	FanConvention string `json:"fan_convention,omitempty"`
	// Layout is torch ([out, in, *kernel]), or keras, jax or flax ([*kernel, in, out]).
	Layout string `json:"layout,omitempty"`
	// DType is the type of the elements; float32 when left out.
	DType DType `json:"dtype,omitempty"`
	// Seed makes the values repeatable: see the function Seed. Without one the service chooses, and Metadata.Seed tells.
	Seed *uint64 `json:"seed,omitempty,string"` // as text: readers of JSON lose digits beyond 2^53
	// Name is the tensor's: tensors of different names are independent.
	Name string `json:"name,omitempty"`
	// Slice is the part to answer, in NumPy's basic slicing: "128:256, :".
	Slice string `json:"slice,omitempty"`
	// FanIn and FanOut are given instead of the shape's own: for a bias, its weight's.
	FanIn  int `json:"fan_in,omitempty"`
	FanOut int `json:"fan_out,omitempty"`
	// Format is that of a file: npy, safetensors, npz, json or raw. Init takes raw, whatever it says.
	Format string `json:"format,omitempty"`
	// Extra is whatever else the service takes: the parameters of the scheme and of the activation (stddev, gain, mode,
	// negative_slope ...). It overrides the fields above.
	Extra map[string]any `json:"-"`
}

// RecommendRequest is what to recommend a scheme for: an activation, a layer, or both. The fields are those of the service's /recommend.
type RecommendRequest struct {
	// Activation is a name, or an object of a name and parameters, or of an expression in x.
	Activation any `json:"activation,omitempty"`
	// Layer is what the weight is in the network, such as "residual_output".
	Layer string `json:"layer,omitempty"`
	// NumLayers is the depth of the network, for what feeds a residual stream.
	NumLayers int `json:"num_layers,omitempty"`
	// ClassPrior is the share of a class, above 0 and below 1, for a sigmoid head.
	ClassPrior float64 `json:"class_prior,omitempty"`
	// Distribution is normal, truncated_normal or uniform.
	Distribution string `json:"distribution,omitempty"`
	// FanIn and FanOut are the inputs of a unit, and the units that an input feeds.
	FanIn  int `json:"fan_in,omitempty"`
	FanOut int `json:"fan_out,omitempty"`
	// Extra is the parameters of the activation. It overrides the fields above.
	Extra map[string]any `json:"-"`
}

// Seed is a seed for Request.Seed: 0 is one too, so that it cannot mean none.
func Seed(value uint64) *uint64 {
	return &value
}

// question is an HTTP request to the service. A body is JSON.
type question struct {
	method string
	path   string
	body   []byte
}

func postInit(body []byte) question {
	return question{method: http.MethodPost, path: "/init", body: body}
}

// body is the fields in JSON, with that format; an empty one leaves it to the service.
func (r Request) body(format string) ([]byte, error) {
	fields, err := merged(r, r.Extra)
	if err != nil {
		return nil, err
	}
	if format != "" {
		if fields["format"], err = json.Marshal(format); err != nil {
			return nil, err
		}
	}
	return json.Marshal(fields)
}

func (r RecommendRequest) query() (string, error) {
	fields, err := merged(r, r.Extra)
	if err != nil {
		return "", err
	}
	values := url.Values{}
	for name, value := range fields {
		var text string
		if json.Unmarshal(value, &text) != nil { // what is not a string is said in JSON
			text = string(value)
		}
		values.Set(name, text)
	}
	return values.Encode(), nil
}

// merged is the fields that were given, in JSON.
func merged(request any, extra map[string]any) (map[string]json.RawMessage, error) {
	fields := map[string]json.RawMessage{}
	text, err := json.Marshal(request)
	if err == nil {
		err = json.Unmarshal(text, &fields)
	}
	for name, value := range extra {
		if err == nil {
			fields[name], err = json.Marshal(value)
		}
	}
	if err != nil {
		detail := fmt.Sprintf("Expected fields that JSON can say; received others (%v). Give numbers, strings, slices and maps.", err)
		return nil, &Error{Title: "Invalid Request", Detail: detail, cause: err}
	}
	return fields, nil
}

// formatFor is that of a file: what is said, else what its extension means. What the service does not know, it refuses.
func (r Request) formatFor(path string) string {
	extension := strings.TrimPrefix(filepath.Ext(path), ".")
	switch said, isText := r.Extra["format"].(string); {
	case isText:
		return said
	case r.Format != "":
		return r.Format
	case extension == "bin":
		return "raw"
	}
	return extension
}
