//! Requests for tensors and recommendations.

use serde_json::{Map, Value};

use crate::Dtype;

/// Describes the tensor to initialize, with the fields of the service's `/init` endpoint.
///
/// The service checks all fields. It chooses a value for each omitted field and returns it in the metadata.
///
/// ```
/// use weight_init_client::{json, Dtype, Request};
///
/// let query = Request::new([768, 768]).scheme("truncated_normal").with("stddev", 0.02).seed(7).name("encoder.0.query");
/// let kernel = Request::new([784, 256]).layout("keras").activation(json!({"name": "leaky_relu", "negative_slope": 0.2}));
/// let part = Request::new([1_000_000, 4096]).activation("gelu").slice("128:256, :").dtype(Dtype::F16);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    fields: Map<String, Value>,
}

impl Request {
    /// Creates a request for a tensor of this shape: `[out, in, *kernel]`, or in the order of [`Request::layout`]. `[]` is a scalar.
    pub fn new(shape: impl Into<Vec<usize>>) -> Self {
        Self { fields: Map::new() }.with("shape", shape.into())
    }

    /// Sets any field by its name, such as a parameter of the scheme or the activation: `with("stddev", 0.02)`.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.fields.insert(name.into(), value.into());
        self
    }

    /// Sets the scheme: a name, or an object with a name and parameters.
    pub fn scheme(self, scheme: impl Into<Value>) -> Self {
        self.with("scheme", scheme)
    }

    /// Sets the activation after the layer: a name, or an object with a name and parameters, or with an expression in x.
    pub fn activation(self, activation: impl Into<Value>) -> Self {
        self.with("activation", activation)
    }

    /// Sets the type of layer, which gives the axes their meaning: dense, conv, conv_transpose, depthwise, embedding or recurrent.
    pub fn layer(self, layer: &str) -> Self {
        self.with("layer", layer)
    }

    /// Sets the number of groups of a convolution, or the channels of a depthwise one.
    pub fn groups(self, groups: usize) -> Self {
        self.with("groups", groups)
    }

    /// Sets the number of matrices packed along the outputs, such as 3 for queries, keys and values in one; or the outputs of each, as a
    /// `Vec`.
    pub fn packed(self, packed: impl Into<Value>) -> Self {
        self.with("packed", packed)
    }

    /// Sets the convention for counting the fans: true, torch, keras or jax.
    pub fn fan_convention(self, fan_convention: &str) -> Self {
        self.with("fan_convention", fan_convention)
    }

    /// Sets the order of the axes: torch (`[out, in, *kernel]`), or keras, jax or flax (`[*kernel, in, out]`).
    pub fn layout(self, layout: &str) -> Self {
        self.with("layout", layout)
    }

    /// Says what each axis of the shape is, in place of the layout, with a letter for each: b (stacked), o (outputs), i (inputs) or
    /// k (kernel).
    pub fn axes(self, axes: &str) -> Self {
        self.with("axes", axes)
    }

    /// Sets an entry of an embedding to zero. A negative one counts from the end.
    pub fn padding_idx(self, entry: i64) -> Self {
        self.with("padding_idx", entry)
    }

    /// Sets the element type. The default is float32.
    pub fn dtype(self, dtype: Dtype) -> Self {
        self.with("dtype", dtype)
    }

    /// Sets the seed. The same seed always gives the same values.
    pub fn seed(self, seed: u64) -> Self {
        self.with("seed", seed.to_string()) // a string, because many JSON parsers lose digits above 2^53
    }

    /// Sets the name of the tensor. Tensors with different names have independent values.
    pub fn name(self, name: &str) -> Self {
        self.with("name", name)
    }

    /// Sets the part of the tensor to return, in NumPy's basic slice syntax: `"128:256, :"`.
    pub fn slice(self, slice: &str) -> Self {
        self.with("slice", slice)
    }

    /// Sets the file format for [`Client::download`](crate::Client::download): npy, safetensors, npz, json or raw.
    pub fn format(self, format: &str) -> Self {
        self.with("format", format)
    }

    /// Sets the number of inputs of each unit, instead of deriving it from the shape. For a bias, pass the fan_in of its weight.
    pub fn fan_in(self, fan_in: usize) -> Self {
        self.with("fan_in", fan_in)
    }

    /// Sets the number of units that each input feeds, instead of deriving it from the shape.
    pub fn fan_out(self, fan_out: usize) -> Self {
        self.with("fan_out", fan_out)
    }

    pub(crate) fn has_format(&self) -> bool {
        self.fields.contains_key("format")
    }

    pub(crate) fn to_json(&self) -> String {
        Value::from(self.fields.clone()).to_string()
    }
}

