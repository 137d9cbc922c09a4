//! Values: how they come from bytes, and what they are as float32 and float64.

use std::{borrow::Cow, collections::TryReserveError, fmt};

use serde_json::Value;

/// The type of each value of a tensor.
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
    /// Every one of them.
    pub const ALL: [Self; 4] = [Self::F32, Self::F64, Self::F16, Self::BF16];

    /// Its name at the service and in NumPy.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "float32",
            Self::F64 => "float64",
            Self::F16 => "float16",
            Self::BF16 => "bfloat16",
        }
    }

    /// Bytes of a value.
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

/// The values of a tensor, in C order: the last index runs fastest.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// float32
    F32(Vec<f32>),
    /// float64
    F64(Vec<f64>),
    /// The bits of float16; [`Data::f32`] is their values.
    F16(Vec<u16>),
    /// The bits of bfloat16; [`Data::f32`] is their values.
    BF16(Vec<u16>),
}

impl Data {
    /// The type of each value.
    pub const fn dtype(&self) -> Dtype {
        match self {
            Self::F32(_) => Dtype::F32,
            Self::F64(_) => Dtype::F64,
            Self::F16(_) => Dtype::F16,
            Self::BF16(_) => Dtype::BF16,
        }
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::F64(values) => values.len(),
            Self::F16(bits) | Self::BF16(bits) => bits.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values as float32: borrowed if they are; float16 and bfloat16 widened without a change; float64 rounded to the nearest.
    pub fn f32(&self) -> Cow<'_, [f32]> {
        match self {
            Self::F32(values) => Cow::Borrowed(values),
            Self::F64(values) => values.iter().map(|&value| value as f32).collect(),
            Self::F16(bits) => bits.iter().map(|&bits| f16_to_f32(bits)).collect(),
            Self::BF16(bits) => bits.iter().map(|&bits| bf16_to_f32(bits)).collect(),
        }
    }

    /// The same as [`Data::f32`], without a copy if they are float32.
    pub fn into_f32(self) -> Vec<f32> {
        match self {
            Self::F32(values) => values,
            other => other.f32().into_owned(),
        }
    }

    /// The values as float64, which holds every one of them: borrowed if they are.
    pub fn f64(&self) -> Cow<'_, [f64]> {
        match self {
            Self::F64(values) => Cow::Borrowed(values),
            narrower => narrower.f32().iter().map(|&value| value.into()).collect(),
        }
    }

    /// The same as [`Data::f64`], without a copy if they are float64.
    pub fn into_f64(self) -> Vec<f64> {
        match self {
            Self::F64(values) => values,
            other => other.f64().into_owned(),
        }
    }

    /// The bits of float16 or bfloat16, as they came; of other types none.
    pub fn bits(&self) -> Option<&[u16]> {
        match self {
            Self::F16(bits) | Self::BF16(bits) => Some(bits),
            Self::F32(_) | Self::F64(_) => None,
        }
    }

    /// No values yet, and room for `len` of them.
    pub(crate) fn with_room(dtype: Dtype, len: usize) -> Result<Self, TryReserveError> {
        Ok(match dtype {
            Dtype::F32 => Self::F32(room(len)?),
            Dtype::F64 => Self::F64(room(len)?),
            Dtype::F16 => Self::F16(room(len)?),
            Dtype::BF16 => Self::BF16(room(len)?),
        })
    }

    /// Append whole values from their little-endian bytes.
    pub(crate) fn extend_from_bytes(&mut self, bytes: &[u8]) {
        match self {
            Self::F32(values) => values.extend(items(bytes).map(f32::from_le_bytes)),
            Self::F64(values) => values.extend(items(bytes).map(f64::from_le_bytes)),
            Self::F16(bits) | Self::BF16(bits) => bits.extend(items(bytes).map(u16::from_le_bytes)),
        }
    }

    /// The values in another order: at each place that which was at `place_before(place)`.
    pub(crate) fn reordered(&self, place_before: impl Fn(usize) -> usize) -> Self {
        fn each<T: Copy>(values: &[T], place_before: impl Fn(usize) -> usize) -> Vec<T> {
            (0..values.len()).map(|place| values[place_before(place)]).collect()
        }
        match self {
            Self::F32(values) => Self::F32(each(values, place_before)),
            Self::F64(values) => Self::F64(each(values, place_before)),
            Self::F16(bits) => Self::F16(each(bits, place_before)),
            Self::BF16(bits) => Self::BF16(each(bits, place_before)),
        }
    }
}

fn room<T>(len: usize) -> Result<Vec<T>, TryReserveError> {
    let mut values = Vec::new();
    values.try_reserve_exact(len)?;
    Ok(values)
}

fn items<const SIZE: usize>(bytes: &[u8]) -> impl Iterator<Item = [u8; SIZE]> + '_ {
    bytes.chunks_exact(SIZE).map(|item| item.try_into().expect("a chunk has the size that was asked for"))
}

fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

fn f16_to_f32(bits: u16) -> f32 {
    const SMALLEST: f32 = 1.0 / (1 << 24) as f32; // the subnormals are its multiples
    const BIAS: u32 = 127 - 15; // how much further float32 counts its exponents from
    let magnitude = u32::from(bits & 0x7fff);
    let widened = match magnitude >> 10 {
        0 => magnitude as f32 * SMALLEST,
        0x1f => f32::from_bits(0xff << 23 | magnitude << 13), // infinity, or no number
        _ => f32::from_bits((magnitude << 13) + (BIAS << 23)),
    };
    f32::from_bits(widened.to_bits() | u32::from(bits >> 15) << 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn float16_is_widened_without_a_change() {
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
    fn bfloat16_is_widened_without_a_change() {
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
    fn every_type_converts_to_every_other() {
        let halves = Data::F16(vec![0x3c00, 0xc000]);
        assert_eq!(*halves.f32(), [1.0, -2.0]);
        assert_eq!(halves.bits(), Some(&[0x3c00, 0xc000][..]));
        assert_eq!(halves.into_f64(), [1.0, -2.0]);
        assert_eq!(Data::F64(vec![0.1]).into_f32(), [0.1f32]);
        assert_eq!(*Data::F32(vec![0.1]).f64(), [f64::from(0.1f32)]);
        assert_eq!(Data::F32(vec![0.1]).bits(), None);
    }

    #[test]
    fn more_than_there_is_room_for_is_an_error() {
        assert!(Data::with_room(Dtype::F64, usize::MAX / 8).is_err());
    }
}
