//! Whether the shop is well, by what its customers see.
//!
//! Promises: pure; a share of failures over the last seconds, and no verdict from too few requests. It does not look
//! at what the engine thinks.

use std::collections::VecDeque;

use crate::shop::{SECOND, UnixNanos};

/// Seconds that are looked at.
const WINDOW: UnixNanos = 3 * SECOND;
/// Share of failures up to which customers are content: a few calls per request, each with its base rate.
const FAILED_SHARE_MAX: f64 = 0.05;
/// Requests below which nothing is said.
const REQUESTS_MIN: u32 = 20;

/// Requests and failures at the front, lately.
#[derive(Debug, Default)]
pub struct Health {
    steps: VecDeque<(UnixNanos, u32, u32)>,
}

impl Health {
    /// Notes a step.
    pub fn add(&mut self, at: UnixNanos, requests: u32, failures: u32) {
        self.steps.push_back((at, requests, failures));
        while self.steps.front().is_some_and(|(old, _, _)| *old <= at - WINDOW) {
            self.steps.pop_front();
        }
    }

    /// Whether customers are content.
    #[must_use]
    pub fn is_well(&self) -> bool {
        let (requests, failures) = self
            .steps
            .iter()
            .fold((0, 0), |(all, bad), (_, requests, failures)| (all + requests, bad + failures));
        requests >= REQUESTS_MIN && f64::from(failures) <= f64::from(requests) * FAILED_SHARE_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: silence, then good seconds, bad ones, and good ones again.
    /// Guarantees: no verdict without requests; bad while failures are in the window, well after they left it.
    #[test]
    fn health_follows_the_last_seconds() {
        let mut health = Health::default();
        assert!(!health.is_well());
        let mut well = Vec::new();
        for second in 0..12 {
            let failures = if (4..6).contains(&second) { 20 } else { 1 };
            health.add(second * SECOND, 50, failures);
            well.push(health.is_well());
        }
        let expected: Vec<bool> = (0..12).map(|second| !(4..8).contains(&second)).collect();
        assert_eq!(well, expected);
    }
}
