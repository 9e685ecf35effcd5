//! The log as a [`Source`] of a lane.
//!
//! What this module does not do: decide when to commit; the lane does, after its checkpoint is durable.

use std::sync::Arc;

use crate::error::EngineError;
use crate::log::PARTITION;
use crate::log::reader::LogReader;
use crate::log::segments::Shared;
use crate::record::Positions;
use crate::source::{Received, Source};

/// Reads the log for a lane.
#[derive(Debug)]
pub struct LogSource {
    reader: LogReader,
    shared: Arc<Shared>,
    partition: Arc<str>,
}

impl LogSource {
    pub(crate) fn new(reader: LogReader, shared: Arc<Shared>) -> Self {
        Self { reader, shared, partition: PARTITION.into() }
    }

    /// How many records wait to be read.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.shared.next.borrow().offset.saturating_sub(self.reader.position())
    }
}

impl Source for LogSource {
    /// The next record; waits for one. Never `None`: a closed log is [`EngineError::Stopped`], because more may come
    /// when it is opened again.
    async fn next(&mut self) -> Result<Option<Received>, EngineError> {
        let (offset, record) = self.reader.next().await?;
        Ok(Some(Received { partition: Arc::clone(&self.partition), next_offset: offset + 1, record }))
    }

    async fn commit(&mut self, upto: &Positions) -> Result<(), EngineError> {
        self.shared.commit(upto.next_of(PARTITION));
        Ok(())
    }
}
