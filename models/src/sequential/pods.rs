//! Pods get slots, ticks become dense rows over the slots. Bounded: pods beyond the limit share one cell.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::dispersion::Cell;
use super::{N_COUNTED, OwnTimes, PodCounts, PodIdx, Tick};

/// Log times as numbers, less what their pods' ages excuse; one pod's or several pods' sum.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Times {
    pub(crate) n: f64,
    pub(crate) sum: f64,
    pub(crate) squares: f64,
    /// What was taken off the sum.
    pub(crate) excused: f64,
    /// How much of that is not to be expected.
    pub(crate) unsure: f64,
}

impl Times {
    fn of(own: &OwnTimes) -> Self {
        let micros = |value: i64| value as f64 / 1e6;
        let (n, raw, excused) = (own.requests as f64, micros(own.ln_micros), micros(own.excused_ln_micros));
        Self {
            n,
            sum: raw - n * excused,
            squares: micros(own.ln_squares_micros) - 2.0 * excused * raw + n * excused * excused,
            excused: n * excused,
            unsure: n * micros(own.unsure_ln_micros),
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.n += other.n;
        self.sum += other.sum;
        self.squares += other.squares;
        self.excused += other.excused;
        self.unsure += other.unsure;
    }

    /// What is excused per request.
    pub(crate) fn excused_mean(&self) -> f64 {
        if self.n > 0.0 { self.excused / self.n } else { 0.0 }
    }

    /// How much of that is not to be expected, per request.
    pub(crate) fn unsure_mean(&self) -> f64 {
        if self.n > 0.0 { self.unsure / self.n } else { 0.0 }
    }

    /// Mean log time with nothing excused.
    pub(crate) fn raw_mean(&self) -> f64 {
        if self.n > 0.0 { (self.sum + self.excused) / self.n } else { 0.0 }
    }

    /// What the variance among the requests is at least, two of its standard errors off; 0 while there are too few for one.
    /// The larger of a known variance and a plain estimate would be too large by chance half of the time.
    pub(crate) fn variance_beyond_chance(&self) -> f64 {
        if self.n < 30.0 {
            return 0.0;
        }
        let dof = self.n - 1.0;
        let variance = (self.squares - self.sum * self.sum / self.n) / dof;
        variance / (1.0 + 2.0 * libm::sqrt(2.0 / dof))
    }
}

/// One pod's counts as numbers, or several pods' sum.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct PodCell {
    pub(crate) n: f64,
    pub(crate) bad: [f64; N_COUNTED],
    pub(crate) own: Times,
    pub(crate) age_secs: f64,
    /// Too young for its latencies to mean anything.
    pub(crate) is_unripe: bool,
}

impl PodCell {
    pub(crate) fn signal(&self, s: usize) -> Cell {
        if s > 0 && self.is_unripe {
            return Cell::default();
        }
        Cell { n: self.n, a: self.bad.get(s).copied().unwrap_or(0.0) }
    }

    pub(crate) fn times(&self) -> Times {
        if self.is_unripe { Times::default() } else { self.own }
    }

    /// As if the pod had served nothing.
    pub(crate) fn silence(&mut self) {
        *self = Self { age_secs: self.age_secs, is_unripe: self.is_unripe, ..Self::default() };
    }

    fn add(&mut self, pod: &PodCounts) {
        self.own.merge(&Times::of(&pod.own));
        self.n += pod.requests as f64;
        for (sum, bad) in self.bad.iter_mut().zip(pod.bad) {
            *sum += bad.min(pod.requests) as f64;
        }
        self.age_secs = if pod.age_secs.is_finite() { pod.age_secs.max(0.0) } else { f64::MAX };
    }
}

/// The slots of one arm.
///
/// # Invariants
/// Slots are given in order of arrival (by pod number within a tick) and never change hands; at most `limit`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PodSlots {
    slots: BTreeMap<PodIdx, usize>,
    seen_at: Vec<i64>,
    limit: usize,
    pub(crate) over_limit: u64,
}

/// One arm in one tick: a cell per slot, and one for pods without a slot.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Arm {
    pub(crate) pods: Vec<PodCell>,
    pub(crate) rest: PodCell,
}

impl Arm {
    /// Requests and bad events of all pods.
    pub(crate) fn total(&self, s: usize) -> Cell {
        let mut sum = self.rest.signal(s);
        for pod in &self.pods {
            let cell = pod.signal(s);
            sum.n += cell.n;
            sum.a += cell.a;
        }
        sum
    }
}

/// Both arms in one tick.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Row {
    pub(crate) at: i64,
    pub(crate) span_secs: f64,
    pub(crate) control: Arm,
    pub(crate) canary: Arm,
}

impl PodSlots {
    pub(crate) fn new(limit: u32) -> Self {
        Self { slots: BTreeMap::new(), seen_at: Vec::new(), limit: limit as usize, over_limit: 0 }
    }

    /// The counts of a tick by slot; new pods get one.
    pub(crate) fn arm(&mut self, at: i64, counts: &[PodCounts]) -> Arm {
        let mut new: Vec<PodIdx> =
            counts.iter().map(|pod| pod.pod).filter(|pod| !self.slots.contains_key(pod)).collect();
        new.sort_unstable();
        new.dedup();
        for pod in new {
            if self.slots.len() < self.limit {
                self.slots.insert(pod, self.seen_at.len());
                self.seen_at.push(at);
            } else {
                self.over_limit = self.over_limit.saturating_add(1);
            }
        }
        let mut arm = Arm { pods: vec![PodCell::default(); self.seen_at.len()], rest: PodCell::default() };
        for pod in counts {
            let slot = self.slots.get(&pod.pod).copied();
            if let Some(seen) = slot.and_then(|slot| self.seen_at.get_mut(slot)) {
                *seen = at;
            }
            slot.and_then(|slot| arm.pods.get_mut(slot)).unwrap_or(&mut arm.rest).add(pod);
        }
        arm
    }

    /// Slots heard of within `secs` before `at`.
    pub(crate) fn alive(&self, at: i64, secs: f64) -> impl Iterator<Item = usize> + '_ {
        let nanos = (secs * 1e9) as i64;
        let since = at.saturating_sub(nanos);
        self.seen_at.iter().enumerate().filter(move |&(_, &seen)| seen >= since).map(|(slot, _)| slot)
    }
}

/// A tick by slots.
pub(crate) fn row(tick: &Tick<'_>, control: &mut PodSlots, canary: &mut PodSlots) -> Row {
    let span_secs = tick.span_secs;
    Row {
        at: tick.at,
        span_secs,
        control: control.arm(tick.at, tick.control),
        canary: canary.arm(tick.at, tick.canary),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(pod: u32) -> PodCounts {
        let own = OwnTimes::default();
        PodCounts { pod: PodIdx(pod), requests: 10, bad: [1, 99, 0, 0, 0], own, age_secs: f64::NAN }
    }

    /// Scenario: more pods than slots, in any order, with impossible counts.
    /// Guarantees: totals hold all pods, slots do not depend on the order, bad counts stay within requests.
    #[test]
    fn pods_beyond_the_limit_share_a_cell() {
        let mut slots = PodSlots::new(2);
        let arm = slots.arm(0, &[counts(7), counts(3), counts(5)]);
        assert_eq!((arm.pods.len(), slots.over_limit, arm.total(0).n, arm.total(1).a), (2, 1, 30.0, 30.0));
        assert_eq!(slots.slots.get(&PodIdx(3)), Some(&0));
        assert_eq!(slots.alive(90_000_000_000, 60.0).count(), 0);
    }
}
