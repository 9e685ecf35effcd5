//! How one service's pods warm up: whole durations and the service's own time, learned from its good deploys.
//!
//! Every young pod is held against pods of the service that are much older at the same time, whichever version they
//! run. What it does not do: decide whether a deploy was good.

use models::sequential::{LogTimes, WarmupCurve, WarmupHistory, WarmupRecord};
use serde::{Deserialize, Serialize};

use super::cells::PodTally;
use super::yardstick::Limits;
use crate::features::LatencySketch;

/// A pod's age at the end of a tick, and what it did in it.
pub(crate) type Aged<'a> = (f64, &'a PodTally);

/// Which durations of a pod a kind is about.
type Durations = fn(&PodTally) -> &LatencySketch;

/// What is known of one kind of duration.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Kind {
    history: WarmupHistory,
    /// The present deploy, which is not known to be good yet.
    deploy: WarmupRecord,
    curve: WarmupCurve,
}

/// Warm-up of one service.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Warmup {
    whole: Kind,
    own: Kind,
}

impl Warmup {
    /// What the good deploys showed.
    pub(crate) fn curve(&self) -> &WarmupCurve {
        &self.whole.curve
    }

    /// Forgets the present deploy, which is over or was not good.
    pub(crate) fn begin(&mut self) {
        self.whole.deploy = WarmupRecord::default();
        self.own.deploy = WarmupRecord::default();
    }

    /// The present deploy turned out well.
    pub(crate) fn keep(&mut self) {
        for kind in [&mut self.whole, &mut self.own] {
            kind.history.keep(std::mem::take(&mut kind.deploy));
            kind.curve = kind.history.curve();
        }
    }

    /// As if the present deploy were known to be good.
    pub(crate) fn provisional(&self) -> Self {
        let mut good = self.clone();
        good.keep();
        good
    }

    /// Takes in a tick of `span_secs`.
    pub(crate) fn learn(&mut self, span_secs: f64, pods: &[Aged<'_>]) {
        let young = |age_secs: f64| age_secs - span_secs / 2.0 <= WarmupRecord::YOUNG_SECS;
        if !pods.iter().any(|(age_secs, _)| young(*age_secs)) {
            return;
        }
        let kinds: [(&mut Kind, Durations); 2] =
            [(&mut self.whole, |tally| &tally.durations), (&mut self.own, |tally| &tally.own)];
        for (kind, durations_of) in kinds {
            let times: Vec<(f64, LogTimes)> =
                pods.iter().map(|(age, tally)| (*age, log_times(durations_of(tally)))).collect();
            for (age_secs, own) in times.iter().filter(|(age, own)| young(*age) && own.n > 0.0) {
                let middle_secs = (age_secs - span_secs / 2.0).max(0.0);
                let mut old = LogTimes::default();
                let yardsticks =
                    times.iter().filter(|(age, _)| WarmupRecord::is_yardstick(*age, middle_secs));
                yardsticks.for_each(|(_, times)| old.merge(times));
                kind.deploy.add(middle_secs, own, &old);
            }
        }
    }

    /// The limits for a pod of the new arm: stretched by what its age excuses.
    pub(crate) fn excused(&self, limits: &Limits, age_secs: f64, span_secs: f64) -> Limits {
        limits.stretched(
            self.whole.curve.tolerated(age_secs, span_secs),
            self.own.curve.tolerated(age_secs, span_secs),
            self.own.curve.middle(age_secs, span_secs),
        )
    }

    /// The limits for a pod of the stable arm: stretched by what is to be expected of its age.
    pub(crate) fn expected(&self, limits: &Limits, age_secs: f64, span_secs: f64) -> Limits {
        let own = self.own.curve.expected(age_secs, span_secs);
        limits.stretched(self.whole.curve.expected(age_secs, span_secs), own, own)
    }
}

fn log_times(durations: &LatencySketch) -> LogTimes {
    let mut times = LogTimes::default();
    durations.ln_counts().for_each(|(ln, n)| times.add(ln, n as f64));
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(ms: u64) -> PodTally {
        let mut tally = PodTally { requests: 100, ..PodTally::default() };
        for nth in 0..10 {
            tally.durations.add(ms * 1_000 + nth * 100, 10);
            tally.own.add(ms * 500 + nth * 50, 10);
        }
        tally
    }

    /// Scenario: a deploy whose pod takes 30 ms beside an old one's 20 ms for ten seconds, and 20 ms at half a minute;
    /// first not known to be good, then kept. Guarantees: only then its early seconds are excused by about that much,
    /// and its later ones hardly, and what is excused lies well above what is expected; limits that are not there stay so.
    #[test]
    fn a_good_deploy_excuses_the_next_one() {
        let mut warmup = Warmup::default();
        let (old, slow) = (tally(20), tally(30));
        for sec in 1..40 {
            let young = if sec <= 10 { &slow } else { &old };
            warmup.learn(1.0, &[(4_000.0, &old), (f64::from(sec), young)]);
        }
        let limits = Limits { whole: Some([20e3, 30e3, 40e3]), ..Limits::default() };
        let factor = |warmup: &Warmup, age| warmup.excused(&limits, age, 1.0).whole.unwrap()[0] / 20e3;
        assert!((factor(&warmup, 4.0) - WarmupCurve::Prior.tolerated(4.0, 1.0)).abs() < 1e-9);
        warmup.keep();
        assert!((1.5..1.95).contains(&factor(&warmup, 4.0)), "{}", factor(&warmup, 4.0));
        assert!(factor(&warmup, 25.0) < 1.15, "{}", factor(&warmup, 25.0));
        assert_eq!(warmup.excused(&limits, 4.0, 1.0).own, None);
        let young = warmup.excused(&limits, 4.0, 1.0);
        assert!(young.own_expected.unwrap() + 0.1 < young.own_excused.unwrap(), "{young:?}");
        let expected = warmup.expected(&limits, 4.0, 1.0).whole.unwrap()[0] / 20e3;
        assert!((1.3..1.5).contains(&expected), "{expected}");
    }
}
