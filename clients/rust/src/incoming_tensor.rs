//! A tensor while it comes: its memory is taken once, and the values go straight into it.

use serde_json::Value;
use ureq::Response;

use crate::{
    answer::{foreign_answer, metadata},
    receiver::{Body, Receiver, BUFFER_BYTES},
    tensor::Announcement,
    Data, Result, Tensor, WeightInitError,
};

pub(crate) struct IncomingTensor {
    tensor: Tensor,
    buffer: Vec<u8>,
    /// Bytes in the buffer: the beginning of a value whose end is still to come.
    waiting: usize,
}

impl IncomingTensor {
    pub fn new() -> Self {
        let tensor = Tensor { shape: vec![0], data: Data::F32(Vec::new()), seed: 0, metadata: Value::Null };
        Self { tensor, buffer: vec![0; BUFFER_BYTES], waiting: 0 }
    }

    /// The tensor, after all of it came.
    pub fn complete(self) -> Tensor {
        self.tensor
    }
}

impl Receiver for IncomingTensor {
    fn begin(&mut self, response: Response) -> Result<Body> {
        let Some((metadata, announced)) = announcement(&response) else {
            let expected = "the header Weight-Init with a shape, a seed, and a dtype of float32, float64, float16 or bfloat16";
            return Err(foreign_answer(expected, response));
        };
        let Announcement { shape, dtype, seed, len, nbytes } = announced;
        let body = Body::of(response);
        let length = body.length.unwrap_or(nbytes as u64); // a proxy may have left it out
        if length != nbytes as u64 {
            return Err(other_length(&shape, nbytes, length));
        }
        let data = Data::with_room(dtype, len).map_err(|_| WeightInitError::out_of_memory(&shape))?;
        self.tensor = Tensor { shape, data, seed, metadata };
        self.waiting = 0;
        Ok(Body { length: Some(length), ..body })
    }

    fn room(&mut self) -> &mut [u8] {
        &mut self.buffer[self.waiting..]
    }

    fn took(&mut self, count: usize) -> Result<()> {
        let filled = self.waiting + count;
        self.waiting = filled % self.tensor.data.dtype().itemsize();
        let whole = filled - self.waiting;
        self.tensor.data.extend_from_bytes(&self.buffer[..whole]);
        self.buffer.copy_within(whole..filled, 0);
        Ok(())
    }
}

fn announcement(response: &Response) -> Option<(Value, Announcement)> {
    let metadata = metadata(response)?;
    let announced = Announcement::in_metadata(&metadata)?;
    Some((metadata, announced))
}

fn other_length(shape: &[usize], nbytes: usize, length: u64) -> WeightInitError {
    let detail = format!("Expected {nbytes} bytes of the shape {shape:?}; received {length} of them. Check the proxy if there is one.");
    WeightInitError::new(200, "Other Length", detail)
}
