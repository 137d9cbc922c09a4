//! Tensor values: parsing from bytes, and conversion to float32 and float64.

use std::{borrow::Cow, collections::TryReserveError, fmt};

use serde_json::Value;

/// The element type of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// float32
    F32,
    /// float64
    F64,
    /// float16: 5 bits of exponent, 10 of fraction
    F16,
    /// bfloat16: the upper half of a float32
    BF16,
}

impl Dtype {
    /// All element types.
    pub const ALL: [Self; 4] = [Self::F32, Self::F64, Self::F16, Self::BF16];

    /// Returns the name that the service and NumPy use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::F16 => "float16",
            Self::BF16 => "bfloat16",
        }
    }

    /// Returns the size of a value in bytes.
    pub const fn itemsize(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == name)
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl From<Dtype> for Value {
    fn from(dtype: Dtype) -> Self {
        dtype.name().into()
    }
}

/// The values of a tensor, in C order: the last index varies fastest.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// float32
    F32(Vec<f32>),
    /// float64
    F64(Vec<f64>),
    /// The bits of float16 values; [`Data::f32`] converts them.
    F16(Vec<u16>),
    /// The bits of bfloat16 values; [`Data::f32`] converts them.
    BF16(Vec<u16>),
}

impl Data {
    /// Returns the element type.
    pub const fn dtype(&self) -> Dtype {
        match self {
            Self::F32(_) => Dtype::F32,
            Self::F64(_) => Dtype::F64,
            Self::F16(_) => Dtype::F16,
            Self::BF16(_) => Dtype::BF16,
        }
    }

    /// Returns the number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
            Self::F16(bits) | Self::BF16(bits) => bits.len(),
        }
    }

    /// Returns whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the values as float32: float32 values are borrowed, float16 and bfloat16 convert exactly, and float64 rounds to the nearest.
    pub fn f32(&self) -> Cow<'_, [f32]> {
        match self {
            Self::F32(values) => Cow::Borrowed(values),
            Self::F64(values) => values.iter().map(|&value| value as f32).collect(),
            Self::F16(bits) => bits.iter().map(|&bits| f16_to_f32(bits)).collect(),
            Self::BF16(bits) => bits.iter().map(|&bits| bf16_to_f32(bits)).collect(),
        }
    }

    /// Converts the values like [`Data::f32`]; does not copy float32 values.
    pub fn into_f32(self) -> Vec<f32> {
        match self {
            Self::F32(values) => values,
            other => other.f32().into_owned(),
        }
    }

    /// Returns the values as float64: float64 values are borrowed, and all other types convert exactly.
    pub fn f64(&self) -> Cow<'_, [f64]> {
        match self {
            Self::F64(values) => Cow::Borrowed(values),
            narrower => narrower.f32().iter().map(|&value| value.into()).collect(),
        }
    }

    /// Converts the values like [`Data::f64`]; does not copy float64 values.
    pub fn into_f64(self) -> Vec<f64> {
        match self {
            Self::F64(values) => values,
            other => other.f64().into_owned(),
        }
    }

    /// Returns the bits of float16 or bfloat16 values, or `None` for other types.
    pub fn bits(&self) -> Option<&[u16]> {
        match self {
            Self::F16(bits) | Self::BF16(bits) => Some(bits),
            Self::F32(_) | Self::F64(_) => None,
        }
    }

    /// Creates an empty list of values with capacity for `len`.
    pub(crate) fn with_capacity(dtype: Dtype, len: usize) -> Result<Self, TryReserveError> {
        Ok(match dtype {
            Dtype::F32 => Self::F32(vec_with_capacity(len)?),
            Dtype::F64 => Self::F64(vec_with_capacity(len)?),
            Dtype::F16 => Self::F16(vec_with_capacity(len)?),
            Dtype::BF16 => Self::BF16(vec_with_capacity(len)?),
        })
    }

    /// Appends values from their little-endian bytes. The length must be a multiple of the item size.
    pub(crate) fn extend_from_bytes(&mut self, bytes: &[u8]) {
        match self {
            Self::F32(values) => values.extend(items(bytes).map(f32::from_le_bytes)),
            Self::F64(values) => values.extend(items(bytes).map(f64::from_le_bytes)),
            Self::F16(bits) | Self::BF16(bits) => bits.extend(items(bytes).map(u16::from_le_bytes)),
        }
    }

    /// Returns the values in another order: the value at `index` comes from `source(index)`.
    pub(crate) fn reordered(&self, source: impl Fn(usize) -> usize) -> Self {
        fn gather<T: Copy>(values: &[T], source: impl Fn(usize) -> usize) -> Vec<T> {
            (0..values.len()).map(|index| values[source(index)]).collect()
        }
        match self {
            Self::F32(values) => Self::F32(gather(values, source)),
            Self::F64(values) => Self::F64(gather(values, source)),
            Self::F16(bits) => Self::F16(gather(bits, source)),
            Self::BF16(bits) => Self::BF16(gather(bits, source)),
        }
    }
}

