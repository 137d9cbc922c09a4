//! The client and its settings.

use std::{env, fmt, path::Path, time::Duration};

use serde_json::Value;

use crate::{
    connection::{Call, Connection},
    failure::Service,
    incoming_file::IncomingFile,
    incoming_tensor::IncomingTensor,
    receiver::Document,
    response, RecommendRequest, Request, Result, Tensor,
};

const DEFAULT_URL: &str = "http://127.0.0.1:8000";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_RETRIES: u32 = 4;

/// A blocking client for one weight-init service. Threads can share it, and clones are cheap.
///
/// Requests are retried while the service is busy, and resume where a connection broke. All errors are of type
/// [`WeightInitError`](crate::WeightInitError).
///
/// ```no_run
/// use std::time::Duration;
/// use weight_init_client::Client;
///
/// let client = Client::new("https://weights.example.org").timeout(Duration::from_secs(60)).retries(8);
/// ```
#[derive(Clone)]
pub struct Client {
    connection: Connection,
}

impl Client {
    /// Creates a client for the service at `url`. The API key is the environment variable `WEIGHT_INIT_API_KEY`, if set.
    pub fn new(url: impl Into<String>) -> Self {
        let service = Service { url: url.into().trim_end_matches('/').to_owned(), timeout: DEFAULT_TIMEOUT };
        let connection = Connection::new(service, env_var("WEIGHT_INIT_API_KEY"), DEFAULT_RETRIES);
        Self { connection }
    }

    /// Creates a client for the URL in the environment variable `WEIGHT_INIT_URL`, or `http://127.0.0.1:8000` if it is unset.
    pub fn from_env() -> Self {
        Self::new(env_var("WEIGHT_INIT_URL").unwrap_or_else(|| DEFAULT_URL.to_owned()))
    }

    /// Sets the API key. An empty key is not sent.
    pub fn api_key(mut self, api_key: &str) -> Self {
        self.connection.api_key = non_empty(api_key);
        self
    }

    /// Limits the wait for the connection and for each part of a response, but not the whole transfer. The default is 30 seconds.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.connection.set_timeout(timeout);
        self
    }

    /// Sets how many times in a row to retry when the service is busy or the connection breaks. The default is 4.
    pub fn retries(mut self, retries: u32) -> Self {
        self.connection.retries = retries;
        self
    }

    /// Returns an initialized tensor.
    pub fn init(&self, request: &Request) -> Result<Tensor> {
        let mut incoming = IncomingTensor::new();
        self.connection.fetch(&init_call(&request.clone().format("raw")), &mut incoming)?;
        Ok(incoming.finish())
    }

    /// Writes an initialized tensor of any size to a file, in constant memory, and returns its metadata.
    ///
    /// If the request has no format, the extension selects it: `.npy`, `.safetensors`, `.npz`, `.json`, or `.bin` for raw bytes.
    /// The file appears at `path` only when it is complete. After an error nothing is left behind.
    pub fn download(&self, path: impl AsRef<Path>, request: &Request) -> Result<Value> {
        let path = path.as_ref();
        let mut incoming = IncomingFile::create(path)?;
        self.connection.fetch(&init_call(&with_format(request, path)), &mut incoming)?;
        incoming.finish()
    }

    /// Returns the scheme that suits a layer, as an object with `scheme`, `reason` and `reference`. If the request has the fans, it
    /// also has `stddev` and `bound`.
    pub fn recommend(&self, request: &RecommendRequest) -> Result<Value> {
        self.document("/recommend", request.to_query())
    }

    /// Returns all schemes with their names, parameters, formulas and references.
    pub fn schemes(&self) -> Result<Vec<Value>> {
        response::list(&mut self.document("/schemes", Vec::new())?, "schemes")
    }

    /// Returns all activations with their names, parameters, gains and recommended schemes.
    pub fn activations(&self) -> Result<Vec<Value>> {
        response::list(&mut self.document("/activations", Vec::new())?, "activations")
    }

    fn document(&self, path: &'static str, query: Vec<(String, String)>) -> Result<Value> {
        let mut document = Document::new();
        self.connection.fetch(&Call { method: "GET", path, query, body: None }, &mut document)?;
        response::object(&document.text).ok_or_else(|| response::unexpected("a JSON object", 200, &document.text))
    }
}

impl fmt::Debug for Client {
    /// Omits the API key, so that it does not end up in logs.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("url", &self.connection.service.url).finish_non_exhaustive()
    }
}

fn init_call(request: &Request) -> Call {
    Call { method: "POST", path: "/init", query: Vec::new(), body: Some(request.to_json()) }
}

fn with_format(request: &Request, path: &Path) -> Request {
    let request = request.clone();
    match path.extension().map(|extension| extension.to_string_lossy()) {
        Some(extension) if !request.has_format() => request.format(if extension == "bin" { "raw" } else { &extension }),
        _ => request,
    }
}

fn env_var(name: &str) -> Option<String> {
    non_empty(&env::var(name).ok()?)
}

fn non_empty(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_tensors_and_errors_can_be_shared_between_threads() {
        fn assert_shareable<T: Send + Sync + Clone + fmt::Debug>() {}
        assert_shareable::<Client>();
        assert_shareable::<Tensor>();
        assert_shareable::<crate::WeightInitError>();
    }

    #[test]
    fn the_extension_selects_the_format_unless_the_request_has_one() {
        let request = Request::new([2, 3]);
        for (path, format) in [("w.npy", "npy"), ("a.b/w.x.safetensors", "safetensors"), ("w.bin", "raw")] {
            assert_eq!(with_format(&request, Path::new(path)), request.clone().format(format));
        }
        assert_eq!(with_format(&request, Path::new("weight")), request);
        let json = request.format("json");
        assert_eq!(with_format(&json, Path::new("w.npy")), json);
    }
}
