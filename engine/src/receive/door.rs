//! From a body to a durable record, whatever protocol it came by.
//!
//! Promises: the answer comes after the append; a body that holds nothing is answered and not stored.
//! What this module does not do: read sockets, or write answers.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::Semaphore;

use crate::log::{AppendError, LogWriter, NewRecord};
use crate::receive::budget::{BodyLimits, Budget, Charge};
use crate::receive::check::{CheckFault, Checks, Found};
use crate::receive::config::ReceiveConfig;
use crate::receive::fault::Fault;
use crate::record::{Compression, Encoding, RecordKind};
use crate::telemetry::{Metric, Telemetry, Timer};
use crate::time::clock::Clock;

/// A body of this size is looked through on a thread of its own.
const INLINE_BYTES: usize = 64 << 10;
/// A packed body of this size too.
const INLINE_PACKED_BYTES: usize = 8 << 10;

/// Takes records and makes them durable: the embedded log, or a Kafka producer.
pub trait Append: Clone + Send + Sync + 'static {
    /// Gives the offset once the record is durable.
    fn append(&self, record: NewRecord) -> impl Future<Output = Result<u64, AppendError>> + Send;
}

impl Append for LogWriter {
    fn append(&self, record: NewRecord) -> impl Future<Output = Result<u64, AppendError>> + Send {
        Self::append(self, record)
    }
}

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Grpc,
    Http,
}

impl Transport {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        }
    }
}

/// A body that came in whole.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) kind: RecordKind,
    pub(crate) transport: Transport,
    pub(crate) encoding: Encoding,
    pub(crate) compression: Compression,
    pub(crate) body: Bytes,
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Door<A> {
    pub(crate) config: ReceiveConfig,
    append: A,
    checks: Checks,
    checking: Semaphore,
    budget: Budget,
    clock: Clock,
    telemetry: Telemetry,
    timers: [Timer; 2],
}

impl<A: Append> Door<A> {
    pub(crate) fn new(
        config: ReceiveConfig,
        append: A,
        checks: Checks,
        clock: Clock,
        telemetry: Telemetry,
    ) -> Self {
        let timer = |transport: Transport| telemetry.timer(Metric::ReceiveDuration, &[transport.name()]);
        Self {
            checking: Semaphore::new(config.checks_max),
            budget: Budget::new(config.in_flight_bytes_max, telemetry.gauge(Metric::InFlightBytes, &[])),
            timers: [timer(Transport::Grpc), timer(Transport::Http)],
            config,
            append,
            checks,
            clock,
            telemetry,
        }
    }

    pub(crate) fn charge(&self) -> Charge {
        self.budget.charge()
    }

    /// Limits of an OTLP body, so many bytes of framing apart.
    pub(crate) fn otlp_limits(&self, framing_bytes: usize) -> BodyLimits {
        let (bytes, timeout) = (self.config.request_bytes_max, self.config.read_timeout);
        BodyLimits { bytes, framing_bytes, timeout }
    }

    /// Limits of a change or an outcome.
    pub(crate) fn event_limits(&self) -> BodyLimits {
        BodyLimits { bytes: self.config.event_bytes_max, framing_bytes: 0, timeout: self.config.read_timeout }
    }

    /// Checks an OTLP body and stores it as it came.
    pub(crate) async fn take_otlp(self: &Arc<Self>, delivery: Delivery) -> Result<Found, Fault> {
        let limit = self.config.request_bytes_max;
        if delivery.body.len() > limit {
            return Err(Fault::TooLarge { limit });
        }
        let began_at = self.clock.now();
        let transport = delivery.transport;
        let signal = kind_name(delivery.kind);
        self.telemetry
            .counter(Metric::ReceivedBytes, &[signal, transport.name()])
            .add_len(delivery.body.len());
        let found = self.inspect(&delivery).await?;
        if found.accepted + found.rejected > 0 {
            self.store(delivery).await?;
        }
        self.telemetry.counter(Metric::ReceivedItems, &[signal]).add(found.accepted);
        let took = u64::try_from(self.clock.now().saturating_sub(began_at)).unwrap_or(0);
        self.timers[transport as usize].record(std::time::Duration::from_nanos(took));
        Ok(found)
    }

    /// Checks a change or an outcome and stores it.
    pub(crate) async fn take_event(&self, kind: RecordKind, body: Bytes) -> Result<(), Fault> {
        (self.checks.event)(kind, &body).map_err(Fault::Undecodable)?;
        let (encoding, compression) = (Encoding::Json, Compression::None);
        self.store(Delivery { kind, transport: Transport::Http, encoding, compression, body }).await?;
        self.telemetry.counter(Metric::ReceivedItems, &[kind_name(kind)]).add(1);
        Ok(())
    }

    /// Counts how a request ended.
    pub(crate) fn count(&self, kind: Option<RecordKind>, transport: Transport, outcome: &str) {
        let signal = kind.map_or("unknown", kind_name);
        self.telemetry.counter(Metric::ReceivedRequests, &[signal, transport.name(), outcome]).add(1);
    }

    async fn store(&self, delivery: Delivery) -> Result<u64, Fault> {
        let Delivery { kind, encoding, compression, body, .. } = delivery;
        let record = NewRecord { tenant: Arc::clone(&self.config.tenant), kind, encoding, compression, body };
        let limit = self.config.append_timeout;
        match tokio::time::timeout(limit, self.append.append(record)).await {
            Ok(answer) => Ok(answer?),
            Err(_) => Err(Fault::Unavailable(format!("not durable after {} seconds", limit.as_secs()))),
        }
    }

    /// Looks through a body; large ones on another thread, and only so many at a time.
    async fn inspect(self: &Arc<Self>, delivery: &Delivery) -> Result<Found, Fault> {
        let Delivery { kind, encoding, compression, ref body, .. } = *delivery;
        let small = if compression == Compression::None { INLINE_BYTES } else { INLINE_PACKED_BYTES };
        let permit = self.checking.acquire().await.map_err(|_| Fault::Unavailable("stopping".to_owned()))?;
        let found = if body.len() <= small {
            (self.checks.otlp)(kind, encoding, compression, body)
        } else {
            let (check, body) = (Arc::clone(&self.checks.otlp), body.clone());
            let looked = tokio::task::spawn_blocking(move || check(kind, encoding, compression, &body)).await;
            looked.map_err(|_| Fault::Unavailable("the check of the request broke off".to_owned()))?
        };
        drop(permit);
        found.map_err(|fault| match fault {
            CheckFault::TooLarge { limit } => Fault::TooLarge { limit },
            CheckFault::Undecodable(why) => Fault::Undecodable(why),
        })
    }
}

/// Label of a kind.
pub(crate) fn kind_name(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Metrics => "metrics",
        RecordKind::Logs => "logs",
        RecordKind::Spans => "spans",
        RecordKind::Change => "change",
        RecordKind::Outcome => "outcome",
        RecordKind::Label => "label",
        RecordKind::Config => "config",
        RecordKind::Clock => "clock",
    }
}
