//! What to ask for.

use serde_json::{Map, Value};

use crate::Dtype;

/// A tensor to ask for: its shape, and the fields of the service's `/init`.
///
/// A field that is left out is decided by the service, and told in the metadata. The service also checks them all.
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
    /// A tensor of this shape: `[out, in, *kernel]`, or as [`Request::layout`] says; `[]` is a scalar.
    pub fn new(shape: impl Into<Vec<usize>>) -> Self {
        Self { fields: Map::new() }.with("shape", shape.into())
    }

    /// Any field by its name, such as a parameter of the scheme or the activation: `with("stddev", 0.02)`.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.fields.insert(name.into(), value.into());
        self
    }

    /// The name of a scheme, or an object of a name and parameters.
    pub fn scheme(self, scheme: impl Into<Value>) -> Self {
        self.with("scheme", scheme)
    }

    /// The name of the activation after the layer, or an object of a name and parameters, or of an expression in x.
    pub fn activation(self, activation: impl Into<Value>) -> Self {
        self.with("activation", activation)
    }

    /// What the axes mean: dense, conv, conv_transpose, depthwise, embedding or recurrent.
    pub fn layer(self, layer: &str) -> Self {
        self.with("layer", layer)
    }

    /// The groups of a convolution; of a depthwise one, its channels.
    pub fn groups(self, groups: usize) -> Self {
        self.with("groups", groups)
    }

    /// The matrices stacked along the outputs: 3 for queries, keys and values in one.
    pub fn packed(self, packed: usize) -> Self {
        self.with("packed", packed)
    }

    /// Who counts the fans: true, torch, keras or jax.
    pub fn fan_convention(self, fan_convention: &str) -> Self {
        self.with("fan_convention", fan_convention)
    }

    /// The order of the axes: torch, or keras, jax or flax (`[*kernel, in, out]`).
    pub fn layout(self, layout: &str) -> Self {
        self.with("layout", layout)
    }

    /// The type of the values; float32 if it is left out.
    pub fn dtype(self, dtype: Dtype) -> Self {
        self.with("dtype", dtype)
    }

    /// The seed: the same one gives the same values, for ever.
    pub fn seed(self, seed: u64) -> Self {
        self.with("seed", seed.to_string()) // as text, whose digits no reader of JSON on the way loses
    }

    /// The name of the tensor: tensors of different names are independent.
    pub fn name(self, name: &str) -> Self {
        self.with("name", name)
    }

    /// The part to answer, in NumPy's basic slicing: `"128:256, :"`.
    pub fn slice(self, slice: &str) -> Self {
        self.with("slice", slice)
    }

    /// The format of a file: npy, safetensors, npz, json or raw. Only [`Client::download`](crate::Client::download) heeds it.
    pub fn format(self, format: &str) -> Self {
        self.with("format", format)
    }

    /// The inputs of a unit, instead of those of the shape: for a bias, its weight's.
    pub fn fan_in(self, fan_in: usize) -> Self {
        self.with("fan_in", fan_in)
    }

    /// The units that an input feeds, instead of those of the shape.
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

/// A layer to ask advice for: the activation after it, what it is in the network, and its fans if numbers are wanted too.
///
/// ```
/// use weight_init_client::RecommendRequest;
///
/// let hidden = RecommendRequest::new("relu").fan_in(784);
/// let last_of_a_branch = RecommendRequest::default().layer("residual_output").with("num_layers", 12);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecommendRequest {
    fields: Map<String, Value>,
}

impl RecommendRequest {
    /// A layer before an activation: its name, or an object of a name and parameters, or of an expression in x.
    pub fn new(activation: impl Into<Value>) -> Self {
        Self::default().with("activation", activation)
    }

    /// Any field by its name, such as a parameter of the activation: `with("negative_slope", 0.2)`.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.fields.insert(name.into(), value.into());
        self
    }

    /// What the weight is in the network, such as residual_output.
    pub fn layer(self, layer: &str) -> Self {
        self.with("layer", layer)
    }

    /// normal, truncated_normal or uniform.
    pub fn distribution(self, distribution: &str) -> Self {
        self.with("distribution", distribution)
    }

    /// The inputs of a unit.
    pub fn fan_in(self, fan_in: usize) -> Self {
        self.with("fan_in", fan_in)
    }

    /// The units that an input feeds.
    pub fn fan_out(self, fan_out: usize) -> Self {
        self.with("fan_out", fan_out)
    }

    /// Name and text of each field, as in a URL: text as it is, all else as JSON.
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
    fn fields_are_sent_under_their_names_and_nothing_else_is() {
        let request = Request::new([2, 3, 5])
            .scheme("normal")
            .activation(json!({"name": "elu", "alpha": 0.5}))
            .layer("conv")
            .groups(1)
            .packed(2)
            .fan_convention("torch")
            .layout("keras")
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
            "packed": 2, "fan_convention": "torch", "layout": "keras", "dtype": "bfloat16", "seed": "18446744073709551615",
            "name": "w", "slice": "0", "format": "npy", "fan_in": 15, "fan_out": 2, "stddev": 0.5,
        });
        assert_eq!(sent, expected);
        assert_eq!(Request::new([]).to_json(), r#"{"shape":[]}"#);
    }

    #[test]
    fn a_query_holds_text_as_it_is_and_all_else_as_json() {
        let request = RecommendRequest::new(json!({"expression": "x*x"})).layer("head").distribution("uniform").fan_in(3).fan_out(4);
        let pairs =
            [("activation", r#"{"expression":"x*x"}"#), ("distribution", "uniform"), ("fan_in", "3"), ("fan_out", "4"), ("layer", "head")];
        assert_eq!(request.to_query(), pairs.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }
}
