//! Where records come from: every source is replayable and has positions.
//!
//! What this module does not do: decode bodies, or decide what they mean.

mod file;
#[cfg(feature = "kafka")]
mod kafka;
mod memory;
#[cfg(feature = "kafka")]
mod merge;
mod order;
mod recorded;

pub use file::{FileConfig, FileSource, TRANSPORT};
#[cfg(feature = "kafka")]
pub use kafka::{Begin, KafkaSource, KafkaSourceConfig, KafkaTopic, KafkaView, Reach};
pub use memory::MemorySource;
pub use order::{Order, Taken};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::EngineError;
use crate::record::{Positions, Record, UnixNanos};

/// A record and where it stood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Input partition, as in `log` or `otlp_metrics/0`.
    pub partition: std::sync::Arc<str>,
    /// Offset of the record after this one in that partition.
    pub next_offset: u64,
    /// The record.
    pub record: Record,
}

/// Where a lane goes on: what a source needs to give the same records in the same order again.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ResumeAt {
    /// The next record of each partition.
    pub positions: Positions,
    /// The newest arrival stamp that was given out for each partition.
    pub arrived: BTreeMap<String, UnixNanos>,
    /// The newest arrival stamp of all.
    pub log_clock: Option<UnixNanos>,
    /// What was decided after that and must be decided so again.
    #[serde(skip)]
    pub order: Order,
}

impl ResumeAt {
    /// Notes that this record was taken in.
    pub fn advance(&mut self, received: &Received) {
        let arrived_at = received.record.arrived_at;
        self.positions.advance(&received.partition, received.next_offset);
        self.log_clock = Some(self.log_clock.map_or(arrived_at, |clock| clock.max(arrived_at)));
        if received.record.kind == crate::record::RecordKind::Clock {
            return;
        }
        match self.arrived.get_mut(&*received.partition) {
            Some(newest) => *newest = arrived_at.max(*newest),
            None => {
                self.arrived.insert(received.partition.as_ref().to_owned(), arrived_at);
            }
        }
    }
}

/// A replayable input.
pub trait Source: Send {
    /// The next record; waits for one. `None` when the input has ended for good (recorded files).
    ///
    /// The future may be dropped before it is ready without losing a record.
    fn next(&mut self) -> impl Future<Output = Result<Option<Received>, EngineError>> + Send;

    /// Whether the order of what it gives depends on more than the records: it is kept then, and handed back in
    /// [`ResumeAt::order`].
    fn decides_order(&self) -> bool {
        false
    }

    /// Everything before `upto` is part of a durable checkpoint and may be forgotten.
    fn commit(&mut self, upto: &Positions) -> impl Future<Output = Result<(), EngineError>> + Send;
}
