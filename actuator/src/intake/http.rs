//! Events over HTTP: one long answer of JSON lines, resumed after the last event that the ledger holds.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

use super::Received;
use super::backoff::Backoff;
use super::verify::{Refusal, verify_structured};
use crate::config::EnginePlan;

const TCP_KEEPALIVE_SECS: u64 = 15;

/// The engine's HTTP API as an intake.
///
/// # Invariants
/// `partial` is never longer than `event_bytes_max`; `after` moves only by `settle`.
pub struct HttpIntake {
    client: Client<HttpConnector, Empty<Bytes>>,
    engine: EnginePlan,
    event_bytes_max: usize,
    after: Option<String>,
    answer: Option<Incoming>,
    partial: BytesMut,
    lines: VecDeque<Bytes>,
    skipping: bool,
    too_long: u32,
    backoff: Backoff,
    wait: Option<Duration>,
}

impl std::fmt::Debug for HttpIntake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpIntake")
            .field("engine", &self.engine)
            .field("after", &self.after)
            .finish_non_exhaustive()
    }
}

impl HttpIntake {
    /// Begins after an event, or with what the engine has.
    #[must_use]
    pub fn new(engine: EnginePlan, event_bytes_max: usize, after: Option<String>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_secs(10)));
        connector.set_keepalive(Some(Duration::from_secs(TCP_KEEPALIVE_SECS)));
        Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            engine,
            event_bytes_max,
            after,
            answer: None,
            partial: BytesMut::new(),
            lines: VecDeque::new(),
            skipping: false,
            too_long: 0,
            backoff: Backoff::default(),
            wait: None,
        }
    }

    /// Waits for what comes next.
    pub async fn next(&mut self) -> Received {
        loop {
            if self.too_long > 0 {
                self.too_long -= 1;
                let text = format!("is longer than limits.event_bytes, which is {}", self.event_bytes_max);
                return Received::Refused(Refusal { code: "too_long", text, event_id: None });
            }
            if let Some(line) = self.lines.pop_front() {
                return verify_structured(&line)
                    .map_or_else(Received::Refused, |event| Received::Event(Box::new(event)));
            }
            match self.advance().await {
                Ok(true) => return Received::Connected,
                Ok(false) => {}
                Err(why) => {
                    self.answer = None;
                    self.partial.clear();
                    self.skipping = false;
                    self.wait = Some(self.backoff.fail());
                    return Received::Interrupted(why);
                }
            }
        }
    }

    /// The ledger holds this event.
    pub fn settle(&mut self, event_id: Option<&str>) {
        if let Some(id) = event_id {
            self.after = Some(id.to_owned());
        }
    }

    /// Connects, or takes in a chunk; true if it connected.
    async fn advance(&mut self) -> Result<bool, String> {
        if let Some(wait) = self.wait.take() {
            tokio::time::sleep(wait).await;
        }
        let Some(answer) = self.answer.as_mut() else {
            self.answer = Some(self.connect().await?);
            return Ok(true);
        };
        let idle = Duration::from_secs(self.engine.idle_secs);
        let frame = tokio::time::timeout(idle, answer.frame()).await;
        let frame = frame.map_err(|_| format!("nothing came for {} s", self.engine.idle_secs))?;
        let frame =
            frame.ok_or_else(|| "the engine ended the answer".to_owned())?.map_err(|e| e.to_string())?;
        if let Ok(chunk) = frame.into_data() {
            self.backoff.succeed();
            self.take_in(&chunk);
        }
        Ok(false)
    }

    async fn connect(&mut self) -> Result<Incoming, String> {
        let after = self.after.as_deref().map(|id| format!("&after={id}")).unwrap_or_default();
        let url = format!("{}/api/v1/risk-events?follow=true{after}", self.engine.url);
        let request = Request::get(&url).header("accept", "application/x-ndjson, application/json");
        let request = request.body(Empty::new()).map_err(|e| format!("{url}: {e}"))?;
        let answered = self.client.request(request);
        let limit = Duration::from_secs(30);
        let answered =
            tokio::time::timeout(limit, answered).await.map_err(|_| format!("{url}: no answer in 30 s"))?;
        let answer = answered.map_err(|e| format!("{url}: {e}"))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(answer.into_body());
        }
        if matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::BAD_REQUEST) {
            // The engine does not know the event any more: take all it has, the ledger knows what is new.
            self.after = None;
        }
        Err(format!("{url}: {status}"))
    }

    fn take_in(&mut self, chunk: &[u8]) {
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            let ends = piece.last() == Some(&b'\n');
            let over = self.partial.len() + piece.len() > self.event_bytes_max;
            if over && !self.skipping {
                self.skipping = true;
                self.too_long = self.too_long.saturating_add(1);
                self.partial.clear();
            }
            if !self.skipping {
                self.partial.extend_from_slice(piece);
            }
            if ends {
                let line = self.partial.split().freeze();
                if !self.skipping && !line.trim_ascii().is_empty() {
                    self.lines.push_back(line);
                }
                self.skipping = false;
            }
        }
    }
}
