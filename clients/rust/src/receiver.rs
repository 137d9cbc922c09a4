//! Receivers of a response body.

use std::io::Read;

use ureq::Response;

use crate::{response::content_length, Result};

pub(crate) const BUFFER_BYTES: usize = 1 << 18; // large transfers need few system calls, and it fits in the L2 cache

pub(crate) trait Receiver {
    /// Prepares for the body of `response`, and discards what was received before.
    fn begin(&mut self, response: Response) -> Result<Body>;

    /// Returns a buffer for the next bytes; it is never empty.
    fn buffer(&mut self) -> &mut [u8];

    /// Takes the first `count` bytes from the buffer.
    fn received(&mut self, count: usize) -> Result<()>;
}

/// A body to read, and its length if known.
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

/// Receives a small text.
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

    fn buffer(&mut self) -> &mut [u8] {
        &mut self.buffer
    }

    fn received(&mut self, count: usize) -> Result<()> {
        self.text.extend_from_slice(&self.buffer[..count]);
        Ok(())
    }
}
