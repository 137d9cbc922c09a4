package weightinit

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
)

// Metadata is how a tensor was made. What is null in the service's answer is a nil or a zero here; Raw has all of it.
type Metadata struct {
	Shape []int  `json:"shape"`
	DType DType  `json:"dtype"`
	Name  string `json:"name"`
	// Seed gives the same values again, also when the service chose it.
	Seed uint64 `json:"-"`
	// Scheme was applied; Requested was asked for, such as auto.
	Scheme     string         `json:"scheme"`
	Requested  string         `json:"requested"`
	Parameters map[string]any `json:"parameters"`
	Formula    string         `json:"formula"`
	// Mean and StdDev are those of the distribution; nil where they are not known.
	Mean   *float64 `json:"mean"`
	StdDev *float64 `json:"stddev"`
	// Bounds is the least and the greatest value that may be drawn; nil where there is none.
	Bounds []float64 `json:"bounds"`
	// FanIn and FanOut are 0 where the scheme needs none and the shape does not tell.
	FanIn         int64          `json:"fan_in"`
	FanOut        int64          `json:"fan_out"`
	FanConvention string         `json:"fan_convention"`
	Layout        string         `json:"layout"`
	Activation    map[string]any `json:"activation"`
	// Reproducible is bitwise, or within what.
	Reproducible string         `json:"reproducible"`
	Recommended  Recommendation `json:"recommended"`
	// Warnings has a sentence for whatever is poor about the scheme for this layer.
	Warnings []string        `json:"warnings"`
	Raw      json.RawMessage `json:"-"`
}

// Recommendation is the scheme that fits, and why. What is null in the service's answer is a nil or a zero here; Raw has all of it.
type Recommendation struct {
	Scheme       string         `json:"scheme"`
	Distribution string         `json:"distribution"`
	Parameters   map[string]any `json:"parameters"`
	Formula      string         `json:"formula"`
	// StdDev and Bound are nil where the fans are not known.
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

// Alternative is another scheme, and when to take it.
type Alternative struct {
	Scheme     string         `json:"scheme"`
	Parameters map[string]any `json:"parameters"`
	When       string         `json:"when"`
	StdDev     *float64       `json:"stddev"`
}

// Gain is what an activation needs of the weights before it, by the ways to say it; nil where there is no such number.
type Gain struct {
	Forward  *float64 `json:"forward"`
	Backward *float64 `json:"backward"`
	Variance *float64 `json:"variance"`
	Torch    *float64 `json:"torch"`
}

// Scheme is one that the service knows.
type Scheme struct {
	Name       string      `json:"name"`
	Summary    string      `json:"summary"`
	Formula    string      `json:"formula"`
	Aliases    []Alias     `json:"aliases"`
	Parameters []Parameter `json:"parameters"`
	NeedsFans  bool        `json:"needs_fans"`
	Reference  string      `json:"reference"`
}

// Alias is another name of a scheme, such as a library's, with the parameters that it means.
type Alias struct {
	Name       string         `json:"name"`
	Parameters map[string]any `json:"parameters"`
}

// Activation is one that the service knows.
type Activation struct {
	Name        string      `json:"name"`
	Formula     string      `json:"formula"`
	Aliases     []string    `json:"aliases"`
	Parameters  []Parameter `json:"parameters"`
	Gain        *Gain       `json:"gain"`
	Recommended string      `json:"recommended"`
	Reference   string      `json:"reference"`
}

// Parameter is one of a scheme or an activation. Domain says in words which values it takes.
type Parameter struct {
	Name     string `json:"name"`
	Summary  string `json:"summary"`
	Domain   string `json:"domain"`
	Default  any    `json:"default"`
	Required bool   `json:"required"`
}

// UnmarshalJSON also keeps the text. A seed beyond 2^53 comes as a string.
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

// UnmarshalJSON also keeps the text.
func (r *Recommendation) UnmarshalJSON(text []byte) error {
	type plain Recommendation
	r.Raw = append(r.Raw[:0], text...)
	return json.Unmarshal(text, (*plain)(r))
}

// metadataIn reads the header Weight-Init.
func metadataIn(response *http.Response) (*Metadata, error) {
	text := response.Header.Get("Weight-Init")
	if text == "" {
		received, err := io.ReadAll(io.LimitReader(response.Body, longestBeginning+1))
		if err != nil {
			return nil, err
		}
		return nil, foreign("the header Weight-Init", received)
	}
	var metadata Metadata
	if err := json.Unmarshal([]byte(text), &metadata); err != nil {
		return nil, foreign("the metadata of a tensor in the header Weight-Init", []byte(text))
	}
	return &metadata, nil
}

// decode reads a JSON object that has the member needed.
func decode(text []byte, needed string, into any) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil || members[needed] == nil || json.Unmarshal(text, into) != nil {
		return foreign("a JSON object with "+strconv.Quote(needed), text)
	}
	return nil
}
