//! The test services that `make test-clients` starts, and the report of the tested features.

use std::{
    env,
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    process,
    sync::OnceLock,
};

use serde_json::Value;
use sha2::{Digest, Sha256};
use weight_init_client::{Client, Data, Request};

/// Returns the URLs of the services, the golden requests and the `.npy` files.
pub fn stage() -> &'static Value {
    static STAGE: OnceLock<Value> = OnceLock::new();
    STAGE.get_or_init(|| {
        let path = env::var("WEIGHT_INIT_STAGE").expect("these tests need running services: run `make test-clients`");
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    })
}

/// Creates a client for the service whose URL has this name in the stage.
pub fn client_for(name: &str) -> Client {
    Client::new(stage()[name].as_str().unwrap())
}

/// Returns the golden requests and their expected responses.
pub fn golden() -> impl Iterator<Item = (&'static Value, &'static Value)> {
    stage()["golden"].as_array().unwrap().iter().map(|row| (&row["request"], &row["answer"]))
}

/// Builds a request from the fields of a golden request.
pub fn to_request(fields: &Value) -> Request {
    fields.as_object().unwrap().iter().fold(Request::new([]), |request, (name, value)| request.with(name, value.clone()))
}

pub fn to_shape(answer: &Value) -> Vec<usize> {
    answer["shape"].as_array().unwrap().iter().map(|length| length.as_u64().unwrap() as usize).collect()
}

pub fn to_floats(values: &Value) -> Vec<f64> {
    values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

/// Returns the SHA-256 of values as little-endian bytes.
pub fn sha256_of(data: &Data) -> String {
    match data {
        Data::F32(values) => sha256(values.iter().flat_map(|value| value.to_le_bytes())),
        Data::F64(values) => sha256(values.iter().flat_map(|value| value.to_le_bytes())),
        Data::F16(bits) | Data::BF16(bits) => sha256(bits.iter().flat_map(|bits| bits.to_le_bytes())),
    }
}

pub fn sha256(bytes: impl IntoIterator<Item = u8>) -> String {
    let bytes: Vec<u8> = bytes.into_iter().collect();
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Records that a feature works. A test calls it at its end.
pub fn report_feature(feature: &str) {
    let path = env::var("WEIGHT_INIT_REPORT").expect("WEIGHT_INIT_REPORT is not set: run `make test-clients`");
    let mut report = OpenOptions::new().create(true).append(true).open(path).unwrap();
    report.write_all(format!("{feature}\n").as_bytes()).unwrap();
}

/// A temporary folder, removed when dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("weight-init-{name}-{}", process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn names(&self) -> Vec<String> {
        fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

pub fn sha256_of_file(path: &Path) -> String {
    sha256(fs::read(path).unwrap())
}
