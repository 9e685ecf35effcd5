//! Alive or not, ready or not: decided from plain values.
//!
//! Promises: liveness fails only while input waits and positions have stood still for the whole limit, so that a
//! quiet night is alive and a slow start is too. What this module does not do: look at anything itself, or restart.

use crate::record::{NANOS_PER_SEC, UnixNanos};

/// How long positions may stand still while input waits.
pub const STALL_LIMIT_SECS: u32 = 30;

/// Remembers when positions moved last.
#[derive(Debug, Clone, Copy)]
pub struct Liveness {
    stall_limit: UnixNanos,
    position: u64,
    moved_at: UnixNanos,
}

/// The answer of `/livez`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LivenessVerdict {
    /// Input is read, or there is none.
    Alive,
    /// Input waits and nothing has moved for this long.
    Stuck {
        /// How long, in seconds.
        secs: u32,
        /// Records that wait.
        waiting: u64,
    },
}

impl Liveness {
    /// Begins to watch at `now`.
    #[must_use]
    pub fn new(now: UnixNanos, stall_limit_secs: u32) -> Self {
        Self { stall_limit: i64::from(stall_limit_secs) * NANOS_PER_SEC, position: 0, moved_at: now }
    }

    /// Takes in what is true at `now`: how many records wait, and the sum of all positions.
    pub fn observe(&mut self, now: UnixNanos, waiting: u64, position: u64) -> LivenessVerdict {
        if waiting == 0 || position != self.position {
            self.position = position;
            self.moved_at = now;
        }
        let still = now.saturating_sub(self.moved_at);
        if still < self.stall_limit {
            return LivenessVerdict::Alive;
        }
        LivenessVerdict::Stuck { secs: u32::try_from(still / NANOS_PER_SEC).unwrap_or(u32::MAX), waiting }
    }
}

/// A port that can be ready or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// The front door: ready when it can append.
    Otlp,
    /// The API: ready when state is restored.
    Api,
}

/// What readiness is decided from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PortFacts {
    /// Why the log refuses appends, if it does.
    pub append_refusal: Option<String>,
    /// Whether the newest checkpoint has been taken over and replay has reached the end that was seen at the start.
    pub restored: bool,
    /// Whether the process is on its way out.
    pub stopping: bool,
}

/// Whether a port is ready.
///
/// # Errors
/// Why it is not, in words.
pub fn readiness(port: Port, facts: &PortFacts) -> Result<(), String> {
    if facts.stopping {
        return Err("the process is stopping".to_owned());
    }
    match port {
        Port::Otlp => facts.append_refusal.clone().map_or(Ok(()), Err),
        Port::Api if facts.restored => Ok(()),
        Port::Api => Err("state is being restored".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: UnixNanos = 1_000 * NANOS_PER_SEC;

    fn secs(n: i64) -> UnixNanos {
        T0 + n * NANOS_PER_SEC
    }

    /// Scenario: nothing arrives for an hour. Guarantees: a quiet night is alive.
    #[test]
    fn quiet_is_alive() {
        let mut liveness = Liveness::new(T0, STALL_LIMIT_SECS);
        for n in 0..3_600 {
            assert_eq!(liveness.observe(secs(n), 0, 7), LivenessVerdict::Alive);
        }
    }

    /// Scenario: input waits and nothing moves, then one record is read. Guarantees: stuck exactly from the limit
    /// on, counted from when input began to wait, and alive again on the first movement.
    #[test]
    fn standing_still_with_waiting_input_is_stuck() {
        let mut liveness = Liveness::new(T0, 30);
        assert_eq!(liveness.observe(secs(100), 0, 7), LivenessVerdict::Alive);
        assert_eq!(liveness.observe(secs(110), 5, 7), LivenessVerdict::Alive);
        assert_eq!(liveness.observe(secs(129), 5, 7), LivenessVerdict::Alive);
        assert_eq!(liveness.observe(secs(130), 5, 7), LivenessVerdict::Stuck { secs: 30, waiting: 5 });
        assert_eq!(liveness.observe(secs(131), 4, 8), LivenessVerdict::Alive);
        assert_eq!(liveness.observe(secs(160), 4, 8), LivenessVerdict::Alive);
        assert_eq!(liveness.observe(secs(161), 4, 8), LivenessVerdict::Stuck { secs: 30, waiting: 4 });
    }

    /// Scenario: each port under each fact. Guarantees: a full disk closes only the front door, a restore only the
    /// API, stopping both.
    #[test]
    fn each_port_has_its_own_reason() {
        let full = Some("no space left".to_owned());
        for (facts, otlp, api) in [
            (PortFacts { append_refusal: None, restored: true, stopping: false }, true, true),
            (PortFacts { append_refusal: full, restored: true, stopping: false }, false, true),
            (PortFacts { append_refusal: None, restored: false, stopping: false }, true, false),
            (PortFacts { append_refusal: None, restored: true, stopping: true }, false, false),
        ] {
            assert_eq!(readiness(Port::Otlp, &facts).is_ok(), otlp, "{facts:?}");
            assert_eq!(readiness(Port::Api, &facts).is_ok(), api, "{facts:?}");
        }
    }
}
