//! CPU per request: a version that needs much more of it is a regression even while its answers are still fast.
//!
//! Pods of the stable arm tell how much pods differ; a canary is conspicuous when the log-ratio of CPU per request,
//! beyond a tolerance of 10 %, is many standard errors large. It fails a verdict; it never asks for `act`.

use std::collections::BTreeMap;

use engine::record::{NANOS_PER_SEC, UnixNanos};
use serde::{Deserialize, Serialize};

use super::roster::PodRecord;

/// A pod's first seconds are start-up, not service.
const START_UP: UnixNanos = 15 * NANOS_PER_SEC;
/// Ratio that is tolerated.
const TOLERANCE: f64 = 1.1;
/// Smallest ratio that is called a regression.
const RATIO_MIN: f64 = 1.25;
/// Standard errors beyond the tolerance.
const Z_MIN: f64 = 5.0;
/// Requests per arm before anything is said.
const REQUESTS_MIN: f64 = 200.0;
/// Prior: pods differ by 5 %, worth four pods.
const PRIOR_SD: f64 = 0.05;
const PRIOR_PODS: f64 = 4.0;

/// What a pod has used and done since the comparison began.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Account {
    cpu_secs: f64,
    requests: f64,
    last_at: UnixNanos,
}

/// The comparison.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct CostReading {
    /// CPU milliseconds per request, stable arm.
    pub(crate) expected_ms: f64,
    /// The same, new arm.
    pub(crate) observed_ms: f64,
    /// Largest value that is still normal.
    pub(crate) upper_ms: f64,
    /// Standard errors beyond the tolerance.
    pub(crate) z: f64,
    /// Whether it is a regression.
    pub(crate) is_regression: bool,
}

/// CPU accounts by pod number.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct CostWatch {
    accounts: BTreeMap<u32, Account>,
}

impl CostWatch {
    /// Starts anew.
    pub(crate) fn reset(&mut self) {
        self.accounts.clear();
    }

    /// CPU in cores over the interval since the pod's last report.
    pub(crate) fn on_cpu(&mut self, pod: &PodRecord, at: UnixNanos, cores: f64) {
        let account = self.accounts.entry(pod.idx).or_default();
        let gap = at - account.last_at;
        if account.last_at != 0
            && (1..300 * NANOS_PER_SEC).contains(&gap)
            && at > pod.first_at + START_UP
            && cores.is_finite()
        {
            account.cpu_secs += cores.max(0.0) * gap as f64 / NANOS_PER_SEC as f64;
        }
        account.last_at = account.last_at.max(at);
    }

    /// Requests served.
    pub(crate) fn on_requests(&mut self, pod: &PodRecord, at: UnixNanos, requests: u64) {
        let account = self.accounts.get_mut(&pod.idx).filter(|_| at > pod.first_at + START_UP);
        if let Some(account) = account {
            account.requests += requests as f64;
        }
    }

    /// Compares the arms; `None` while there is too little.
    pub(crate) fn compare(&self, control: &[u32], canary: &[u32]) -> Option<CostReading> {
        let (control_cpu, control_requests, shares) = self.pool(control);
        let (canary_cpu, canary_requests, canary_shares) = self.pool(canary);
        if shares.len() < 2
            || canary_shares.is_empty()
            || control_requests.min(canary_requests) < REQUESTS_MIN
        {
            return None;
        }
        let (expected, observed) = (control_cpu / control_requests, canary_cpu / canary_requests);
        if expected <= 0.0 || observed <= 0.0 {
            return None;
        }
        let spread: f64 = shares.iter().map(|share| libm::log(share / expected)).map(|d| d * d).sum();
        let pods = shares.len() as f64;
        let variance = (PRIOR_PODS * PRIOR_SD * PRIOR_SD + spread) / (PRIOR_PODS + pods - 1.0);
        // counters tick in hundredths of a second
        let grain = 0.01 / control_cpu.min(canary_cpu);
        let se = libm::sqrt(variance * (1.0 / pods + 1.0 / canary_shares.len() as f64)) + grain;
        let ratio = observed / expected;
        let z = libm::log(ratio / TOLERANCE) / se;
        Some(CostReading {
            expected_ms: 1e3 * expected,
            observed_ms: 1e3 * observed,
            upper_ms: 1e3 * expected * RATIO_MIN.max(TOLERANCE * libm::exp(Z_MIN * se)),
            z,
            is_regression: z >= Z_MIN && ratio >= RATIO_MIN,
        })
    }

    fn pool(&self, pods: &[u32]) -> (f64, f64, Vec<f64>) {
        let mut sum = (0.0, 0.0, Vec::new());
        for account in pods.iter().filter_map(|pod| self.accounts.get(pod)) {
            if account.requests >= 50.0 && account.cpu_secs > 0.0 {
                sum.0 += account.cpu_secs;
                sum.1 += account.requests;
                sum.2.push(account.cpu_secs / account.requests);
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::features::Arm;

    fn pod(idx: u32) -> PodRecord {
        let arm = Arm { version: "v1".into(), template_hash: "".into(), revision: "".into() };
        PodRecord {
            idx,
            arm,
            node: Arc::from(""),
            first_at: 0,
            last_at: 0,
            last_request_at: None,
            restarts: 0.0,
            export_interval: 0,
        }
    }

    fn watch(ms_per_request: &[f64]) -> CostWatch {
        let mut watch = CostWatch::default();
        for sec in 16..136 {
            for (idx, ms) in ms_per_request.iter().enumerate() {
                watch.on_cpu(&pod(idx as u32), sec * NANOS_PER_SEC, 10.0 * ms / 1e3);
                watch.on_requests(&pod(idx as u32), sec * NANOS_PER_SEC, 10);
            }
        }
        watch
    }

    /// Scenario: three stable pods and one new pod that needs as much, 10 % more, and 50 % more CPU per request.
    /// Guarantees: only the last is a regression.
    #[test]
    fn only_a_large_rise_of_cpu_per_request_is_a_regression() {
        for (canary, expected) in [(6.0, false), (6.6, false), (9.0, true)] {
            let reading = watch(&[5.8, 6.0, 6.2, canary]).compare(&[0, 1, 2], &[3]).expect("enough requests");
            assert_eq!(reading.is_regression, expected, "{canary}: {reading:?}");
        }
    }

    /// Scenario: one stable pod only. Guarantees: nothing is said.
    #[test]
    fn one_stable_pod_is_no_yardstick() {
        assert_eq!(watch(&[6.0, 9.0]).compare(&[0], &[1]), None);
    }
}
