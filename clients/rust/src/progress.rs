//! Tracks how much of a response was received, and whether it can be resumed.

use ureq::Response;

use crate::{response::content_length, Result, WeightInitError};

#[derive(Default)]
pub(crate) struct Progress {
    /// Bytes received, over all attempts.
    pub received: u64,
    /// Total bytes, if known.
    pub length: Option<u64>,
    /// The strong ETag, if the response can be resumed.
    pub etag: Option<String>,
}

impl Progress {
    /// Returns the progress at the start of a new response.
    pub fn start(response: &Response) -> Self {
        let length = content_length(response);
        let is_resumable = response.header("Accept-Ranges") == Some("bytes") && length.is_some();
        let etag = response.header("ETag").filter(|etag| is_resumable && etag.starts_with('"')).map(str::to_owned);
        Self { received: 0, length, etag }
    }

    /// Returns the number of bytes still to receive, or `u64::MAX` if unknown.
    pub fn remaining(&self) -> u64 {
        self.length.map_or(u64::MAX, |length| length - self.received)
    }

    pub fn is_complete(&self) -> bool {
        self.length.unwrap_or(self.received) == self.received
    }

    /// Checks that a 206 response is the requested rest.
    pub fn check_part(&self, response: &Response) -> Result<()> {
        let header = |name| response.header(name).unwrap_or("none");
        let (range, etag, expected) = (header("Content-Range"), header("ETag"), self.etag.as_deref().unwrap_or("none"));
        if etag == expected && range.starts_with(&format!("bytes {}-", self.received)) {
            return Ok(());
        }
        let (start, action) = (self.received, "Check the proxy if you use one.");
        let detail = format!("Expected the rest of {expected} from byte {start}; received {range} of {etag}. {action}");
        Err(WeightInitError::new(206, "Wrong Range", detail))
    }
}
