//! Names that many spans bear (operations, callees), kept once.
//!
//! Promises: a bound, after which it starts anew; a name is the same text whether it was known or not.

use std::sync::Arc;

use foldhash::fast::FixedState;
use hashbrown::HashSet;

/// Names kept. A service has at most a few hundred operations that come again.
const NAMES_MAX: usize = 16_384;
/// A name longer than this is rarely the same twice.
const NAME_BYTES_MAX: usize = 256;

/// Names by text. Never walked, so that its order is of no account.
#[derive(Debug, Default)]
pub(crate) struct Names(HashSet<Arc<str>, FixedState>);

impl Names {
    /// The one copy of a name.
    pub(crate) fn shared(&mut self, name: &str) -> Arc<str> {
        if name.len() > NAME_BYTES_MAX {
            return name.into();
        }
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        if self.0.len() >= NAMES_MAX {
            self.0.clear();
        }
        let new: Arc<str> = name.into();
        self.0.insert(Arc::clone(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::{NAME_BYTES_MAX, NAMES_MAX, Names};

    /// Scenario: more names than are kept, and one that is too long. Guarantees: every name is what it was, the same
    /// one is one copy, and no more than the bound is kept.
    #[test]
    fn names_are_shared_within_a_bound() {
        let mut names = Names::default();
        assert!(std::sync::Arc::ptr_eq(&names.shared("GET /cart"), &names.shared("GET /cart")));
        for nth in 0..=NAMES_MAX {
            assert_eq!(*names.shared(&nth.to_string()), nth.to_string());
        }
        let long = "x".repeat(NAME_BYTES_MAX + 1);
        assert_eq!(*names.shared(&long), long);
        assert!(names.0.len() <= NAMES_MAX, "{}", names.0.len());
    }
}
