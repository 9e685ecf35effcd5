//! Several operators as one: each sees every batch and every progress, in order.
//!
//! What this module does not do: pass rows from one operator to the next; who needs that calls the next one itself.

use crate::batch::Batch;
use crate::error::EngineError;
use crate::operator::{Operator, Output, Progress, StateBlob};

/// Version of the chain's own state layout.
const VERSION: u32 = 1;

/// Operators one after the other.
#[derive(Default)]
pub struct Chain {
    operators: Vec<Box<dyn Operator>>,
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Chain").field("operators", &self.operators.len()).finish()
    }
}

impl Chain {
    /// A chain of these.
    #[must_use]
    pub fn new(operators: Vec<Box<dyn Operator>>) -> Self {
        Self { operators }
    }
}

impl Operator for Chain {
    fn on_batch(&mut self, batch: &Batch, out: &mut Output) -> Result<(), EngineError> {
        self.operators.iter_mut().try_for_each(|operator| operator.on_batch(batch, out))
    }

    fn on_progress(&mut self, progress: Progress, out: &mut Output) -> Result<(), EngineError> {
        self.operators.iter_mut().try_for_each(|operator| operator.on_progress(progress, out))
    }

    fn save(&self) -> StateBlob {
        let blobs: Vec<StateBlob> = self.operators.iter().map(|operator| operator.save()).collect();
        let bytes = postcard::to_stdvec(&blobs).expect("plain owned values always serialise into memory");
        StateBlob { operator: "chain".to_owned(), version: VERSION, bytes }
    }

    fn load(&mut self, blob: StateBlob) -> Result<(), EngineError> {
        if blob.operator != "chain" || blob.version > VERSION {
            return Err(EngineError::StateVersion {
                operator: blob.operator,
                found: blob.version,
                known: VERSION,
            });
        }
        let damaged =
            |why: String| EngineError::Damaged { what: "operator state", place: "chain".to_owned(), why };
        let blobs: Vec<StateBlob> =
            postcard::from_bytes(&blob.bytes).map_err(|error| damaged(error.to_string()))?;
        if blobs.len() != self.operators.len() {
            return Err(damaged(format!(
                "it holds {} operators, the pipeline has {}",
                blobs.len(),
                self.operators.len()
            )));
        }
        self.operators.iter_mut().zip(blobs).try_for_each(|(operator, blob)| operator.load(blob))
    }
}
