//! Client for weight-init, a service that generates initialized neural-network weights. The same request with the same seed always
//! returns the same bytes.
//!
//! ```no_run
//! use weight_init_client::{Client, Request, Result};
//!
//! fn main() -> Result<()> {
//!     let client = Client::from_env();
//!     let weight = client.init(&Request::new([256, 784]).activation("relu").seed(7))?;
//!     let values: Vec<f32> = weight.data.into_f32();
//!     println!("{:?} {}", weight.shape, values.len());
//!     Ok(())
//! }
//! ```
//!
//! A [`Client`] sends a [`Request`] and returns a [`Tensor`]. Every error is a [`WeightInitError`]. The module [`npy`] reads `.npy`
//! files, written by [`Client::download`] or NumPy.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod client;
mod connection;
mod data;
mod error;
mod failure;
mod incoming_file;
mod incoming_tensor;
pub mod npy;
mod progress;
mod receiver;
mod request;
mod response;
mod tensor;

pub use client::Client;
pub use data::{Data, Dtype};
pub use error::{FieldError, Result, WeightInitError};
pub use request::{RecommendRequest, Request};
pub use serde_json::{json, Value};
pub use tensor::{Array, Tensor};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
