//! How many body bytes may be in memory, and reading a body within that.
//!
//! Promises: what is read is charged while it is held, and given back when the charge is dropped.
//! What this module does not do: wait for room; who finds none is asked to come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body;

use crate::receive::fault::Fault;
use crate::telemetry::Gauge;

/// The bytes that may be held.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    held: AtomicUsize,
    limit: usize,
    shown: Gauge,
}

/// Bytes that are held.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Budget,
    bytes: usize,
}

impl Budget {
    pub(crate) fn new(limit: usize, shown: Gauge) -> Self {
        Self(Arc::new(Inner { held: AtomicUsize::new(0), limit, shown }))
    }

    pub(crate) fn charge(&self) -> Charge {
        Charge { budget: self.clone(), bytes: 0 }
    }
}

impl Charge {
    /// Holds `bytes` more.
    fn add(&mut self, bytes: usize) -> Result<(), Fault> {
        let inner = &self.budget.0;
        let before = inner.held.fetch_add(bytes, Ordering::AcqRel);
        self.bytes += bytes;
        inner.shown.set_count((before + bytes) as u64);
        // The drop of this charge gives back what was just taken too much.
        if before + bytes > inner.limit { Err(Fault::Pressure) } else { Ok(()) }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let before = self.budget.0.held.fetch_sub(self.bytes, Ordering::AcqRel);
        self.budget.0.shown.set_count((before - self.bytes) as u64);
    }
}

/// Limits of one body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    /// Of the message.
    pub(crate) bytes: usize,
    /// What the protocol adds to it.
    pub(crate) framing_bytes: usize,
    pub(crate) timeout: Duration,
}

/// Reads a whole body, charging what is held.
pub(crate) async fn read_body<B>(body: B, limits: BodyLimits, charge: &mut Charge) -> Result<Bytes, Fault>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    match tokio::time::timeout(limits.timeout, read_all(body, limits, charge)).await {
        Ok(read) => read,
        Err(_) => Err(Fault::SlowClient(limits.timeout.as_secs())),
    }
}

async fn read_all<B>(mut body: B, limits: BodyLimits, charge: &mut Charge) -> Result<Bytes, Fault>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    let mut total = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| Fault::Undecodable(format!("the request broke off: {e}")))?;
        let Ok(chunk) = frame.into_data() else { continue };
        total += chunk.remaining();
        if total > limits.bytes + limits.framing_bytes {
            return Err(Fault::TooLarge { limit: limits.bytes });
        }
        charge.add(chunk.remaining())?;
        // A body that comes in one piece is not copied.
        match &first {
            None => first = Some(chunk),
            Some(begin) => {
                if rest.is_empty() {
                    rest.extend_from_slice(begin);
                }
                rest.extend_from_slice(&chunk);
            }
        }
    }
    Ok(if rest.is_empty() { first.unwrap_or_default() } else { rest.freeze() })
}
