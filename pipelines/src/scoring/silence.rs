//! Silence: a new arm that should serve and says nothing, or does nothing but restart.
//!
//! A crashed canary emits no telemetry, so no comparison of numbers can see it (`design`: errors show at the caller).
//! How much traffic it should have had by now follows from the stable arm's: with a share `w` of the pods and `n`
//! requests at the stable arm since the canary's last one, it should have had `q = n w / (1 - w)` requests, divided by
//! the dispersion of requests between pods; the chance of none is about `exp(-q)`.

use engine::record::{NANOS_PER_SEC, UnixNanos};
use serde::{Deserialize, Serialize};

use super::finding::Suspect;
use super::roster::{PodRecord, Roster};

/// Dispersion of requests between pods; load balancers are less even than a Poisson process.
const DISPERSION: f64 = 4.0;
/// `ln 100`, `ln 1000`.
const LN_PAUSE: f64 = 4.605;
const LN_ACT: f64 = 6.908;
/// A new pod may need so long before its first request, unless restarts say that it fails.
const START_UP: UnixNanos = 60 * NANOS_PER_SEC;
/// A pod that restarted and is still silent after so long is failing.
const RESTART_GRACE: UnixNanos = 6 * NANOS_PER_SEC;

/// How silent an arm is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct SilenceReading {
    /// Requests that it should have had since its last one.
    pub(crate) expected_requests: f64,
    /// Seconds since its last request, or since it was first seen.
    pub(crate) silent_secs: f64,
    /// Container restarts of its pods.
    pub(crate) restarts: f64,
    /// Restarts of the stable arm's pods since the new arm was first seen.
    pub(crate) stable_restarts: f64,
    /// Whether any pod of it ever served.
    pub(crate) has_served: bool,
    /// Pods of it.
    pub(crate) pods: usize,
    /// What follows.
    pub(crate) finding: SilenceFinding,
}

/// What follows from the silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum SilenceFinding {
    /// Nothing.
    Fine,
    /// Probably failing.
    Pause,
    /// Failing beyond doubt.
    Act,
}

/// Reads how silent the new arm is at `now`.
pub(crate) fn read(
    roster: &Roster,
    suspect: &Suspect,
    control_since_canary: u64,
    patience: UnixNanos,
    now: UnixNanos,
) -> SilenceReading {
    let canary: Vec<&PodRecord> = roster.of_arm(&suspect.arm).collect();
    let serving = |pod: &&PodRecord| pod.last_request_at.is_some();
    let stable = roster.of_arm(&suspect.stable).filter(serving).count().max(1);
    let share = canary.len() as f64 / (canary.len() + stable) as f64;
    let expected = control_since_canary as f64 * share / (1.0 - share).max(0.05) / DISPERSION;
    let last = roster.last_request_of(&suspect.arm);
    let silent_since = last.unwrap_or(suspect.first_at);
    let silent = (now - silent_since).max(0);
    let reading = SilenceReading {
        expected_requests: expected,
        silent_secs: silent as f64 / NANOS_PER_SEC as f64,
        restarts: canary.iter().map(|pod| pod.restarts).sum(),
        stable_restarts: roster
            .of_arm(&suspect.stable)
            .filter(|pod| pod.first_at >= suspect.first_at)
            .map(|pod| pod.restarts)
            .sum(),
        has_served: last.is_some(),
        pods: canary.len(),
        finding: SilenceFinding::Fine,
    };
    SilenceReading { finding: decide(&reading, silent, patience), ..reading }
}

fn decide(reading: &SilenceReading, silent: UnixNanos, patience: UnixNanos) -> SilenceFinding {
    let failing = reading.restarts > reading.stable_restarts;
    if failing && reading.restarts >= 3.0 {
        return SilenceFinding::Act;
    }
    let crashed = failing && silent >= RESTART_GRACE + patience;
    let never_came = !reading.has_served && silent >= START_UP + patience;
    // a pod that served and stopped while it is still counted among the living
    let fell_silent = reading.has_served && silent >= RESTART_GRACE.max(5 * patience / 2) && reading.pods > 0;
    if !(crashed || never_came || fell_silent) {
        return SilenceFinding::Fine;
    }
    match reading.expected_requests {
        q if q >= LN_ACT && crashed => SilenceFinding::Act,
        q if q >= LN_PAUSE => SilenceFinding::Pause,
        _ => SilenceFinding::Fine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(restarts: f64, has_served: bool, expected_requests: f64) -> SilenceReading {
        SilenceReading {
            expected_requests,
            silent_secs: 0.0,
            restarts,
            stable_restarts: 0.0,
            has_served,
            pods: 1,
            finding: SilenceFinding::Fine,
        }
    }

    /// Scenario: new pods that start slowly, crash, crash again, or fall silent. Guarantees: a slow start and a lack
    /// of expected traffic are never called failing; only crashes ask for action.
    #[test]
    fn only_crashes_ask_for_action() {
        let check = |restarts, served, expected, secs: i64, outcome| {
            let got = decide(&reading(restarts, served, expected), secs * NANOS_PER_SEC, NANOS_PER_SEC);
            assert_eq!(
                got, outcome,
                "restarts {restarts} served {served} expected {expected} after {secs} s"
            );
        };
        check(0.0, false, 50.0, 20, SilenceFinding::Fine);
        check(0.0, false, 50.0, 90, SilenceFinding::Pause);
        check(1.0, false, 50.0, 3, SilenceFinding::Fine);
        check(1.0, false, 50.0, 9, SilenceFinding::Act);
        check(1.0, false, 2.0, 9, SilenceFinding::Fine);
        check(3.0, true, 0.0, 1, SilenceFinding::Act);
        check(0.0, true, 50.0, 10, SilenceFinding::Pause);
        check(0.0, true, 1.0, 10, SilenceFinding::Fine);
    }
}
