package weightinit

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
)

// Metadata describes how a tensor was initialized. A null in the service's response becomes nil or a zero value. Raw is the unparsed JSON.
type Metadata struct {
	Shape []int  `json:"shape"`
	DType DType  `json:"dtype"`
	Name  string `json:"name"`
	// Seed reproduces the values. It is set even if the service chose it.
	Seed uint64 `json:"-"`
	// Scheme is the scheme that was applied. Requested is the one in the request, such as auto.
	Scheme     string         `json:"scheme"`
	Requested  string         `json:"requested"`
	Parameters map[string]any `json:"parameters"`
	Formula    string         `json:"formula"`
	// Mean and StdDev describe the distribution. They are nil if unknown.
	Mean   *float64 `json:"mean"`
	StdDev *float64 `json:"stddev"`
	// Bounds is the smallest and the largest value of the distribution, or nil if it has no bounds.
	Bounds []float64 `json:"bounds"`
	// FanIn and FanOut are 0 if the scheme does not need them and the shape does not determine them.
	FanIn         int64          `json:"fan_in"`
	FanOut        int64          `json:"fan_out"`
	FanConvention string         `json:"fan_convention"`
	Layout        string         `json:"layout"`
	Activation    map[string]any `json:"activation"`
	// Reproducible is bitwise: the same bytes on every machine.
	Reproducible string         `json:"reproducible"`
	Recommended  Recommendation `json:"recommended"`
	// Warnings has a sentence for each problem that the scheme causes in this layer.
	Warnings []string        `json:"warnings"`
	Raw      json.RawMessage `json:"-"`
}

// Recommendation is a scheme that suits a layer, and the reason. A null in the service's response becomes nil or a zero value. Raw is the
// unparsed JSON.
type Recommendation struct {
	Scheme       string         `json:"scheme"`
	Distribution string         `json:"distribution"`
	Parameters   map[string]any `json:"parameters"`
	Formula      string         `json:"formula"`
	// StdDev and Bound are nil if the fans are unknown.
	StdDev *float64 `json:"stddev"`
	Bound  *float64 `json:"bound"`
	Gain   *Gain    `json:"gain"`
	// Bias is the scheme for the bias of the same layer.
	Bias         string          `json:"bias"`
	Reason       string          `json:"reason"`
	Reference    string          `json:"reference"`
	Alternatives []Alternative   `json:"alternatives"`
	Raw          json.RawMessage `json:"-"`
}

// Alternative is another scheme, and when to use it.
type Alternative struct {
	Scheme     string         `json:"scheme"`
	Parameters map[string]any `json:"parameters"`
	When       string         `json:"when"`
	StdDev     *float64       `json:"stddev"`
}

// Gain is the gain that an activation requires of the weights before it, in several conventions. A convention without a value is nil.
type Gain struct {
	Forward  *float64 `json:"forward"`
	Backward *float64 `json:"backward"`
	Variance *float64 `json:"variance"`
	Torch    *float64 `json:"torch"`
}

// Scheme is an initialization scheme that the service supports.
type Scheme struct {
	Name       string      `json:"name"`
	Summary    string      `json:"summary"`
	Formula    string      `json:"formula"`
	Aliases    []Alias     `json:"aliases"`
	Parameters []Parameter `json:"parameters"`
	NeedsFans  bool        `json:"needs_fans"`
	Reference  string      `json:"reference"`
}

// Alias is another name of a scheme, for example the name in another library, with the parameters that it implies.
type Alias struct {
	Name       string         `json:"name"`
	Parameters map[string]any `json:"parameters"`
}

// Activation is an activation function that the service supports.
type Activation struct {
	Name        string      `json:"name"`
	Formula     string      `json:"formula"`
	Aliases     []string    `json:"aliases"`
	Parameters  []Parameter `json:"parameters"`
	Gain        *Gain       `json:"gain"`
	Recommended string      `json:"recommended"`
	Reference   string      `json:"reference"`
}

// Parameter is a parameter of a scheme or an activation. Domain describes its valid values in words.
type Parameter struct {
	Name     string `json:"name"`
	Summary  string `json:"summary"`
	Domain   string `json:"domain"`
	Default  any    `json:"default"`
	Required bool   `json:"required"`
}

// UnmarshalJSON also sets Raw, and accepts a Seed above 2^53 as a string.
func (m *Metadata) UnmarshalJSON(text []byte) error {
	type plain Metadata
	fields := struct {
		*plain
		Seed json.Number `json:"seed"`
	}{plain: (*plain)(m)}
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	m.Raw = append(m.Raw[:0], text...)
	seed, err := strconv.ParseUint(fields.Seed.String(), 10, 64)
	m.Seed = seed
	return err
}

// UnmarshalJSON also sets Raw.
func (r *Recommendation) UnmarshalJSON(text []byte) error {
	type plain Recommendation
	r.Raw = append(r.Raw[:0], text...)
	return json.Unmarshal(text, (*plain)(r))
}

// readMetadata parses the Weight-Init header.
func readMetadata(response *http.Response) (*Metadata, error) {
	text := response.Header.Get("Weight-Init")
	if text == "" {
		received, err := io.ReadAll(io.LimitReader(response.Body, maxExcerptBytes+1))
		if err != nil {
			return nil, err
		}
		return nil, unexpectedResponse("the Weight-Init header", received)
	}
	var metadata Metadata
	if err := json.Unmarshal([]byte(text), &metadata); err != nil {
		return nil, unexpectedResponse("the metadata of a tensor in the Weight-Init header", []byte(text))
	}
	return &metadata, nil
}

// decode parses a JSON object into target. The object must have the required member.
func decode(text []byte, required string, target any) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil || members[required] == nil || json.Unmarshal(text, target) != nil {
		return unexpectedResponse("a JSON object with "+strconv.Quote(required), text)
	}
	return nil
}
