//! How long to wait after a failure: doubling, up to a bound. Pure.

use std::time::Duration;

const FIRST_MS: u64 = 200;
const MAX_MS: u64 = 10_000;

/// Doubles with each failure, begins again after a success.
#[derive(Debug, Clone, Copy, Default)]
pub struct Backoff {
    n_failed: u32,
}

impl Backoff {
    /// Counts a failure and says how long to wait.
    #[must_use]
    pub fn fail(&mut self) -> Duration {
        let wait_ms = FIRST_MS.saturating_mul(1 << self.n_failed.min(10)).min(MAX_MS);
        self.n_failed = self.n_failed.saturating_add(1);
        Duration::from_millis(wait_ms)
    }

    /// Begins again.
    pub fn succeed(&mut self) {
        self.n_failed = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::Backoff;

    /// Scenario: forty failures, then a success. Guarantees: waits double up to ten seconds, and begin again.
    #[test]
    fn waits_double_up_to_a_bound() {
        let mut backoff = Backoff::default();
        let waits: Vec<u128> = (0..40).map(|_| backoff.fail().as_millis()).collect();
        assert_eq!(&waits[..7], &[200, 400, 800, 1600, 3200, 6400, 10_000]);
        assert_eq!(waits[39], 10_000);
        backoff.succeed();
        assert_eq!(backoff.fail().as_millis(), 200);
    }
}
