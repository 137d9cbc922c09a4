//! Initialized neural-network weights from a weight-init service: the same bytes for the same request, for ever.
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
//! [`Client`] asks, a [`Request`] says for what, and a [`Tensor`] is the answer. Everything that can go wrong is a
//! [`WeightInitError`]. [`npy`] reads the files that [`Client::download`] or NumPy wrote.

#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod answer;
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
