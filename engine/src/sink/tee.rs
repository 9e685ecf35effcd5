//! One stream of messages into two sinks, each of which gets every message once.
//!
//! What this module does not do: go on with one of them when the other fails.

use crate::error::EngineError;
use crate::operator::Message;
use crate::sink::{Once, Sink};

/// Two sinks.
#[derive(Debug)]
pub struct Tee<A, B> {
    first: Once<A>,
    second: Once<B>,
}

impl<A: Sink, B: Sink> Tee<A, B> {
    /// Into both, `first` first.
    pub fn new(first: A, second: B) -> Self {
        Self { first: Once::new(first), second: Once::new(second) }
    }
}

impl<A: Sink, B: Sink> Sink for Tee<A, B> {
    async fn resume(&mut self, from: u64) -> Result<Vec<Option<u64>>, EngineError> {
        self.first.resume(from).await?;
        self.second.resume(from).await
    }

    fn pass_over(&mut self) {
        self.first.pass_over();
        self.second.pass_over();
    }

    async fn write(&mut self, messages: &[Message]) -> Result<(), EngineError> {
        self.first.write(messages).await?;
        self.second.write(messages).await
    }

    async fn flush(&mut self) -> Result<u64, EngineError> {
        let first = self.first.flush().await?;
        Ok(first.min(self.second.flush().await?))
    }

    async fn forget(&mut self, upto: u64) -> Result<(), EngineError> {
        self.first.forget(upto).await?;
        self.second.forget(upto).await
    }
}
