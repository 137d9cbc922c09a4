//! Parses response headers, problem documents and unexpected responses.

use std::io::{self, Read};

use serde_json::Value;
use ureq::Response;

use crate::error::{FieldError, Result, WeightInitError};

const MAX_PROBLEM_BYTES: u64 = 1 << 20;
const EXCERPT_CHARS: usize = 80;

/// Returns the Content-Length, if there is one.
pub(crate) fn content_length(response: &Response) -> Option<u64> {
    response.header("Content-Length")?.trim().parse().ok()
}

/// Parses the metadata of a tensor in the Weight-Init header.
pub(crate) fn metadata(response: &Response) -> Option<Value> {
    response.header("Weight-Init").and_then(|text| object(text.as_bytes()))
}

/// Parses a JSON object. Returns `None` for any other text.
pub(crate) fn object(text: &[u8]) -> Option<Value> {
    serde_json::from_slice(text).ok().filter(Value::is_object)
}

/// Returns the error for a successful response that does not come from weight-init.
pub(crate) fn unexpected(expected: &str, status: u16, body: &[u8]) -> WeightInitError {
    let received = excerpt(body);
    let detail = format!("Expected {expected}; received {received}. Check that this is the URL of a weight-init service.");
    WeightInitError::new(status, "Unexpected Response", detail)
}

/// Returns the same error for a response whose body has not been read.
pub(crate) fn unexpected_unread(expected: &str, response: Response) -> WeightInitError {
    let status = response.status();
    let mut body = Vec::new();
    match response.into_reader().take(4 * EXCERPT_CHARS as u64).read_to_end(&mut body) {
        Ok(_) => unexpected(expected, status, &body),
        Err(error) => unexpected(expected, status, format!("no body ({error})").as_bytes()),
    }
}

/// Reads the error that a response with an error status describes.
pub(crate) fn problem(response: Response) -> io::Result<WeightInitError> {
    let (status, phrase) = (response.status(), response.status_text().to_owned());
    let media_type = response.content_type().to_ascii_lowercase();
    let mut body = Vec::new();
    response.into_reader().take(MAX_PROBLEM_BYTES).read_to_end(&mut body)?;
    let content = if media_type == "application/problem+json" { object(&body) } else { None };
    Ok(match content {
        Some(content) => service_problem(status, &phrase, &content),
        None => foreign_problem(status, &phrase, &media_type, &body),
    })
}

fn service_problem(status: u16, phrase: &str, content: &Value) -> WeightInitError {
    let title = content["title"].as_str().unwrap_or(phrase);
    let detail = content["detail"].as_str().unwrap_or(title).to_owned();
    let errors = content["errors"].as_array().into_iter().flatten().map(field_error).collect();
    WeightInitError { errors, ..WeightInitError::new(status, title, detail) }
}

fn field_error(row: &Value) -> FieldError {
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    FieldError { field: text("field"), expected: text("expected"), received: text("received"), action: text("action") }
}

/// Returns the error for an error page of a proxy or another service.
fn foreign_problem(status: u16, phrase: &str, media_type: &str, body: &[u8]) -> WeightInitError {
    let received = format!("{status} {phrase} with {} ({media_type})", excerpt(body));
    let detail = format!("Expected a response from weight-init; received {received}. Check the URL, and the proxy if you use one.");
    WeightInitError::new(status, phrase, detail)
}

fn excerpt(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let mut excerpt: String = text.chars().take(EXCERPT_CHARS).collect();
    if excerpt.len() < text.len() {
        excerpt.push('…');
    }
    format!("{excerpt:?}")
}

/// Takes the list called `name` out of a JSON object.
pub(crate) fn list(content: &mut Value, name: &str) -> Result<Vec<Value>> {
    match content[name].take() {
        Value::Array(items) => Ok(items),
        _ => Err(unexpected(&format!("a list of {name}"), 200, content.to_string().as_bytes())),
    }
}
