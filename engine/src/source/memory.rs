//! Records from memory, for tests and small replays.
//!
//! What this module does not do: wait; when the records are used up, the input has ended.

use std::sync::Arc;

use crate::error::EngineError;
use crate::record::{Positions, Record};
use crate::source::{Received, ResumeAt, Source};

/// Name of its one partition.
const PARTITION: &str = "memory";

/// Gives the records of a list.
#[derive(Debug, Clone)]
pub struct MemorySource {
    records: Arc<[Record]>,
    next: usize,
    partition: Arc<str>,
}

impl MemorySource {
    /// Begins where `resume` says.
    #[must_use]
    pub fn new(records: Arc<[Record]>, resume: &ResumeAt) -> Self {
        let next = usize::try_from(resume.positions.next_of(PARTITION)).unwrap_or(usize::MAX);
        Self { records, next, partition: PARTITION.into() }
    }
}

impl Source for MemorySource {
    async fn next(&mut self) -> Result<Option<Received>, EngineError> {
        let Some(record) = self.records.get(self.next) else { return Ok(None) };
        self.next += 1;
        Ok(Some(Received {
            partition: Arc::clone(&self.partition),
            next_offset: self.next as u64,
            record: record.clone(),
        }))
    }

    async fn commit(&mut self, _upto: &Positions) -> Result<(), EngineError> {
        Ok(())
    }
}
