//! Items that could not be used: counted by reason, a few kept for the dead-letter sink.

use std::collections::BTreeMap;

use bytes::Bytes;

/// Samples kept per record.
const SAMPLES_MAX: usize = 4;
/// Bytes of a sample.
const SAMPLE_BYTES_MAX: usize = 4_096;

/// An item that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DropSample {
    /// Why, as a metric label.
    pub reason: &'static str,
    /// Its encoded bytes, cut.
    pub bytes: Bytes,
}

/// What was set aside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Drops {
    /// How many by reason.
    pub by_reason: BTreeMap<&'static str, u64>,
    /// A few of them.
    pub samples: Vec<DropSample>,
}

impl Drops {
    pub(crate) fn note(&mut self, reason: &'static str, item: &[u8]) {
        *self.by_reason.entry(reason).or_default() += 1;
        if self.samples.len() < SAMPLES_MAX {
            let bytes = Bytes::copy_from_slice(item.get(..SAMPLE_BYTES_MAX).unwrap_or(item));
            self.samples.push(DropSample { reason, bytes });
        }
    }

    /// How many in all.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_reason.values().sum()
    }
}
