//! The synchronous heart of a lane: records in, messages and checkpoints out.
//!
//! Promises: what comes out is a function of the records that went in, wherever the lane was stopped and restored
//! between. What this module does not do: read, write, wait, or start anything.

use bytes::Bytes;

use crate::decode::DropSample;
use crate::error::EngineError;
use crate::operator::{Message, Operator, Output};
use crate::record::{NANOS_PER_SEC, RecordKind};
use crate::runtime::decode::{Decode, Undecodable};
use crate::runtime::status::LaneStatus;
use crate::sink::DeadLetter;
use crate::source::{Received, ResumeAt};
use crate::state::Checkpoint;
use crate::telemetry::Telemetry;
use crate::telemetry::export::Counter;
use crate::telemetry::names::Metric;
use crate::time::rows::{self, Bounds, Times};
use crate::time::watermark::{Seen, Watermark, WatermarkConfig};
use crate::time::window;

/// How much of a body a dead letter shows.
const BODY_START_BYTES: usize = 256;

/// What changes what a lane says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CoreConfig {
    /// Event time.
    pub watermark: WatermarkConfig,
    /// Seconds of the log's clock between two checkpoints.
    pub checkpoint_secs: u32,
    /// Samples of dead letters per minute of the log's clock.
    pub dead_letters_per_minute: u32,
}

impl Default for CoreConfig {
    fn default() -> Self {
        Self { watermark: WatermarkConfig::default(), checkpoint_secs: 10, dead_letters_per_minute: 20 }
    }
}

/// What one record led to.
#[derive(Debug, Default)]
pub struct Step {
    /// What the operator said.
    pub messages: Vec<Message>,
    /// A sample of a record that could not be used.
    pub dead_letter: Option<DeadLetter>,
    /// The state to be kept, when one is due.
    pub checkpoint: Option<Box<Checkpoint>>,
}

/// A body that cannot be used, or the first item of one that could not, with its bytes.
struct Unusable {
    why: Undecodable,
    bytes: Bytes,
}

/// Decoder, watermark and operator, and all that is remembered between two records.
pub struct Core<D, O> {
    config: CoreConfig,
    decoder: D,
    operator: O,
    resume: ResumeAt,
    watermark: Watermark,
    emitted: u64,
    digest: u64,
    sampled: (i64, u32),
    checkpoints: u64,
    records: u64,
    counters: Counters,
}

struct Counters {
    telemetry: Telemetry,
    late: Counter,
    ahead: Counter,
    records: Vec<(RecordKind, Counter)>,
    rows: Vec<(RecordKind, Counter)>,
}

impl Counters {
    fn new(telemetry: &Telemetry) -> Self {
        use RecordKind::{Change, Clock, Config, Label, Logs, Metrics, Outcome, Spans};
        let of = |metric: Metric, kind: RecordKind| (kind, telemetry.counter(metric, &[kind_name(kind)]));
        Self {
            telemetry: telemetry.clone(),
            late: telemetry.dropped("watermark", "late"),
            ahead: telemetry.dropped("watermark", "clock_ahead"),
            records: [Metrics, Logs, Spans, Change, Outcome, Label, Config, Clock]
                .map(|kind| of(Metric::Records, kind))
                .into(),
            rows: [Metrics, Logs, Spans].map(|kind| of(Metric::Rows, kind)).into(),
        }
    }

    fn dropped(&self, reason: &str, n: u64) {
        self.telemetry.dropped("decode", reason).add(n);
    }

    fn add(list: &[(RecordKind, Counter)], kind: RecordKind, n: u64) {
        list.iter().filter(|(found, _)| *found == kind).for_each(|(_, counter)| counter.add(n));
    }
}

fn kind_name(kind: RecordKind) -> &'static str {
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

impl<D, O> std::fmt::Debug for Core<D, O> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("records", &self.records).finish_non_exhaustive()
    }
}

impl<D: Decode, O: Operator> Core<D, O> {
    /// Goes on from a checkpoint, or begins.
    ///
    /// # Errors
    /// What the operator says of its saved state.
    pub fn restore(
        config: CoreConfig,
        (decoder, mut operator): (D, O),
        checkpoint: Option<Checkpoint>,
        telemetry: &Telemetry,
    ) -> Result<Self, EngineError> {
        let mut core = Self {
            config,
            decoder,
            resume: ResumeAt::default(),
            watermark: Watermark::default(),
            emitted: 0,
            digest: 0,
            sampled: (0, 0),
            checkpoints: 0,
            records: 0,
            counters: Counters::new(telemetry),
            operator: {
                if let Some(checkpoint) = &checkpoint {
                    operator.load(checkpoint.operator.clone())?;
                }
                operator
            },
        };
        if let Some(checkpoint) = checkpoint {
            core.resume = checkpoint.resume;
            core.watermark = checkpoint.watermark;
            (core.emitted, core.digest) = (checkpoint.emitted, checkpoint.digest);
            core.sampled = checkpoint.sampled;
            core.checkpoints = checkpoint.number;
        }
        Ok(core)
    }

