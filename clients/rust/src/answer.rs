//! What comes back: the meaning of headers, problems and foreign answers.

use std::io::{self, Read};

use serde_json::Value;
use ureq::Response;

use crate::error::{FieldError, Result, WeightInitError};

const LONGEST_PROBLEM: u64 = 1 << 20;
const LONGEST_SHOWN: usize = 80;

/// Content-Length, where there is one.
pub(crate) fn content_length(response: &Response) -> Option<u64> {
    response.header("Content-Length")?.trim().parse().ok()
}

/// The metadata of a tensor, from the header Weight-Init.
pub(crate) fn metadata(response: &Response) -> Option<Value> {
    response.header("Weight-Init").and_then(|text| object(text.as_bytes()))
}

/// A JSON object.
pub(crate) fn object(text: &[u8]) -> Option<Value> {
    serde_json::from_slice(text).ok().filter(Value::is_object)
}

/// The error of an answer that is not of weight-init, though its status is a good one.
pub(crate) fn foreign(expected: &str, status: u16, body: &[u8]) -> WeightInitError {
    let received = beginning(body);
    let detail = format!("Expected {expected}; received {received}. Is the URL that of a weight-init service?");
    WeightInitError::new(status, "Foreign Answer", detail)
}

/// The same of an answer whose body has not been read.
pub(crate) fn foreign_answer(expected: &str, response: Response) -> WeightInitError {
    let status = response.status();
    let mut body = Vec::new();
    match response.into_reader().take(4 * LONGEST_SHOWN as u64).read_to_end(&mut body) {
        Ok(_) => foreign(expected, status, &body),
        Err(error) => foreign(expected, status, format!("no body ({error})").as_bytes()),
    }
}

/// The error that an answer of a bad status tells of.
pub(crate) fn problem(response: Response) -> io::Result<WeightInitError> {
    let (status, phrase) = (response.status(), response.status_text().to_owned());
    let media_type = response.content_type().to_ascii_lowercase();
    let mut body = Vec::new();
    response.into_reader().take(LONGEST_PROBLEM).read_to_end(&mut body)?;
    let content = if media_type == "application/problem+json" { object(&body) } else { None };
    Ok(match content {
        Some(content) => told(status, &phrase, &content),
        None => foreign_problem(status, &phrase, &media_type, &body),
    })
}

fn told(status: u16, phrase: &str, content: &Value) -> WeightInitError {
    let title = content["title"].as_str().unwrap_or(phrase);
    let detail = content["detail"].as_str().unwrap_or(title).to_owned();
    let errors = content["errors"].as_array().into_iter().flatten().map(field_error).collect();
    WeightInitError { errors, ..WeightInitError::new(status, title, detail) }
}

fn field_error(row: &Value) -> FieldError {
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    FieldError { field: text("field"), expected: text("expected"), received: text("received"), action: text("action") }
}

/// A proxy's own page, or another service's.
fn foreign_problem(status: u16, phrase: &str, media_type: &str, body: &[u8]) -> WeightInitError {
    let received = format!("{status} {phrase} with {} ({media_type})", beginning(body));
    let detail = format!("Expected an answer of weight-init; received {received}. Check the URL, and the proxy if there is one.");
    WeightInitError::new(status, phrase, detail)
}

fn beginning(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut shown: String = text.chars().take(LONGEST_SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

/// The items of a list in a JSON object.
pub(crate) fn rows(content: &mut Value, name: &str) -> Result<Vec<Value>> {
    match content[name].take() {
        Value::Array(rows) => Ok(rows),
        _ => Err(foreign(&format!("a list of {name}"), 200, content.to_string().as_bytes())),
    }
}
