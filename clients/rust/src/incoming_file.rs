//! A file while it comes: under a temporary name, and under its own when it is whole.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, IntoInnerError, Seek, Write},
    path::{Path, PathBuf},
    process,
};

use serde_json::Value;
use ureq::Response;

use crate::{
    answer::{foreign_answer, metadata},
    receiver::{Body, Receiver, BUFFER_BYTES},
    Result, WeightInitError,
};

pub(crate) struct IncomingFile {
    file: BufWriter<File>,
    temporary: Temporary,
    path: PathBuf,
    metadata: Value,
    buffer: Vec<u8>,
}

impl IncomingFile {
    pub fn create(path: &Path) -> Result<Self> {
        let (file, temporary) = Temporary::beside(path).map_err(|error| WeightInitError::of_file(path, &error))?;
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(Self { file, temporary, path: path.to_owned(), metadata: Value::Null, buffer: vec![0; BUFFER_BYTES] })
    }

    /// Give the file its name, after all of it came. The value is its metadata.
    pub fn complete(self) -> Result<Value> {
        let Self { file, temporary, path, metadata, .. } = self;
        let failed = |error| WeightInitError::of_file(&path, &error);
        drop(file.into_inner().map_err(IntoInnerError::into_error).map_err(failed)?); // some systems rename closed files only
        fs::rename(&temporary.path, &path).map_err(failed)?;
        Ok(metadata)
    }

    fn empty(&mut self) -> io::Result<()> {
        self.file.rewind()?;
        self.file.get_ref().set_len(0)
    }
}

impl Receiver for IncomingFile {
    fn begin(&mut self, response: Response) -> Result<Body> {
        let Some(metadata) = metadata(&response) else {
            return Err(foreign_answer("the header Weight-Init", response));
        };
        self.metadata = metadata;
        self.empty().map_err(|error| WeightInitError::of_file(&self.path, &error))?;
        Ok(Body::of(response))
    }

    fn room(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    fn took(&mut self, count: usize) -> Result<()> {
        let written = self.file.write_all(&self.buffer[..count]);
        written.map_err(|error| WeightInitError::of_file(&self.path, &error))
    }
}

/// A file that is removed in the end, unless it was renamed.
struct Temporary {
    path: PathBuf,
}

impl Temporary {
    /// A new one, for what will be a file at `path`.
    fn beside(path: &Path) -> io::Result<(File, Self)> {
        let Some(name) = path.file_name().filter(|_| !path.is_dir()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "expected the name of a file; received that of a folder"));
        };
        let mut attempt = 0;
        loop {
            let temporary = path.with_file_name(format!(".{}.{}-{attempt}", name.to_string_lossy(), process::id()));
            match OpenOptions::new().write(true).create_new(true).open(&temporary) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => attempt += 1, // another thread's, or left by a crash
                opened => return Ok((opened?, Self { path: temporary })),
            }
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Once renamed it is not there. If it cannot be removed, the error that led here says more than this one would.
        let _ = fs::remove_file(&self.path);
    }
}
