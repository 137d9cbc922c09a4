//! What can go wrong.

use std::{error, fmt, io, path::Path};

/// What this crate answers.
pub type Result<T, E = WeightInitError> = std::result::Result<T, E>;

/// Any failure to get what was asked for. Its text is `detail`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WeightInitError {
    /// The status of HTTP; 0 where no answer came.
    pub status: u16,
    /// The kind of failure, in a few words.
    pub title: String,
    /// What was expected, what was received and what to do.
    pub detail: String,
    /// The fields of the request that are at fault, if the service named any.
    pub errors: Vec<FieldError>,
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldError {
    /// Its place, with dots between levels.
    pub field: String,
    /// What it takes.
    pub expected: String,
    /// What it was.
    pub received: String,
    /// What to do.
    pub action: String,
}

impl WeightInitError {
    pub(crate) fn new(status: u16, title: &str, detail: String) -> Self {
        let (title, errors) = (title.to_owned(), Vec::new());
        Self { status, title, detail, errors }
    }

    /// Of a file that cannot be opened, written or renamed.
    pub(crate) fn of_file(path: &Path, error: &io::Error) -> Self {
        let detail = format!("{}: {error}. Check the path, its permissions and the room on the disk.", path.display());
        Self::new(0, "File Error", detail)
    }

    /// Of a tensor that does not fit.
    pub(crate) fn out_of_memory(shape: &[usize]) -> Self {
        let detail = format!("Expected memory for the shape {shape:?}; received none. Ask for a slice, or download it to a file.");
        Self::new(0, "Out of Memory", detail)
    }
}

impl fmt::Display for WeightInitError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.detail)
    }
}

impl error::Error for WeightInitError {}
