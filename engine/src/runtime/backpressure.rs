//! What slows down, and in which order.
//!
//! A slow sink fills the queue of messages, which stops the operator; that fills the queue of records, which stops
//! the source; the embedded log and Kafka keep what was not read. Nothing inside a lane is ever shed: shedding is the
//! front door's, by refusing. What this module does not do: wait for more than memory.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes are counted in units of this, so that the largest budget fits the counter.
const UNIT_BYTES: usize = 1024;

/// A budget of bytes that wait between two stages.
#[derive(Debug, Clone)]
pub(crate) struct ByteBudget {
    units: u32,
    free: Arc<Semaphore>,
}

/// Bytes taken out of a budget; given back when dropped.
#[derive(Debug)]
pub(crate) struct Held(#[expect(dead_code, reason = "held for its drop")] Option<OwnedSemaphorePermit>);

impl ByteBudget {
    pub(crate) fn new(bytes: usize) -> Self {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).max(1);
        let permits = usize::try_from(units).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Self { units, free: Arc::new(Semaphore::new(permits)) }
    }

    /// Waits until there is room. What is larger than the whole budget waits for all of it, and passes alone.
    pub(crate) async fn take(&self, bytes: usize) -> Held {
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES)).unwrap_or(u32::MAX).min(self.units);
        Held(Arc::clone(&self.free).acquire_many_owned(units).await.ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: a budget of 10 KiB, taken whole, then a body larger than it. Guarantees: the second waits for the
    /// first and then passes.
    #[tokio::test]
    async fn a_full_budget_waits() {
        let budget = ByteBudget::new(10 * 1024);
        let first = budget.take(10 * 1024).await;
        let second = tokio::spawn({
            let budget = budget.clone();
            async move { budget.take(1 << 30).await }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        drop(first);
        drop(second.await.unwrap());
        budget.take(1).await;
    }
}
