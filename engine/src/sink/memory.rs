//! Messages into memory, for tests and small replays. All clones share one list.
//!
//! What this module does not do: survive the process.

use std::sync::{Arc, Mutex, PoisonError};

use crate::error::EngineError;
use crate::operator::Message;
use crate::sink::Sink;

/// Keeps all messages.
#[derive(Debug, Clone, Default)]
pub struct MemorySink(Arc<Mutex<Vec<Message>>>);

impl MemorySink {
    /// What was written so far.
    #[must_use]
    pub fn messages(&self) -> Vec<Message> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Sink for MemorySink {
    async fn resume(&mut self, from: u64) -> Result<Vec<Option<u64>>, EngineError> {
        let held = self.messages();
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let rest = held.get(from..).ok_or_else(|| super::once::too_few(from as u64, held.len() as u64))?;
        Ok(rest.iter().map(|message| Some(message.digest())).collect())
    }

    fn pass_over(&mut self) {}

    async fn write(&mut self, messages: &[Message]) -> Result<(), EngineError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(messages);
        Ok(())
    }

    async fn flush(&mut self) -> Result<u64, EngineError> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).len() as u64)
    }
}
