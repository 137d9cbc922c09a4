//! Sends requests, retries them and resumes responses.

use std::{
    io::{self, Read},
    thread,
    time::Duration,
};

use ureq::{Agent, AgentBuilder, OrAnyStatus, Response};

use crate::{
    failure::{Failure, Retry, Service, MAX_WAIT},
    progress::Progress,
    receiver::{Body, Receiver},
    Result,
};

const FIRST_WAIT: Duration = Duration::from_millis(100);

/// A request to the service, the same at every attempt. The body is JSON.
pub(crate) struct Call {
    pub method: &'static str,
    pub path: &'static str,
    pub query: Vec<(String, String)>,
    pub body: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Connection {
    pub service: Service,
    pub api_key: Option<String>,
    pub retries: u32,
    agent: Agent,
}

impl Connection {
    pub fn new(service: Service, api_key: Option<String>, retries: u32) -> Self {
        let agent = agent(service.timeout);
        Self { service, api_key, retries, agent }
    }

    pub fn set_timeout(&mut self, timeout: Duration) {
        self.service.timeout = timeout;
        self.agent = agent(timeout);
    }

    /// Sends the call, with retries, until `receiver` has the complete response.
    pub fn fetch(&self, call: &Call, receiver: &mut impl Receiver) -> Result<()> {
        let mut progress = Progress::default();
        let mut furthest = 0;
        let mut attempts = 0;
        loop {
            let Err(Failure { error, retry }) = self.attempt(call, receiver, &mut progress) else {
                return Ok(());
            };
            // Only new progress resets the count. Otherwise a response that always restarts would be retried forever.
            if progress.received > furthest {
                furthest = progress.received;
                attempts = 0;
            }
            let wait = match retry {
                Retry::After(wait) if attempts < self.retries => wait,
                Retry::WithBackoff if attempts < self.retries => FIRST_WAIT * 2u32.saturating_pow(attempts),
                _ => return Err(error),
            };
            thread::sleep(wait.min(MAX_WAIT));
            attempts += 1;
        }
    }

    fn attempt(&self, call: &Call, receiver: &mut impl Receiver, progress: &mut Progress) -> Result<(), Failure> {
        let response = self.send(call, progress)?;
        let reader = match response.status() {
            200 => {
                *progress = Progress::start(&response);
                let Body { reader, length } = receiver.begin(response)?;
                progress.length = length;
                reader
            }
            206 if progress.etag.is_some() => {
                progress.check_part(&response)?;
                response.into_reader()
            }
            _ => return Err(self.service.rejected(response)),
        };
        self.receive(reader, receiver, progress)
    }

    fn send(&self, call: &Call, progress: &Progress) -> Result<Response, Failure> {
        let mut request = self.agent.request(call.method, &format!("{}{}", self.service.url, call.path));
        // Weights do not compress, and the length must match the shape.
        request = request.set("Accept-Encoding", "identity");
        if let Some(key) = &self.api_key {
            request = request.set("Authorization", &format!("Bearer {key}"));
        }
        if let Some(etag) = &progress.etag {
            request = request.set("Range", &format!("bytes={}-", progress.received)).set("If-Range", etag);
        }
        for (name, text) in &call.query {
            request = request.query(name, text);
        }
        let sent = match &call.body {
            Some(json) => request.set("Content-Type", "application/json").send_bytes(json.as_bytes()),
            None => request.call(),
        };
        sent.or_any_status().map_err(|transport| self.service.no_response(&transport))
    }

    fn receive(&self, reader: impl Read, receiver: &mut impl Receiver, progress: &mut Progress) -> Result<(), Failure> {
        let mut reader = reader.take(progress.remaining());
        loop {
            match reader.read(receiver.buffer()) {
                Ok(0) if progress.is_complete() => return Ok(()),
                Ok(0) => return Err(self.service.broken("connection closed")),
                Ok(count) => {
                    receiver.received(count)?;
                    progress.received += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.service.read_failed(&error)),
            }
        }
    }
}

fn agent(timeout: Duration) -> Agent {
    AgentBuilder::new()
        .timeout_connect(timeout)
        .timeout_read(timeout)
        .timeout_write(timeout)
        .max_idle_connections(0) // on a reused connection, ureq 2.6 waits for the response without a timeout
        .redirects(0) // ureq would follow a redirect without the body
        .user_agent(concat!("weight-init-client/", env!("CARGO_PKG_VERSION")))
        .build()
}
