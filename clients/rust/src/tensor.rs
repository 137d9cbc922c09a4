//! Arrays and initialized tensors.

use serde_json::Value;

use crate::{Data, Dtype};

/// An array: values with a shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// The length of each dimension; none for a scalar.
    pub shape: Vec<usize>,
    /// The values, in C order.
    pub data: Data,
}

/// An initialized tensor and its metadata.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Tensor {
    /// The length of each dimension; none for a scalar.
    pub shape: Vec<usize>,
    /// The values, in C order.
    pub data: Data,
    /// The seed of the request, or the one that the service chose. A request with this seed returns the same values.
    pub seed: u64,
    /// How the tensor was initialized: an object with `scheme`, `formula`, `stddev`, `fan_in`, `recommended` and more.
    pub metadata: Value,
}

impl Tensor {
    /// Returns the problems with the requested scheme, each with a remedy. There are usually none.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.metadata["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str)
    }
}

/// The shape, dtype and seed in the metadata of a response, with the resulting sizes.
pub(crate) struct TensorInfo {
    pub shape: Vec<usize>,
    pub dtype: Dtype,
    pub seed: u64,
    /// The number of values.
    pub len: usize,
    /// The number of bytes.
    pub nbytes: usize,
}

impl TensorInfo {
    /// Returns `None` if the metadata is incomplete or invalid.
    pub fn from_metadata(metadata: &Value) -> Option<Self> {
        let shape = metadata["shape"].as_array()?.iter().map(length).collect::<Option<Vec<_>>>()?;
        let dtype = Dtype::from_name(metadata["dtype"].as_str()?)?;
        let seed = seed(&metadata["seed"])?;
        let (len, nbytes) = size(&shape, dtype)?;
        Some(Self { shape, dtype, seed, len, nbytes })
    }
}

/// Returns the number of values and bytes of a shape, or `None` if they overflow.
pub(crate) fn size(shape: &[usize], dtype: Dtype) -> Option<(usize, usize)> {
    let len = shape.iter().try_fold(1usize, |product, &length| product.checked_mul(length))?;
    Some((len, len.checked_mul(dtype.itemsize())?))
}

fn length(value: &Value) -> Option<usize> {
    value.as_u64()?.try_into().ok()
}

/// Accepts a string too: the service sends seeds above 2^53 as strings, because many JSON parsers would lose digits.
fn seed(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
