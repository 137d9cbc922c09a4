//! Who takes the bytes of an answer.

use std::io::Read;

use ureq::Response;

use crate::{answer::content_length, Result};

pub(crate) const BUFFER_BYTES: usize = 1 << 16;

pub(crate) trait Receiver {
    /// An answer begins, perhaps not the first one: forget what came before, and say what will come.
    fn begin(&mut self, response: Response) -> Result<Body>;

    /// Room for the next bytes; never empty.
    fn room(&mut self) -> &mut [u8];

    /// So many bytes were put into the room.
    fn took(&mut self, count: usize) -> Result<()>;
}

/// A body to be read, and its length where it is known.
pub(crate) struct Body {
    pub reader: Box<dyn Read>,
    pub length: Option<u64>,
}

impl Body {
    pub fn of(response: Response) -> Self {
        let length = content_length(&response);
        Self { reader: response.into_reader(), length }
    }
}

/// A small document, kept as it is.
pub(crate) struct Document {
    pub text: Vec<u8>,
    buffer: Vec<u8>,
}

impl Document {
    pub fn new() -> Self {
        Self { text: Vec::new(), buffer: vec![0; BUFFER_BYTES] }
    }
}

impl Receiver for Document {
    fn begin(&mut self, response: Response) -> Result<Body> {
        self.text.clear();
        Ok(Body::of(response))
    }

    fn room(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    fn took(&mut self, count: usize) -> Result<()> {
        self.text.extend_from_slice(&self.buffer[..count]);
        Ok(())
    }
}
