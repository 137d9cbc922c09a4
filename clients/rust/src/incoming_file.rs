//! Receives a file under a temporary name, and renames it when it is complete.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, IntoInnerError, Seek, Write},
    path::{Path, PathBuf},
    process,
};

use serde_json::Value;
use ureq::Response;

use crate::{
    receiver::{Body, Receiver, BUFFER_BYTES},
    response::{metadata, unexpected_unread},
    Result, WeightInitError,
};

pub(crate) struct IncomingFile {
    file: BufWriter<File>,
    temporary: TemporaryFile,
    path: PathBuf,
    metadata: Value,
    buffer: Vec<u8>,
}

impl IncomingFile {
    pub fn create(path: &Path) -> Result<Self> {
        let (file, temporary) = TemporaryFile::beside(path).map_err(|error| WeightInitError::file(path, &error))?;
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(Self { file, temporary, path: path.to_owned(), metadata: Value::Null, buffer: vec![0; BUFFER_BYTES] })
    }

    /// Renames the complete file to its final name, and returns its metadata.
    pub fn finish(self) -> Result<Value> {
        let Self { file, temporary, path, metadata, .. } = self;
        let failed = |error| WeightInitError::file(&path, &error);
        drop(file.into_inner().map_err(IntoInnerError::into_error).map_err(failed)?); // some systems cannot rename an open file
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
            return Err(unexpected_unread("the Weight-Init header", response));
        };
        self.metadata = metadata;
        self.empty().map_err(|error| WeightInitError::file(&self.path, &error))?;
        Ok(Body::of(response))
    }

    fn buffer(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    fn received(&mut self, count: usize) -> Result<()> {
        let written = self.file.write_all(&self.buffer[..count]);
        written.map_err(|error| WeightInitError::file(&self.path, &error))
    }
}

/// A file that is removed when dropped, unless it was renamed.
struct TemporaryFile {
    path: PathBuf,
}

impl TemporaryFile {
    /// Creates a new file in the folder of `path`.
    fn beside(path: &Path) -> io::Result<(File, Self)> {
        let Some(name) = path.file_name().filter(|_| !path.is_dir()) else {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "expected the path of a file; received the path of a folder"));
        };
        let mut attempt = 0;
        loop {
            let temporary = path.with_file_name(format!(".{}.{}-{attempt}", name.to_string_lossy(), process::id()));
            match OpenOptions::new().write(true).create_new(true).open(&temporary) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => attempt += 1, // from another thread, or left by a crash
                opened => return Ok((opened?, Self { path: temporary })),
            }
        }
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // After the rename there is nothing to remove. Otherwise the error that led here is more useful than this one.
        let _ = fs::remove_file(&self.path);
    }
}
