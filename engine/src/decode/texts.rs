//! Texts that stand in many places, kept once: attribute keys, most attribute values, metric names.
//!
//! Promises: a bound, after which it starts anew. What it does not do: change what a text says.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashSet;

/// A text longer than this is rarely the same twice.
const SHARED_BYTES_MAX: usize = 64;

/// Shared texts.
#[derive(Debug)]
pub(super) struct Texts {
    known: HashSet<Arc<str>, FixedState>,
    known_max: usize,
}

impl Texts {
    pub(super) fn new(known_max: usize) -> Self {
        Self { known: HashSet::with_hasher(FixedState::default()), known_max }
    }

    /// The one copy of a text.
    pub(super) fn shared(&mut self, text: &str) -> Arc<str> {
        if text.len() > SHARED_BYTES_MAX {
            return text.into();
        }
        if let Some(known) = self.known.get(text) {
            return Arc::clone(known);
        }
        if self.known.len() >= self.known_max {
            self.known.clear();
        }
        let new: Arc<str> = text.into();
        self.known.insert(Arc::clone(&new));
        new
    }
}
