//! Why an attempt failed, and whether another may succeed.

use std::{error::Error, io, iter, time::Duration};

use ureq::{ErrorKind, Response, Transport};

use crate::{answer, WeightInitError};

/// Longer than this nobody waits before another attempt.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(60);

pub(crate) struct Failure {
    pub error: WeightInitError,
    pub again: Again,
}

/// When to make another attempt.
pub(crate) enum Again {
    Never,
    After(Duration),
    Soon,
}

impl From<WeightInitError> for Failure {
    fn from(error: WeightInitError) -> Self {
        let again = Again::Never;
        Self { error, again }
    }
}

/// Whom the attempt was made with, and for how long it may be silent.
#[derive(Clone)]
pub(crate) struct Peer {
    pub url: String,
    pub timeout: Duration,
}

impl Peer {
    /// No answer came.
    pub fn unanswered(&self, transport: &Transport) -> Failure {
        let url = &self.url;
        match transport.kind() {
            _ if is_timeout(transport) => self.silent(),
            ErrorKind::Dns | ErrorKind::ConnectionFailed => {
                let cause = root_cause(transport);
                let detail = format!("No service answers at {url} ({cause}). Start it with `weight-init serve`, or give Client its URL.");
                Failure { error: WeightInitError::new(0, "No Service", detail), again: Again::Soon }
            }
            ErrorKind::Io => self.broken(&root_cause(transport)),
            ErrorKind::InvalidUrl | ErrorKind::UnknownScheme => {
                let cause = transport.message().unwrap_or("no URL");
                let action = "Begin it with http:// or https://.";
                let detail = format!("Expected a URL such as http://127.0.0.1:8000; received {url:?} ({cause}). {action}");
                WeightInitError::new(0, "Bad URL", detail).into()
            }
            kind => {
                let detail = format!("Expected an answer of HTTP from {url}; received none ({kind}). Check the URL and the API key.");
                WeightInitError::new(0, "Foreign Answer", detail).into()
            }
        }
    }

    /// An answer came that is none to the request: 429 and 503 say when to ask again.
    pub fn refused(&self, response: Response) -> Failure {
        let again = match (response.status(), retry_after(&response)) {
            (429 | 503, wait) if wait <= LONGEST_WAIT => Again::After(wait),
            _ => Again::Never,
        };
        match answer::problem(response) {
            Ok(error) => Failure { error, again },
            Err(error) => self.cut_off(&error),
        }
    }

    /// The body of an answer cannot be read any further.
    pub fn cut_off(&self, error: &io::Error) -> Failure {
        if is_timeout(error) {
            self.silent()
        } else {
            self.broken(&root_cause(error))
        }
    }

    /// The connection ended before the answer did.
    pub fn broken(&self, cause: &str) -> Failure {
        let detail = format!("The connection to {} broke before the whole answer came ({cause}). Ask again.", self.url);
        Failure { error: WeightInitError::new(0, "Broken Connection", detail), again: Again::Soon }
    }

    fn silent(&self) -> Failure {
        let timeout_s = self.timeout.as_secs_f64();
        let detail = format!("Nothing came from {} for {timeout_s} s. Ask again, or give a larger timeout.", self.url);
        WeightInitError::new(0, "Timeout", detail).into()
    }
}

fn retry_after(response: &Response) -> Duration {
    let seconds = response.header("Retry-After").and_then(|text| text.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(1))
}

/// Unix says of a read that timed out that it would block.
fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    let mut kinds = causes(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    kinds.any(|kind| matches!(kind, io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock))
}

fn root_cause(error: &(dyn Error + 'static)) -> String {
    causes(error).last().unwrap_or(error).to_string()
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}