fn vec_with_capacity<T>(len: usize) -> Result<Vec<T>, TryReserveError> {
    let mut values = Vec::new();
    values.try_reserve_exact(len)?;
    Ok(values)
}

fn items<const SIZE: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; SIZE]> + '_ {
    bytes.chunks_exact(SIZE).map(|item| item.try_into().expect("chunks_exact returns chunks of the requested size"))
}

fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

fn f16_to_f32(bits: u16) -> f32 {
    const SMALLEST_SUBNORMAL: f32 = 1.0 / (1 << 24) as f32;
    const BIAS_DIFFERENCE: u32 = 127 - 15; // exponent bias of float32 minus that of float16
    let magnitude = u32::from(bits & 0x7fff);
    let widened = match magnitude >> 10 {
        0 => magnitude as f32 * SMALLEST_SUBNORMAL,
        0x1f => f32::from_bits(0xff << 23 | magnitude << 13), // infinity or NaN
        _ => f32::from_bits((magnitude << 13) + (BIAS_DIFFERENCE << 23)),
    };
    f32::from_bits(widened.to_bits() | u32::from(bits >> 15) << 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn float16_converts_exactly() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x0001, 2f64.powi(-24)),
            (0x8001, -(2f64.powi(-24))),
            (0x03ff, 1023.0 * 2f64.powi(-24)),
            (0x0400, 2f64.powi(-14)),
            (0x3c00, 1.0),
            (0x7bff, 65504.0),
            (0x7c00, f64::INFINITY),
            (0xfc00, f64::NEG_INFINITY),
        ] {
            assert_eq!(f64::from(f16_to_f32(bits)), value, "{bits:#06x}");
        }
        assert!(f16_to_f32(0x7e00).is_nan());
        assert!(f16_to_f32(0x8000).is_sign_negative());
    }

    #[test]
    fn bfloat16_converts_exactly() {
        for (bits, value) in [
            (0x0001, 2f64.powi(-133)),
            (0x8001, -(2f64.powi(-133))),
            (0x3f80, 1.0),
            (0xc049, -3.140625),
            (0x7f80, f64::INFINITY),
            (0xff80, f64::NEG_INFINITY),
        ] {
            assert_eq!(f64::from(bf16_to_f32(bits)), value, "{bits:#06x}");
        }
        assert!(bf16_to_f32(0x7fc0).is_nan());
    }

    #[test]
    fn every_dtype_converts_to_float32_and_float64() {
        let halves = Data::F16(vec![0x3c00, 0xc000]);
        assert_eq!(*halves.f32(), [1.0, -2.0]);
        assert_eq!(halves.bits(), Some(&[0x3c00, 0xc000][..]));
        assert_eq!(halves.into_f64(), [1.0, -2.0]);
        assert_eq!(Data::F64(vec![0.1]).into_f32(), [0.1f32]);
        assert_eq!(*Data::F32(vec![0.1]).f64(), [f64::from(0.1f32)]);
        assert_eq!(Data::F32(vec![0.1]).bits(), None);
    }

    #[test]
    fn a_capacity_beyond_the_memory_is_an_error() {
        assert!(Data::with_capacity(Dtype::F64, usize::MAX / 8).is_err());
    }
}
