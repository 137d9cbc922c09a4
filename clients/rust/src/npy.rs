//! Reads `.npy`, NumPy's format for a single array.
//!
//! Supports versions 1, 2 and 3, C and Fortran order, either byte order, and float32, float64 and float16. The returned values are in
//! C order.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use crate::{tensor::size, Array, Data, Dtype, Result, WeightInitError};

const MAGIC: &[u8] = b"\x93NUMPY";
const BUFFER_BYTES: usize = 1 << 16; // a multiple of every item size

/// Reads a file.
///
/// ```no_run
/// let weight = weight_init_client::npy::open("w.npy")?;
/// println!("{:?} {}", weight.shape, weight.data.f32()[0]);
/// # Ok::<(), weight_init_client::WeightInitError>(())
/// ```
pub fn open(path: impl AsRef<Path>) -> Result<Array> {
    let path = path.as_ref();
    let file = File::open(path).map_err(|error| WeightInitError::file(path, &error))?;
    read(file).map_err(|error| WeightInitError { detail: format!("{}: {}", path.display(), error.detail), ..error })
}

/// Reads one array, and nothing beyond its end.
pub fn read(mut source: impl Read) -> Result<Array> {
    let Header { dtype, is_big_endian, is_fortran, shape } = Header::read(&mut source)?;
    let (len, nbytes) = size(&shape, dtype).ok_or_else(|| WeightInitError::out_of_memory(&shape))?;
    let mut data = Data::with_capacity(dtype, len).map_err(|_| WeightInitError::out_of_memory(&shape))?;
    let mut buffer = vec![0; BUFFER_BYTES.min(nbytes)];
    let mut remaining = nbytes;
    while remaining > 0 {
        let part = &mut buffer[..remaining.min(BUFFER_BYTES)];
        source.read_exact(part).map_err(|error| read_error(&error))?;
        if is_big_endian {
            part.chunks_exact_mut(dtype.itemsize()).for_each(<[u8]>::reverse);
        }
        data.extend_from_bytes(part);
        remaining -= part.len();
    }
    let data = if is_fortran { data.reordered(|index| fortran_index(index, &shape)) } else { data };
    Ok(Array { shape, data })
}

struct Header {
    dtype: Dtype,
    is_big_endian: bool,
    is_fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    fn read(source: &mut impl Read) -> Result<Self> {
        let start: [u8; 8] = bytes(source)?;
        if !start.starts_with(MAGIC) {
            let received = String::from_utf8_lossy(&start);
            return Err(unreadable("a .npy file", &format!("a file that begins with {received:?}"), "Check the path."));
        }
        let length = match start[6] {
            1 => u64::from(u16::from_le_bytes(bytes(source)?)),
            2 | 3 => u64::from(u32::from_le_bytes(bytes(source)?)),
            other => return Err(unreadable("version 1, 2 or 3 of .npy", &other.to_string(), "Save it with numpy.save.")),
        };
        let mut text = Vec::new();
        source.take(length).read_to_end(&mut text).map_err(|error| read_error(&error))?;
        if (text.len() as u64) < length {
            return Err(read_error(&io::ErrorKind::UnexpectedEof.into()));
        }
        Self::parse(&String::from_utf8_lossy(&text))
    }

    /// Parses the text of a Python dict: `{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }`.
    fn parse(text: &str) -> Result<Self> {
        let values = value(text, "descr").zip(value(text, "fortran_order")).zip(value(text, "shape").and_then(lengths));
        let ((descr, order), shape) =
            values.ok_or_else(|| unreadable("descr, fortran_order and shape", text.trim(), "Save it with numpy.save."))?;
        let (dtype, is_big_endian) = dtype(descr).ok_or_else(|| {
            unreadable("values of float32, float64 or float16", descr, "Save it with `numpy.save(path, array.astype('float32'))`.")
        })?;
        Ok(Self { dtype, is_big_endian, is_fortran: order.starts_with("True"), shape })
    }
}

/// Returns the rest of a dict's text, from the value of `name`, which may be in single or double quotes.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("'{name}'")).or_else(|| text.split_once(&format!("\"{name}\"")))?;
    rest.trim_start().strip_prefix(':').map(str::trim_start)
}

fn lengths(text: &str) -> Option<Vec<usize>> {
    let (inner, _) = text.strip_prefix('(')?.split_once(')')?;
    let lengths = inner.split(',').map(|length| length.trim().trim_end_matches('L')); // NumPy on Python 2 wrote 2L
    lengths.filter(|length| !length.is_empty()).map(|length| length.parse().ok()).collect()
}

/// Returns the dtype, and whether it is big-endian.
fn dtype(descr: &str) -> Option<(Dtype, bool)> {
    let (name, _) = descr.strip_prefix(['\'', '"'])?.split_once(['\'', '"'])?;
    let is_big_endian = name.starts_with('>') || (!name.starts_with('<') && cfg!(target_endian = "big"));
    match name.strip_prefix(['<', '>', '=', '|']).unwrap_or(name) {
        "f4" => Some((Dtype::F32, is_big_endian)),
        "f8" => Some((Dtype::F64, is_big_endian)),
        "f2" => Some((Dtype::F16, is_big_endian)),
        _ => None,
    }
}

/// Converts an index in C order to the index of the same element in Fortran order.
fn fortran_index(index: usize, shape: &[usize]) -> usize {
    shape.iter().rev().fold((index, 0), |(rest, result), &length| (rest / length, rest % length + length * result)).1
}

fn bytes<const COUNT: usize>(source: &mut impl Read) -> Result<[u8; COUNT]> {
    let mut bytes = [0; COUNT];
    source.read_exact(&mut bytes).map_err(|error| read_error(&error))?;
    Ok(bytes)
}

fn read_error(error: &io::Error) -> WeightInitError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => unreadable("a complete .npy file", "only its beginning", "Write or download it again."),
        _ => unreadable("a readable .npy file", &error.to_string(), "Check the disk."),
    }
}

fn unreadable(expected: &str, received: &str, action: &str) -> WeightInitError {
    WeightInitError::new(0, "Unreadable File", format!("Expected {expected}; received {received}. {action}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fortran_order_becomes_c_order() {
        // [[0, 1, 2], [3, 4, 5]] is stored as 0 3 1 4 2 5
        let indices: Vec<usize> = (0..6).map(|index| fortran_index(index, &[2, 3])).collect();
        assert_eq!(indices, [0, 2, 4, 1, 3, 5]);
    }

    #[test]
    fn an_incomplete_or_unsupported_header_is_an_error() {
        for text in [
            "",
            "{'descr': '<f4', 'fortran_order': False}",
            "{'descr': '<f4', 'fortran_order': False, 'shape': (2, -3)}",
            "{'descr': '<i8', 'fortran_order': False, 'shape': (2,)}",
            "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}",
        ] {
            assert!(Header::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_shape_that_exceeds_the_memory_is_an_error() {
        let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({0}, {0}), }}", u64::MAX / 2);
        let length = u16::try_from(header.len()).unwrap();
        let file = [MAGIC, &[1, 0], &length.to_le_bytes(), header.as_bytes()].concat();
        assert_eq!(read(&file[..]).unwrap_err().title, "Out of Memory");
    }
}
