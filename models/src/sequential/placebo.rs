//! Lasting differences between control pods, measured as if each of them were a canary.
//!
//! Over a window each control pod `k` has `ta` tempered bad events where `w` were due. Their spread beyond
//! chance is the between-pod variance `tau2` (DerSimonian & Laird's moment, inflated for few pods and shrunk
//! to a prior). A canary of `m` pods differs from `K` controls by luck of the pods with variance
//! `tau2 (1/m + 1/K)`; `Psi = 1 + tau2 V (1/m + 1/K)` divides the log-likelihood, `V` its information.

use serde::{Deserialize, Serialize};

/// Events, in units of their variance, at which the moment counts for a quarter of its degrees of freedom.
const TRUSTED_INFORMATION: f64 = 20.0;

/// What one control pod gathered.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Sums {
    ta: f64,
    w: f64,
}

/// The placebo sums of one signal, for the whole rollout and from each restart on.
///
/// # Invariants
/// At most one snapshot per restart, each as long as the number of slots at that time.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Placebo {
    pods: Vec<Sums>,
    starts: Vec<Vec<Sums>>,
}

/// The prior on the spread between pods.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PodPrior {
    pub(crate) sd: f64,
    pub(crate) pods: f64,
}

impl Placebo {
    /// Adds a tick: per slot the bad events and the events its share of requests would bring, both tempered.
    pub(crate) fn add(&mut self, tick: impl Iterator<Item = (f64, f64)>) {
        for (slot, (ta, w)) in tick.enumerate() {
            if slot >= self.pods.len() {
                self.pods.push(Sums::default());
            }
            if let Some(pod) = self.pods.get_mut(slot) {
                pod.ta += ta;
                pod.w += w;
            }
        }
    }

    /// Remembers the present sums as the start of a window.
    pub(crate) fn restart(&mut self) {
        self.starts.push(self.pods.clone());
    }

    /// Takes a sick pod out of all windows.
    pub(crate) fn remove(&mut self, slot: usize) {
        for sums in std::iter::once(&mut self.pods).chain(&mut self.starts) {
            if let Some(pod) = sums.get_mut(slot) {
                *pod = Sums::default();
            }
        }
    }

    /// `tau2` over the whole rollout, then for each restart the larger of its own window's and that.
    pub(crate) fn tau2(&self, prior: PodPrior) -> Vec<f64> {
        let whole = between(self.pods.iter().copied(), prior);
        let mut all = Vec::with_capacity(1 + self.starts.len());
        all.push(whole);
        for start in &self.starts {
            let window = self.pods.iter().enumerate().map(|(slot, pod)| {
                let from = start.get(slot).copied().unwrap_or_default();
                Sums { ta: pod.ta - from.ta, w: pod.w - from.w }
            });
            all.push(whole.max(between(window, prior)));
        }
        all
    }
}

fn between(pods: impl Iterator<Item = Sums> + Clone, prior: PodPrior) -> f64 {
    let (mut sum_ta, mut sum_w, mut k) = (0.0, 0.0, 0.0);
    for pod in pods.clone().filter(|pod| pod.w > 0.0) {
        sum_ta += pod.ta;
        sum_w += pod.w;
        k += 1.0;
    }
    let own = prior.sd * prior.sd;
    if k < 2.0 || sum_ta <= 0.0 {
        return own;
    }
    let f = sum_ta / sum_w;
    let (mut spread, mut information) = (0.0, 0.0);
    for pod in pods.filter(|pod| pod.w > 0.0) {
        let v = f * pod.w * (1.0 - pod.w / sum_w);
        if v > 0.0 {
            let miss = pod.ta - f * pod.w;
            spread += miss * miss / v;
            information += v;
        }
    }
    let excess = spread * (1.0 + 4.0 / (k - 1.0)) - (k - 1.0);
    let moment = if information > 0.0 { (excess / information).max(0.0) } else { 0.0 };
    // a moment from a handful of events is all noise: one more error in one of three pods would read as pods that
    // differ threefold, and would blind the test exactly where errors are rare
    let trust = information / (information + TRUSTED_INFORMATION);
    let degrees = (k - 1.0) * trust * trust;
    (prior.pods * own + degrees * moment) / (prior.pods + degrees)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRIOR: PodPrior = PodPrior { sd: 0.1, pods: 4.0 };

    fn placebo(factors: &[f64]) -> Placebo {
        let mut placebo = Placebo::default();
        for _ in 0..1000 {
            placebo.add(factors.iter().map(|factor| (5.0 * factor, 5.0)));
        }
        placebo
    }

    /// Scenario: pods that agree, and pods that differ by 20 % for good.
    /// Guarantees: the estimate is the shrunk prior in the first and near 0.04 in the second case.
    #[test]
    fn spread_is_estimated() {
        let even = placebo(&[1.0; 20]).tau2(PRIOR)[0];
        assert!((even - 0.04 / 23.0).abs() < 1e-4, "{even}");
        let factors: Vec<f64> = (0..20).map(|pod| if pod % 2 == 0 { 0.8 } else { 1.2 }).collect();
        let uneven = placebo(&factors).tau2(PRIOR)[0];
        assert!((0.03..0.06).contains(&uneven), "{uneven}");
    }

    /// Scenario: three pods, one error in one of them.
    /// Guarantees: that alone does not read as pods that differ by more than half (log rate).
    #[test]
    fn a_single_event_says_little_about_the_spread() {
        let mut pods = Placebo::default();
        pods.add([(1.0, 0.33), (0.0, 0.33), (0.0, 0.33)].into_iter());
        let tau2 = pods.tau2(PRIOR)[0];
        assert!(tau2 < 0.25, "{tau2}");
    }

    /// Scenario: pods that differed before a restart and agree after it; then one pod is removed.
    /// Guarantees: the restart keeps the larger spread, and a removed pod no longer counts.
    #[test]
    fn restart_never_knows_less_spread() {
        let mut pods = placebo(&[1.0, 1.0, 1.0, 2.0]);
        pods.restart();
        pods.add([(1.0, 1.0); 4].into_iter());
        let tau2 = pods.tau2(PRIOR);
        assert_eq!(tau2.len(), 2);
        assert!(tau2[1] >= tau2[0]);
        pods.remove(3);
        assert!(pods.tau2(PRIOR)[0] < tau2[0]);
    }
}
