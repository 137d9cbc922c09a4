//! The stage that `make test-clients` sets, and the report of what was shown on it.

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

/// What is on the stage: its services, golden values and `.npy` files.
pub fn stage() -> &'static Value {
    static STAGE: OnceLock<Value> = OnceLock::new();
    STAGE.get_or_init(|| {
        let path = env::var("WEIGHT_INIT_STAGE").expect("these tests need services to ask: run `make test-clients`");
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    })
}

/// A client of the service of that name.
pub fn client_of(name: &str) -> Client {
    Client::new(stage()[name].as_str().unwrap())
}

/// The golden rows: a request, and what it is answered.
pub fn golden() -> impl Iterator<Item = (&'static Value, &'static Value)> {
    stage()["golden"].as_array().unwrap().iter().map(|row| (&row["request"], &row["answer"]))
}

/// A golden request, field by field as it is.
pub fn request_of(fields: &Value) -> Request {
    fields.as_object().unwrap().iter().fold(Request::new([]), |request, (name, value)| request.with(name, value.clone()))
}

pub fn shape_of(answer: &Value) -> Vec<usize> {
    answer["shape"].as_array().unwrap().iter().map(|length| length.as_u64().unwrap() as usize).collect()
}

pub fn numbers(values: &Value) -> Vec<f64> {
    values.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
}

/// The SHA-256 of values, as little-endian bytes.
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

/// A test has shown a feature: to be said at its end.
pub fn shown(feature: &str) {
    let path = env::var("WEIGHT_INIT_REPORT").expect("the report has a path: run `make test-clients`");
    let mut report = OpenOptions::new().create(true).append(true).open(path).unwrap();
    report.write_all(format!("{feature}\n").as_bytes()).unwrap();
}

/// An empty folder that goes away with the test.
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
