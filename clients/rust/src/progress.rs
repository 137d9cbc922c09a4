//! How much of an answer has come, and whether its rest can be asked for.

use ureq::Response;

use crate::{answer::content_length, Result, WeightInitError};

#[derive(Default)]
pub(crate) struct Progress {
    /// Bytes, over all attempts.
    pub received: u64,
    /// All that there are, where it is known.
    pub length: Option<u64>,
    /// The strong ETag of an answer whose rest can be asked for.
    pub etag: Option<String>,
}

impl Progress {
    pub fn at_the_start_of(response: &Response) -> Self {
        let length = content_length(response);
        let is_resumable = response.header("Accept-Ranges") == Some("bytes") && length.is_some();
        let etag = response.header("ETag").filter(|etag| is_resumable && etag.starts_with('"')).map(str::to_owned);
        Self { received: 0, length, etag }
    }

    /// Bytes still to come; where that is not known, as many as you like.
    pub fn left(&self) -> u64 {
        self.length.map_or(u64::MAX, |length| length - self.received)
    }

    pub fn is_complete(&self) -> bool {
        self.length.unwrap_or(self.received) == self.received
    }

    /// Whether a 206 is the rest that was asked for.
    pub fn check_continued(&self, response: &Response) -> Result<()> {
        let header = |name| response.header(name).unwrap_or("none");
        let (range, etag, expected) = (header("Content-Range"), header("ETag"), self.etag.as_deref().unwrap_or("none"));
        if etag == expected && range.starts_with(&format!("bytes {}-", self.received)) {
            return Ok(());
        }
        let (start, action) = (self.received, "Check the proxy if there is one.");
        let detail = format!("Expected the rest of {expected} from byte {start} on; received {range} of {etag}. {action}");
        Err(WeightInitError::new(206, "Other Range", detail))
    }
}
