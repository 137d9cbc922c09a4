//! Receives a tensor into memory that is allocated once.

use serde_json::Value;
use ureq::Response;

use crate::{
    receiver::{Body, Receiver, BUFFER_BYTES},
    response::{metadata, unexpected_unread},
    tensor::TensorInfo,
    Data, Result, Tensor, WeightInitError,
};

pub(crate) struct IncomingTensor {
    tensor: Tensor,
    buffer: Vec<u8>,
    /// Bytes at the start of the buffer that belong to an incomplete value.
    pending: usize,
}

impl IncomingTensor {
    pub fn new() -> Self {
        let tensor = Tensor { shape: vec![0], data: Data::F32(Vec::new()), seed: 0, metadata: Value::Null };
        Self { tensor, buffer: vec![0; BUFFER_BYTES], pending: 0 }
    }

    /// Returns the complete tensor.
    pub fn finish(self) -> Tensor {
        self.tensor
    }
}

impl Receiver for IncomingTensor {
    fn begin(&mut self, response: Response) -> Result<Body> {
        let Some((metadata, info)) = metadata_and_info(&response) else {
            let expected = "the Weight-Init header with a shape, a seed, and a dtype of float32, float64, float16 or bfloat16";
            return Err(unexpected_unread(expected, response));
        };
        let TensorInfo { shape, dtype, seed, len, nbytes } = info;
        let body = Body::of(response);
        let length = body.length.unwrap_or(nbytes as u64); // a proxy may omit the length
        if length != nbytes as u64 {
            return Err(wrong_length(&shape, nbytes, length));
        }
        let data = Data::with_capacity(dtype, len).map_err(|_| WeightInitError::out_of_memory(&shape))?;
        self.tensor = Tensor { shape, data, seed, metadata };
        self.pending = 0;
        Ok(Body { length: Some(length), ..body })
    }

    fn buffer(&mut self) -> &mut [u8] {
        &mut self.buffer[self.pending..]
    }

    fn received(&mut self, count: usize) -> Result<()> {
        let filled = self.pending + count;
        self.pending = filled % self.tensor.data.dtype().itemsize();
        let complete = filled - self.pending;
        self.tensor.data.extend_from_bytes(&self.buffer[..complete]);
        self.buffer.copy_within(complete..filled, 0);
        Ok(())
    }
}

fn metadata_and_info(response: &Response) -> Option<(Value, TensorInfo)> {
    let metadata = metadata(response)?;
    let info = TensorInfo::from_metadata(&metadata)?;
    Some((metadata, info))
}

fn wrong_length(shape: &[usize], nbytes: usize, length: u64) -> WeightInitError {
    let detail = format!("Expected {nbytes} bytes for the shape {shape:?}; received {length}. Check the proxy if you use one.");
    WeightInitError::new(200, "Wrong Length", detail)
}
