//! Why an attempt failed, and whether a retry may help.

use std::{error::Error, io, iter, time::Duration};

use ureq::{ErrorKind, Response, Transport};

use crate::{response::problem, WeightInitError};

/// The longest wait before a retry.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(60);

pub(crate) struct Failure {
    pub error: WeightInitError,
    pub retry: Retry,
}

/// When to retry.
pub(crate) enum Retry {
    Never,
    After(Duration),
    WithBackoff,
}

impl From<WeightInitError> for Failure {
    fn from(error: WeightInitError) -> Self {
        Self { error, retry: Retry::Never }
    }
}

/// The service and how long to wait for it.
#[derive(Clone)]
pub(crate) struct Service {
    pub url: String,
    pub timeout: Duration,
}

impl Service {
    /// Returns the failure for a request that got no response.
    pub fn no_response(&self, transport: &Transport) -> Failure {
        let url = &self.url;
        match transport.kind() {
            _ if is_timeout(transport) => self.timed_out(),
            ErrorKind::Dns | ErrorKind::ConnectionFailed => {
                let cause = root_cause(transport);
                let detail =
                    format!("No service answers at {url} ({cause}). Start it with `weight-init serve`, or correct the client's URL.");
                Failure { error: WeightInitError::new(0, "No Service", detail), retry: Retry::WithBackoff }
            }
            ErrorKind::Io => self.broken(&root_cause(transport)),
            ErrorKind::InvalidUrl | ErrorKind::UnknownScheme => {
                let cause = transport.message().unwrap_or("no URL");
                let action = "Start it with http:// or https://.";
                let detail = format!("Expected a URL such as http://127.0.0.1:8000; received {url:?} ({cause}). {action}");
                WeightInitError::new(0, "Bad URL", detail).into()
            }
            kind => {
                let detail = format!("Expected an HTTP response from {url}; received none ({kind}). Check the URL and the API key.");
                WeightInitError::new(0, "Unexpected Response", detail).into()
            }
        }
    }

    /// Returns the failure for an error response. A 429 or 503 says when to retry.
    pub fn rejected(&self, response: Response) -> Failure {
        let retry = match (response.status(), retry_after(&response)) {
            (429 | 503, wait) if wait <= MAX_WAIT => Retry::After(wait),
            _ => Retry::Never,
        };
        match problem(response) {
            Ok(error) => Failure { error, retry },
            Err(error) => self.read_failed(&error),
        }
    }

    /// Returns the failure for a body that cannot be read to its end.
    pub fn read_failed(&self, error: &io::Error) -> Failure {
        if is_timeout(error) {
            self.timed_out()
        } else {
            self.broken(&root_cause(error))
        }
    }

    /// Returns the failure for a connection that ended before the response was complete.
    pub fn broken(&self, cause: &str) -> Failure {
        let detail = format!("The connection to {} broke before the response was complete ({cause}). Try again.", self.url);
        Failure { error: WeightInitError::new(0, "Broken Connection", detail), retry: Retry::WithBackoff }
    }

    fn timed_out(&self) -> Failure {
        let timeout_s = self.timeout.as_secs_f64();
        let detail = format!("Received nothing from {} for {timeout_s} s. Try again, or set a longer timeout.", self.url);
        WeightInitError::new(0, "Timeout", detail).into()
    }
}

fn retry_after(response: &Response) -> Duration {
    let seconds = response.header("Retry-After").and_then(|text| text.trim().parse().ok());
    Duration::from_secs(seconds.unwrap_or(1))
}

/// Returns whether a read or a connection timed out. Unix reports a read timeout as `WouldBlock`.
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
