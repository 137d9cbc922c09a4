//! The error type.

use std::{error, fmt, io, path::Path};

/// The result type of this crate.
pub type Result<T, E = WeightInitError> = std::result::Result<T, E>;

/// Describes why a request failed. It displays as `detail`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WeightInitError {
    /// The HTTP status, or 0 if there was no response.
    pub status: u16,
    /// The kind of failure, in a few words.
    pub title: String,
    /// What was expected, what was received and what to do.
    pub detail: String,
    /// The invalid fields of the request. It is often empty.
    pub errors: Vec<FieldError>,
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldError {
    /// The path of the field, with dots between levels.
    pub field: String,
    /// What the field accepts.
    pub expected: String,
    /// What the request contained.
    pub received: String,
    /// What to do.
    pub action: String,
}

impl WeightInitError {
    pub(crate) fn new(status: u16, title: &str, detail: String) -> Self {
        let (title, errors) = (title.to_owned(), Vec::new());
        Self { status, title, detail, errors }
    }

    /// Returns the error for a file that cannot be opened, written or renamed.
    pub(crate) fn file(path: &Path, error: &io::Error) -> Self {
        let detail = format!("{}: {error}. Check the path, its permissions and the free disk space.", path.display());
        Self::new(0, "File Error", detail)
    }

    /// Returns the error for a tensor that does not fit in memory.
    pub(crate) fn out_of_memory(shape: &[usize]) -> Self {
        let detail =
            format!("Expected enough memory for the shape {shape:?}; received too little. Request a slice, or download to a file.");
        Self::new(0, "Out of Memory", detail)
    }
}

impl fmt::Display for WeightInitError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.detail)
    }
}

impl error::Error for WeightInitError {}
