package weightinit

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
)

// Request describes the tensor to initialize. It has the fields of the service's /init endpoint. The service chooses a value for each
// omitted field and returns it in the Metadata.
type Request struct {
	// Shape is the shape: [out, in, *kernel], or in the order of Layout. It is required. []int{} is a scalar.
	Shape []int `json:"shape"`
	// Scheme is a name, such as "he_normal" or "torch.nn.init.kaiming_normal_", or a name with parameters: map[string]any{"name": ...}.
	Scheme any `json:"scheme,omitempty"`
	// Activation is the activation after the layer: a name, or a map with a name and parameters, or with an expression in x.
	Activation any `json:"activation,omitempty"`
	// Layer is the type of layer, which gives the axes their meaning: dense, conv, conv_transpose, depthwise, embedding or recurrent.
	Layer string `json:"layer,omitempty"`
	// Groups is the number of groups of a convolution.
	Groups int `json:"groups,omitempty"`
	// Packed is the number of matrices packed along the outputs, such as 3 for queries, keys and values in one; or []int with the outputs
	// of each.
	Packed any `json:"packed,omitempty"`
	// FanConvention is the convention for counting the fans: true, torch, keras or jax.
	FanConvention string `json:"fan_convention,omitempty"`
	// Layout is the order of the axes: torch ([out, in, *kernel]), or keras, jax or flax ([*kernel, in, out]).
	Layout string `json:"layout,omitempty"`
	// Axes has a letter for each axis of Shape, in place of Layout: b (stacked), o (outputs), i (inputs) or k (kernel), such as boi.
	Axes string `json:"axes,omitempty"`
	// DType is the element type. The default is float32.
	DType DType `json:"dtype,omitempty"`
	// Seed makes the values reproducible; see the function Seed. If it is nil, the service chooses one and returns it in Metadata.Seed.
	Seed *uint64 `json:"seed,omitempty,string"` // a string, because many JSON parsers lose digits above 2^53
	// Name is the name of the tensor. Tensors with different names have independent values.
	Name string `json:"name,omitempty"`
	// Slice is the part of the tensor to return, in NumPy's basic slice syntax: "128:256, :".
	Slice string `json:"slice,omitempty"`
	// PaddingIdx is the entry of an embedding that is zero, if it is not nil. A negative one counts from the end.
	PaddingIdx *int `json:"padding_idx,omitempty"`
	// FanIn and FanOut replace the fans of the shape. For a bias, set them to the fans of its weight.
	FanIn  int `json:"fan_in,omitempty"`
	FanOut int `json:"fan_out,omitempty"`
	// Format is the file format: npy, safetensors, npz, json or raw. Init ignores it.
	Format string `json:"format,omitempty"`
	// Extra has any other fields that the service accepts, such as parameters of the scheme and the activation (stddev, gain, mode,
	// negative_slope ...). It overrides the fields above.
	Extra map[string]any `json:"-"`
}

// RecommendRequest describes what to recommend a scheme for: an activation, a layer, or both. It has the fields of the service's
// /recommend endpoint.
type RecommendRequest struct {
	// Activation is a name, or a map with a name and parameters, or with an expression in x.
	Activation any `json:"activation,omitempty"`
	// Layer is the role of the weight in the network, such as "residual_output".
	Layer string `json:"layer,omitempty"`
	// NumLayers is the depth of the network, for a layer that feeds a residual stream.
	NumLayers int `json:"num_layers,omitempty"`
	// ClassPrior is the prior probability of the class, above 0 and below 1, for a sigmoid head.
	ClassPrior float64 `json:"class_prior,omitempty"`
	// Distribution is normal, truncated_normal or uniform.
	Distribution string `json:"distribution,omitempty"`
	// FanIn is the number of inputs of each unit. FanOut is the number of units that each input feeds.
	FanIn  int `json:"fan_in,omitempty"`
	FanOut int `json:"fan_out,omitempty"`
	// Extra has the parameters of the activation. It overrides the fields above.
	Extra map[string]any `json:"-"`
}

// Seed returns a pointer to value, for Request.Seed. The field is a pointer because 0 is a valid seed.
func Seed(value uint64) *uint64 {
	return &value
}

// call is an HTTP request to the service. The body, if any, is JSON.
type call struct {
	method string
	path   string
	body   []byte
}

func postInit(body []byte) call {
	return call{method: http.MethodPost, path: "/init", body: body}
}

// body returns the fields as JSON, with the given format. If format is empty, the service chooses one.
func (r Request) body(format string) ([]byte, error) {
	fields, err := mergeFields(r, r.Extra)
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
	fields, err := mergeFields(r, r.Extra)
	if err != nil {
		return "", err
	}
	values := url.Values{}
	for name, value := range fields {
		var text string
		if json.Unmarshal(value, &text) != nil { // a value that is not a string stays JSON
			text = string(value)
		}
		values.Set(name, text)
	}
	return values.Encode(), nil
}

// mergeFields returns the fields that are set, as JSON.
func mergeFields(request any, extra map[string]any) (map[string]json.RawMessage, error) {
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
		detail := fmt.Sprintf("Expected fields that JSON can represent; received others (%v). Use numbers, strings, slices and maps.", err)
		return nil, &Error{Title: "Invalid Request", Detail: detail, cause: err}
	}
	return fields, nil
}

// formatFor returns the requested format, or else the one that the extension of path stands for. The service rejects an unknown format.
func (r Request) formatFor(path string) string {
	extension := strings.TrimPrefix(filepath.Ext(path), ".")
	switch format, isString := r.Extra["format"].(string); {
	case isString:
		return format
	case r.Format != "":
		return r.Format
	case extension == "bin":
		return "raw"
	}
	return extension
}
