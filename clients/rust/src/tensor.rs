//! What is answered: values with a shape, and how they were made.

use serde_json::Value;

use crate::{Data, Dtype};

/// Values with a shape.
#[derive(Clone, Debug, PartialEq)]
pub struct Array {
    /// The length of each dimension; none for a scalar.
    pub shape: Vec<usize>,
    /// The values, in C order.
    pub data: Data,
}

/// An initialized tensor, and how it was made.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Tensor {
    /// The length of each dimension; none for a scalar.
    pub shape: Vec<usize>,
    /// The values, in C order.
    pub data: Data,
    /// The seed that was given, or that the service chose: to ask with it again gives the same values.
    pub seed: u64,
    /// How it was made: an object with `scheme`, `formula`, `stddev`, `fan_in`, `recommended` and more.
    pub metadata: Value,
}

impl Tensor {
    /// What makes the choice a poor one, each with its remedy; mostly none.
    pub fn warnings(&self) -> impl Iterator<Item = &str> {
        self.metadata["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str)
    }
}

/// What metadata says of the values to come; none where it does not say it all.
pub(crate) struct Announcement {
    pub shape: Vec<usize>,
    pub dtype: Dtype,
    pub seed: u64,
    /// How many values there are, and how many bytes.
    pub len: usize,
    pub nbytes: usize,
}

impl Announcement {
    pub fn in_metadata(metadata: &Value) -> Option<Self> {
        let shape = metadata["shape"].as_array()?.iter().map(length).collect::<Option<Vec<_>>>()?;
        let dtype = Dtype::from_name(metadata["dtype"].as_str()?)?;
        let seed = seed(&metadata["seed"])?;
        let (len, nbytes) = size(&shape, dtype)?;
        Some(Self { shape, dtype, seed, len, nbytes })
    }
}

/// How many values and bytes a shape has; none if they are more than any memory holds.
pub(crate) fn size(shape: &[usize], dtype: Dtype) -> Option<(usize, usize)> {
    let len = shape.iter().try_fold(1usize, |product, &length| product.checked_mul(length))?;
    Some((len, len.checked_mul(dtype.itemsize())?))
}

fn length(value: &Value) -> Option<usize> {
    value.as_u64()?.try_into().ok()
}

/// Above 2^53 it is text, since many readers of JSON would lose digits.
fn seed(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}