    /// Takes in one record.
    ///
    /// # Errors
    /// Broken invariants of the operator.
    pub fn take(&mut self, received: &Received) -> Result<Step, EngineError> {
        let before = self.resume.log_clock;
        self.resume.advance(received);
        self.records += 1;
        Counters::add(&self.counters.records, received.record.kind, 1);
        let mut output = Output::default();
        let unusable = self.batch(received, &mut output)?;
        if let Some(progress) = self.watermark.progress(&self.config.watermark) {
            self.operator.on_progress(progress, &mut output)?;
        }
        for message in &output.messages {
            self.digest = xxhash_rust::xxh3::xxh3_64_with_seed(&message.digest().to_le_bytes(), self.digest);
        }
        self.emitted += output.messages.len() as u64;
        let dead_letter = unusable.and_then(|unusable| self.sample(received, unusable));
        let checkpoint = self.is_checkpoint_due(before).then(|| Box::new(self.checkpoint()));
        Ok(Step { messages: output.messages, dead_letter, checkpoint })
    }

    /// Everything as it is between two records.
    pub fn checkpoint(&mut self) -> Checkpoint {
        self.checkpoints += 1;
        Checkpoint {
            number: self.checkpoints,
            resume: self.resume.clone(),
            watermark: self.watermark.clone(),
            operator: self.operator.save(),
            emitted: self.emitted,
            digest: self.digest,
            sampled: self.sampled,
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn status(&self) -> LaneStatus {
        LaneStatus {
            restored: true,
            records: self.records,
            emitted: self.emitted,
            digest: self.digest,
            log_clock: self.watermark.log_clock(),
            watermark: self.watermark.told(),
            checkpoint: 0,
        }
    }

    fn batch(&mut self, received: &Received, out: &mut Output) -> Result<Option<Unusable>, EngineError> {
        let (record, config) = (&received.record, &self.config.watermark);
        if record.kind == RecordKind::Clock {
            self.watermark.clock(config, record.arrived_at);
            return Ok(None);
        }
        let (mut batch, drops) = match self.decoder.decode_partly(record) {
            Ok(decoded) => decoded,
            Err(why) => {
                self.watermark.clock(config, record.arrived_at);
                self.counters.dropped(why.reason, 1);
                return Ok(Some(Unusable { why, bytes: record.body.clone() }));
            }
        };
        drops.by_reason.iter().for_each(|(reason, n)| self.counters.dropped(reason, *n));
        let bounds = Bounds {
            ahead_of: record.arrived_at.saturating_add(config.skew_max),
            learn_from: record.arrived_at.saturating_sub(self.watermark.age_max(config, record.arrived_at)),
            watermark: self.watermark.told(),
        };
        let times = rows::sift(&mut batch, bounds)?;
        match rows::stream(&batch) {
            Some(stream) => {
                self.count(stream, times);
                let seen = Seen { stream, arrived_at: record.arrived_at, oldest: times.oldest };
                self.watermark.data(config, seen);
            }
            None => self.watermark.clock(config, record.arrived_at),
        }
        self.operator.on_batch(&batch, out)?;
        let detail = format!("items of this body that could not be used: {}", drops.total());
        let sample = drops.samples.into_iter().next();
        let unusable = |sample: DropSample| Unusable {
            why: Undecodable { reason: sample.reason, detail },
            bytes: sample.bytes,
        };
        Ok(sample.map(unusable))
    }

    fn count(&self, stream: RecordKind, times: Times) {
        Counters::add(&self.counters.rows, stream, times.rows);
        self.counters.late.add(times.late);
        self.counters.ahead.add(times.ahead);
    }

    fn sample(&mut self, received: &Received, unusable: Unusable) -> Option<DeadLetter> {
        let Unusable { why, bytes } = unusable;
        let minute = window::floor(self.resume.log_clock.unwrap_or(0), 60 * NANOS_PER_SEC);
        if self.sampled.0 != minute {
            self.sampled = (minute, 0);
        }
        self.sampled.1 = self.sampled.1.saturating_add(1);
        if self.sampled.1 > self.config.dead_letters_per_minute {
            return None;
        }
        let record = &received.record;
        let digits = bytes.iter().take(BODY_START_BYTES).map(|byte| format!("{byte:02x}"));
        Some(DeadLetter {
            tenant: record.tenant.as_ref().to_owned(),
            partition: received.partition.as_ref().to_owned(),
            offset: received.next_offset.saturating_sub(1),
            arrived_at: record.arrived_at,
            kind: record.kind,
            reason: why.reason.to_owned(),
            detail: why.detail,
            body_bytes: record.body.len(),
            body_start: digits.collect(),
        })
    }

    fn is_checkpoint_due(&self, before: Option<i64>) -> bool {
        let every = i64::from(self.config.checkpoint_secs.max(1)) * NANOS_PER_SEC;
        match (before, self.resume.log_clock) {
            (Some(before), Some(now)) => window::floor(before, every) < window::floor(now, every),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
