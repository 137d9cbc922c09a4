//! The client: what can be asked of a service.

use std::{env, fmt, path::Path, time::Duration};

use serde_json::Value;

use crate::{
    answer,
    connection::{Call, Connection},
    failure::Peer,
    incoming_file::IncomingFile,
    incoming_tensor::IncomingTensor,
    receiver::Document,
    RecommendRequest, Request, Result, Tensor,
};

const DEFAULT_URL: &str = "http://127.0.0.1:8000";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);
const DEFAULT_RETRIES: u32 = 4;

/// A weight-init service. Threads may share it, and a clone is cheap.
///
/// Every method waits for its answer, asks again where that is safe, and resumes where a connection broke. Its errors are
/// of one type, [`WeightInitError`](crate::WeightInitError).
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
    /// A service at a URL. The API key is that of the environment variable `WEIGHT_INIT_API_KEY`, if it is set.
    pub fn new(url: impl Into<String>) -> Self {
        let peer = Peer { url: url.into().trim_end_matches('/').to_owned(), timeout: DEFAULT_TIMEOUT };
        let connection = Connection::new(peer, variable("WEIGHT_INIT_API_KEY"), DEFAULT_RETRIES);
        Self { connection }
    }

    /// The service whose URL is in the environment variable `WEIGHT_INIT_URL`, else `http://127.0.0.1:8000`.
    pub fn from_env() -> Self {
        Self::new(variable("WEIGHT_INIT_URL").unwrap_or_else(|| DEFAULT_URL.to_owned()))
    }

    /// The API key to send; an empty one is not sent.
    pub fn api_key(mut self, api_key: &str) -> Self {
        self.connection.api_key = given(api_key);
        self
    }

    /// The longest wait for the connection and for each part of an answer, not for the whole of it; 30 seconds by default.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.connection.set_timeout(timeout);
        self
    }

    /// How often in a row to ask again when the service is busy or the connection breaks; 4 times by default.
    pub fn retries(mut self, retries: u32) -> Self {
        self.connection.retries = retries;
        self
    }

    /// An initialized tensor, in memory.
    pub fn init(&self, request: &Request) -> Result<Tensor> {
        let mut incoming = IncomingTensor::new();
        self.connection.fetch(&init_call(&request.clone().format("raw")), &mut incoming)?;
        Ok(incoming.complete())
    }

    /// Write an initialized tensor of any size to a file, in constant memory. The value is its metadata.
    ///
    /// The format is that of the extension (`.npy`, `.safetensors`, `.npz`, `.json`; `.bin` is raw) unless the request says
    /// it. The file appears under its name when it is whole, and nothing is left of it after an error.
    pub fn download(&self, path: impl AsRef<Path>, request: &Request) -> Result<Value> {
        let path = path.as_ref();
        let mut incoming = IncomingFile::create(path)?;
        self.connection.fetch(&init_call(&with_format(request, path)), &mut incoming)?;
        incoming.complete()
    }

    /// The scheme that fits a layer: an object with `scheme`, `reason`, `reference`, and with its fans `stddev` and `bound`.
    pub fn recommend(&self, request: &RecommendRequest) -> Result<Value> {
        self.document("/recommend", request.to_query())
    }

    /// Every scheme: its names, parameters, formula and reference.
    pub fn schemes(&self) -> Result<Vec<Value>> {
        answer::rows(&mut self.document("/schemes", Vec::new())?, "schemes")
    }

    /// Every activation: its names, parameters, gains and recommended scheme.
    pub fn activations(&self) -> Result<Vec<Value>> {
        answer::rows(&mut self.document("/activations", Vec::new())?, "activations")
    }

    fn document(&self, path: &'static str, query: Vec<(String, String)>) -> Result<Value> {
        let mut document = Document::new();
        self.connection.fetch(&Call { method: "GET", path, query, body: None }, &mut document)?;
        answer::object(&document.text).ok_or_else(|| answer::foreign("a JSON object", 200, &document.text))
    }
}

impl fmt::Debug for Client {
    /// Without the API key, which is nobody else's business.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").field("url", &self.connection.peer.url).finish_non_exhaustive()
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

fn variable(name: &str) -> Option<String> {
    given(&env::var(name).ok()?)
}

fn given(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_may_share_a_client_and_pass_on_what_it_answers() {
        fn shared<T: Send + Sync + Clone + fmt::Debug>() {}
        shared::<Client>();
        shared::<Tensor>();
        shared::<crate::WeightInitError>();
    }

    #[test]
    fn the_extension_says_the_format_unless_the_request_does() {
        let request = Request::new([2, 3]);
        for (path, format) in [("w.npy", "npy"), ("a.b/w.x.safetensors", "safetensors"), ("w.bin", "raw")] {
            assert_eq!(with_format(&request, Path::new(path)), request.clone().format(format));
        }
        assert_eq!(with_format(&request, Path::new("weight")), request);
        let given = request.format("json");
        assert_eq!(with_format(&given, Path::new("w.npy")), given);
    }
}
