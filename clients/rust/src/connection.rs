//! The only place where bytes are sent and received, asked for again, and resumed.

use std::{
    io::{self, Read},
    thread,
    time::Duration,
};

use ureq::{Agent, AgentBuilder, OrAnyStatus, Response};

use crate::{
    failure::{Again, Failure, Peer, LONGEST_WAIT},
    progress::Progress,
    receiver::{Body, Receiver},
    Result,
};

const FIRST_WAIT: Duration = Duration::from_millis(100);

/// What is asked, the same at every attempt. The body is JSON.
pub(crate) struct Call {
    pub method: &'static str,
    pub path: &'static str,
    pub query: Vec<(String, String)>,
    pub body: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Connection {
    pub peer: Peer,
    pub api_key: Option<String>,
    pub retries: u32,
    agent: Agent,
}

impl Connection {
    pub fn new(peer: Peer, api_key: Option<String>, retries: u32) -> Self {
        let agent = agent(peer.timeout);
        Self { peer, api_key, retries, agent }
    }

    pub fn set_timeout(&mut self, timeout: Duration) {
        self.peer.timeout = timeout;
        self.agent = agent(timeout);
    }

    /// Ask until the whole answer has come, and give it to `receiver`.
    pub fn fetch(&self, call: &Call, receiver: &mut impl Receiver) -> Result<()> {
        let mut progress = Progress::default();
        let mut farthest = 0;
        let mut attempts = 0;
        loop {
            let Err(Failure { error, again }) = self.attempt(call, receiver, &mut progress) else {
                return Ok(());
            };
            // Only what is new counts, or an answer that begins anew each time would do so for ever.
            if progress.received > farthest {
                farthest = progress.received;
                attempts = 0;
            }
            let wait = match again {
                Again::After(wait) if attempts < self.retries => wait,
                Again::Soon if attempts < self.retries => FIRST_WAIT * 2u32.saturating_pow(attempts),
                _ => return Err(error),
            };
            thread::sleep(wait.min(LONGEST_WAIT));
            attempts += 1;
        }
    }

    fn attempt(&self, call: &Call, receiver: &mut impl Receiver, progress: &mut Progress) -> Result<(), Failure> {
        let response = self.send(call, progress)?;
        let reader = match response.status() {
            200 => {
                *progress = Progress::at_the_start_of(&response);
                let Body { reader, length } = receiver.begin(response)?;
                progress.length = length;
                reader
            }
            206 if progress.etag.is_some() => {
                progress.check_continued(&response)?;
                response.into_reader()
            }
            _ => return Err(self.peer.refused(response)),
        };
        self.receive(reader, receiver, progress)
    }

    fn send(&self, call: &Call, progress: &Progress) -> Result<Response, Failure> {
        let mut request = self.agent.request(call.method, &format!("{}{}", self.peer.url, call.path));
        request = request.set("Accept-Encoding", "identity"); // weights do not compress, and lengths must agree
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
        sent.or_any_status().map_err(|transport| self.peer.unanswered(&transport))
    }

    fn receive(&self, reader: impl Read, receiver: &mut impl Receiver, progress: &mut Progress) -> Result<(), Failure> {
        let mut reader = reader.take(progress.left());
        loop {
            match reader.read(receiver.room()) {
                Ok(0) if progress.is_complete() => return Ok(()),
                Ok(0) => return Err(self.peer.broken("it was closed")),
                Ok(count) => {
                    receiver.took(count)?;
                    progress.received += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.peer.cut_off(&error)),
            }
        }
    }
}

fn agent(timeout: Duration) -> Agent {
    AgentBuilder::new()
        .timeout_connect(timeout)
        .timeout_read(timeout)
        .timeout_write(timeout)
        .max_idle_connections(0) // on a connection that it uses again, ureq 2.6 waits for the answer without a timeout
        .redirects(0) // it would ask again without the body
        .user_agent(concat!("weight-init-client/", env!("CARGO_PKG_VERSION")))
        .build()
}