/// Describes the layer to recommend a scheme for: its activation and its role in the network. With the fans, the recommendation
/// includes `stddev` and `bound`.
///
/// ```
/// use weight_init_client::RecommendRequest;
///
/// let hidden = RecommendRequest::new("relu").fan_in(784);
/// let residual = RecommendRequest::default().layer("residual_output").with("num_layers", 12);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecommendRequest {
    fields: Map<String, Value>,
}

impl RecommendRequest {
    /// Creates a request for a layer before `activation`: a name, or an object with a name and parameters, or with an expression in x.
    pub fn new(activation: impl Into<Value>) -> Self {
        Self::default().with("activation", activation)
    }

    /// Sets any field by its name, such as a parameter of the activation: `with("negative_slope", 0.2)`.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.fields.insert(name.into(), value.into());
        self
    }

    /// Sets the role of the weight in the network, such as residual_output.
    pub fn layer(self, layer: &str) -> Self {
        self.with("layer", layer)
    }

    /// Sets the distribution: normal, truncated_normal or uniform.
    pub fn distribution(self, distribution: &str) -> Self {
        self.with("distribution", distribution)
    }

    /// Sets the number of inputs of each unit.
    pub fn fan_in(self, fan_in: usize) -> Self {
        self.with("fan_in", fan_in)
    }

    /// Sets the number of units that each input feeds.
    pub fn fan_out(self, fan_out: usize) -> Self {
        self.with("fan_out", fan_out)
    }

    /// Returns the fields as query parameters: strings as they are, other values as JSON.
    pub(crate) fn to_query(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.fields.iter().map(|(name, value)| (name.clone(), text(value))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_method_sets_the_field_of_its_name() {
        let request = Request::new([2, 3, 5])
            .scheme("normal")
            .activation(json!({"name": "elu", "alpha": 0.5}))
            .layer("conv")
            .groups(1)
            .packed(vec![1, 1])
            .fan_convention("torch")
            .layout("keras")
            .axes("oik")
            .padding_idx(-1)
            .dtype(Dtype::BF16)
            .seed(u64::MAX)
            .name("w")
            .slice("0")
            .format("npy")
            .fan_in(15)
            .fan_out(2)
            .with("stddev", 0.5);
        let sent: Value = request.to_json().parse().unwrap();
        let expected = json!({
            "shape": [2, 3, 5], "scheme": "normal", "activation": {"name": "elu", "alpha": 0.5}, "layer": "conv", "groups": 1,
            "packed": [1, 1], "fan_convention": "torch", "layout": "keras", "axes": "oik", "padding_idx": -1,
            "dtype": "bfloat16",
            "seed": "18446744073709551615",
            "name": "w", "slice": "0", "format": "npy", "fan_in": 15, "fan_out": 2, "stddev": 0.5,
        });
        assert_eq!(sent, expected);
        assert_eq!(Request::new([]).to_json(), r#"{"shape":[]}"#);
    }

    #[test]
    fn a_query_has_strings_as_they_are_and_other_values_as_json() {
        let request = RecommendRequest::new(json!({"expression": "x*x"})).layer("head").distribution("uniform").fan_in(3).fan_out(4);
        let pairs =
            [("activation", r#"{"expression":"x*x"}"#), ("distribution", "uniform"), ("fan_in", "3"), ("fan_out", "4"), ("layer", "head")];
        assert_eq!(request.to_query(), pairs.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }
}
