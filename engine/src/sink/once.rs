//! Makes a sink that was opened again take each message once.
//!
//! A lane that was restored says again what it said after its checkpoint. What the sink still holds is muted here, and
//! must be the same message: anything else is a broken promise, and is reported instead of published.
//! What this module does not do: write anything away.

use std::collections::VecDeque;

use crate::error::EngineError;
use crate::operator::Message;
use crate::sink::Sink;

/// A sink and what it holds already.
#[derive(Debug)]
pub struct Once<S> {
    sink: S,
    next: u64,
    held: VecDeque<Option<u64>>,
}

/// The error of a sink that holds less than the checkpoint counts on.
pub(crate) fn too_few(counted: u64, held: u64) -> EngineError {
    EngineError::Damaged {
        what: "output",
        place: format!("message {held}"),
        why: format!(
            "the checkpoint counts {counted} messages, the sink holds {held}: bring back the output that belongs to \
             the checkpoint, or remove the checkpoints to say everything again"
        ),
    }
}

/// The error of a sink that has let go what the lane would say again.
pub(crate) fn let_go(counted: u64, first: u64) -> EngineError {
    EngineError::Damaged {
        what: "output",
        place: format!("message {counted}"),
        why: format!(
            "the lane goes on with message {counted}, the sink keeps messages from {first} on: bring back the \
             checkpoints that belong to the output, or remove the output too to say everything again"
        ),
    }
}

impl<S: Sink> Once<S> {
    /// Around this sink; [`Sink::resume`] comes first.
    pub fn new(sink: S) -> Self {
        Self { sink, next: 0, held: VecDeque::new() }
    }

    /// How many messages are still muted.
    #[must_use]
    pub fn muted(&self) -> usize {
        self.held.len()
    }

    fn is_held(&mut self, message: &Message) -> Result<bool, EngineError> {
        match self.held.pop_front().flatten() {
            None => Ok(false),
            Some(digest) if digest == message.digest() => Ok(true),
            Some(_) => Err(EngineError::Invariant(format!(
                "message {} of topic {} differs from the one that was published before the restart",
                self.next, message.topic
            ))),
        }
    }
}

impl<S: Sink> Sink for Once<S> {
    async fn resume(&mut self, from: u64) -> Result<Vec<Option<u64>>, EngineError> {
        self.held = self.sink.resume(from).await?.into();
        self.next = from;
        Ok(Vec::new())
    }

    fn pass_over(&mut self) {
        self.held.pop_front();
        self.next += 1;
        self.sink.pass_over();
    }

    async fn write(&mut self, messages: &[Message]) -> Result<(), EngineError> {
        let mut rest = messages;
        while !self.held.is_empty() {
            let Some((first, others)) = rest.split_first() else { return Ok(()) };
            if self.is_held(first)? {
                self.sink.pass_over();
            } else {
                self.sink.write(std::slice::from_ref(first)).await?;
            }
            self.next += 1;
            rest = others;
        }
        self.next += rest.len() as u64;
        if rest.is_empty() { Ok(()) } else { self.sink.write(rest).await }
    }

    async fn flush(&mut self) -> Result<u64, EngineError> {
        self.sink.flush().await
    }

    async fn forget(&mut self, upto: u64) -> Result<(), EngineError> {
        self.sink.forget(upto).await
    }
}
