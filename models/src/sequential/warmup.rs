//! What young pods may be excused for: how much slower requests are by pod age.
//!
//! Before any deploy was seen that is the prior curve (latency is `1 + 0.6 e^(-age/60)` times the usual); after that
//! what the last deploys lead to expect of the next one (`warmup_decay`): mean and two standard deviations of its log factor, per
//! age bin. An age that no deploy showed is excused no more than the next younger one. The factor stretches the limits
//! that young pods are held against, so that nothing needs to be known about the shape of the latencies. Errors are never
//! excused. Which deploys turned out well is the caller's business.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::warmup_decay::{Seen, next_deploy};

/// Upper ends of the age bins in seconds.
pub(crate) const EDGES: [f64; 12] =
    [5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 450.0, 600.0];
pub(crate) const N_BINS: usize = EDGES.len();
/// Deploys a learned curve is made from, and a history keeps.
const N_DEPLOYS: usize = 5;
/// Of a request's log time at least: times are kept to within 1 %.
const VARIANCE_MIN: f64 = 4e-4;
/// What is excused lies so many standard deviations of the next deploy above its mean.
pub(crate) const EXCUSED_SDS: f64 = 2.0;

/// Sums over the logarithms of durations, in any unit.
///
/// ```
/// use models::sequential::LogTimes;
/// let mut times = LogTimes::default();
/// times.add(2.0, 3.0);
/// assert_eq!((times.n, times.sum, times.squares), (3.0, 6.0, 12.0));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct LogTimes {
    /// Requests.
    pub n: f64,
    /// Sum of the logarithms.
    pub sum: f64,
    /// Sum of their squares.
    pub squares: f64,
}

impl LogTimes {
    /// Adds a logarithm `n` times.
    pub fn add(&mut self, ln: f64, n: f64) {
        self.n += n;
        self.sum += n * ln;
        self.squares += n * ln * ln;
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.n += other.n;
        self.sum += other.sum;
        self.squares += other.squares;
    }

    fn mean(&self) -> f64 {
        self.sum / self.n
    }

    fn squares_around_mean(&self) -> f64 {
        (self.squares - self.sum * self.sum / self.n).max(0.0)
    }
}

/// How much slower young pods may be, by age.
///
/// ```
/// use models::sequential::WarmupCurve;
/// assert!((WarmupCurve::Prior.tolerated(0.0, 0.0) - 1.6).abs() < 1e-9);
/// assert_eq!(WarmupCurve::None.tolerated(0.0, 0.0), 1.0);
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub enum WarmupCurve {
    /// Pods are at full speed from the start.
    None,
    /// No deploy was recorded yet.
    #[default]
    Prior,
    /// Log factor per age bin: what is to be expected, and what is tolerated.
    Learned(Vec<(f64, f64)>),
}

/// Durations by pod age of one deploy, from which a curve is learned.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WarmupRecord {
    bins: Vec<Bin>,
}

#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Bin {
    young: LogTimes,
    old: LogTimes,
}

fn bin_of(age_secs: f64) -> Option<usize> {
    EDGES.iter().position(|&edge| age_secs < edge)
}

impl WarmupRecord {
    /// Up to this age a pod is young.
    pub const YOUNG_SECS: f64 = EDGES[N_BINS - 1];

    /// Whether a pod of age `old_secs` shows how fast one of `young_secs` will be: four times as old, half a minute at
    /// least.
    #[must_use]
    pub fn is_yardstick(old_secs: f64, young_secs: f64) -> bool {
        old_secs >= 30.0_f64.max(4.0 * young_secs)
    }

    /// Adds what a pod of this age and its yardsticks did in the same time.
    pub fn add(&mut self, age_secs: f64, young: &LogTimes, old: &LogTimes) {
        let Some(nth) = bin_of(age_secs).filter(|_| young.n > 0.0 && old.n > 0.0) else { return };
        self.bins.resize(N_BINS, Bin::default());
        if let Some(bin) = self.bins.get_mut(nth) {
            bin.young.merge(young);
            bin.old.merge(old);
        }
    }

    /// Whether no young pod was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bins.is_empty()
    }

    /// Bins with requests of both, and what chance does to them: requests vary as they do in all bins together, since a few alike
    /// would pass for exact.
    fn seen(&self) -> Vec<Seen> {
        let both = |bin: &&Bin| bin.young.n >= 2.0 && bin.old.n >= 2.0;
        let of_request = |pick: fn(&Bin) -> &LogTimes| {
            let times = || self.bins.iter().filter(both).map(pick);
            let dof: f64 = times().map(|times| times.n - 1.0).sum();
            (times().map(LogTimes::squares_around_mean).sum::<f64>() / dof).max(VARIANCE_MIN)
        };
        let (young, old) = (of_request(|bin| &bin.young), of_request(|bin| &bin.old));
        let bins = self.bins.iter().enumerate().filter(|(_, bin)| both(bin));
        bins.map(|(nth, bin)| Seen {
            bin: nth,
            ln_factor: bin.young.mean() - bin.old.mean(),
            variance: young / bin.young.n + old / bin.old.n,
        })
        .collect()
    }
}

/// The newest good deploys of one service, at most five.
///
/// ```
/// use models::sequential::{WarmupCurve, WarmupHistory};
/// assert_eq!(WarmupHistory::default().curve(), WarmupCurve::Prior);
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct WarmupHistory(VecDeque<WarmupRecord>);

impl WarmupHistory {
    /// Keeps a deploy that turned out well; one without a young pod says nothing.
    pub fn keep(&mut self, deploy: WarmupRecord) {
        if deploy.is_empty() {
            return;
        }
        if self.0.len() == N_DEPLOYS {
            self.0.pop_front();
        }
        self.0.push_back(deploy);
    }

    /// What the kept deploys lead to expect of the next one.
    #[must_use]
    pub fn curve(&self) -> WarmupCurve {
        if self.0.is_empty() {
            return WarmupCurve::Prior;
        }
        let deploys: Vec<Vec<Seen>> = self.0.iter().map(WarmupRecord::seen).collect();
        let mut bins: Vec<(f64, f64)> = Vec::with_capacity(N_BINS);
        for (nth, (mean, sd)) in next_deploy(&deploys).into_iter().enumerate() {
            let told = (mean, mean + EXCUSED_SDS * sd);
            let is_seen = deploys.iter().flatten().any(|seen| seen.bin == nth);
            bins.push(if is_seen {
                told
            } else {
                unseen(bins.last(), libm::log(prior(age_middle(nth))), told)
            });
        }
        WarmupCurve::Learned(bins)
    }
}

impl WarmupCurve {
    /// The factor that is tolerated, averaged over the last `span_secs` of a pod's life; at least 1.
    #[must_use]
    pub fn tolerated(&self, age_secs: f64, span_secs: f64) -> f64 {
        self.average(age_secs, span_secs, |(_, tolerated)| tolerated)
    }

    /// The factor that is to be expected: 1 unless deploys showed otherwise.
    #[must_use]
    pub fn expected(&self, age_secs: f64, span_secs: f64) -> f64 {
        match self {
            Self::None | Self::Prior => 1.0,
            Self::Learned(_) => self.average(age_secs, span_secs, |(expected, _)| expected),
        }
    }

    /// The factor around which that of the next deploy is guessed, [`tolerated`](Self::tolerated) being its upper end: what
    /// deploys lead to expect. Before any was seen there is no middle, and it is the tolerated one.
    #[must_use]
    pub fn middle(&self, age_secs: f64, span_secs: f64) -> f64 {
        match self {
            Self::None | Self::Prior => self.tolerated(age_secs, span_secs),
            Self::Learned(_) => self.expected(age_secs, span_secs),
        }
    }

    fn average(&self, age_secs: f64, span_secs: f64, pick: impl Fn((f64, f64)) -> f64) -> f64 {
        if !age_secs.is_finite() || age_secs - span_secs > WarmupRecord::YOUNG_SECS {
            return 1.0;
        }
        let span = if span_secs.is_finite() { span_secs.clamp(0.0, age_secs.max(0.0)) } else { 0.0 };
        let steps = if span > 2.0 { 5 } else { 1 };
        let at = |step: i32| (age_secs - span * (f64::from(step) + 0.5) / f64::from(steps)).max(0.0);
        let sum: f64 = (0..steps).map(|step| self.at_age(at(step), &pick)).sum();
        (sum / f64::from(steps)).max(1.0)
    }

    fn at_age(&self, age_secs: f64, pick: impl Fn((f64, f64)) -> f64) -> f64 {
        match self {
            Self::None => 1.0,
            Self::Prior => prior(age_secs),
            Self::Learned(bins) => libm::exp(between(bins, age_secs, pick).clamp(0.0, 3.0)),
        }
    }
}

/// On the line from one bin's middle to the next one's: a pod does not speed up at the edge of a bin.
fn between(bins: &[(f64, f64)], age_secs: f64, pick: impl Fn((f64, f64)) -> f64) -> f64 {
    let value = |nth: usize| bins.get(nth).map_or(0.0, |bin| pick(*bin));
    if bin_of(age_secs).is_none() {
        return 0.0;
    }
    let Some(next) = (0..N_BINS).find(|&nth| age_secs < age_middle(nth)) else { return value(N_BINS - 1) };
    let Some(last) = next.checked_sub(1) else { return value(0) };
    let (from, to) = (age_middle(last), age_middle(next));
    value(last) + (value(next) - value(last)) * (age_secs - from) / (to - from)
}

fn age_middle(nth: usize) -> f64 {
    let low = if nth == 0 { 0.0 } else { EDGES[nth - 1] };
    (low + EDGES[nth]) / 2.0
}

/// Mean of the next deploy's log factor and its upper end at an age that no deploy showed: as the younger ages lead to expect,
/// and no more than the prior curve or the next younger age. Pods that are at full speed after half a minute do not slow
/// down after a whole one.
fn unseen(younger: Option<&(f64, f64)>, prior: f64, (mean, tolerated): (f64, f64)) -> (f64, f64) {
    let most = younger.map_or(prior, |(_, tolerated)| *tolerated).clamp(0.0, prior);
    let mean = mean.clamp(0.0, prior / 2.0);
    (mean.min(most), tolerated.clamp(mean.min(most), most))
}

/// The factor that is tolerated as long as nothing is known.
fn prior(age_secs: f64) -> f64 {
    1.0 + 0.6 * libm::exp(-age_secs.max(0.0) / 60.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` requests whose log durations have this mean and standard deviation.
    fn times(n: f64, mean: f64, sd: f64) -> LogTimes {
        let mut times = LogTimes::default();
        times.add(mean - sd, n / 2.0);
        times.add(mean + sd, n / 2.0);
        times
    }

    /// Ages and factors of one deploy.
    type Deploy<'a> = &'a [(f64, f64)];

    fn history(by_deploy: &[Deploy<'_>], n: f64) -> WarmupHistory {
        let mut history = WarmupHistory::default();
        for ages in by_deploy {
            let mut record = WarmupRecord::default();
            for (age_secs, factor) in *ages {
                record.add(*age_secs, &times(n, libm::log(*factor), 0.8), &times(20.0 * n, 0.0, 0.8));
            }
            history.keep(record);
        }
        history
    }

    /// Scenario: deploys whose pods are half as fast in their first seconds only, one of them and then five.
    /// Guarantees: the learned curve excuses those seconds, later ones less than the prior does; what is expected stays below
    /// what is tolerated; more deploys are surer, and of a usual warm-up, by a quarter, they excuse less. (A single deploy as
    /// unusual as this one is not wholly believed.)
    #[test]
    fn learned_curve_follows_the_deploys() {
        let deploy: Deploy<'_> = &[(4.0, 2.0), (25.0, 1.0)];
        let (one, five) = (history(&[deploy], 1000.0).curve(), history(&[deploy; 5], 1000.0).curve());
        for curve in [&one, &five] {
            assert!((2.0..3.5).contains(&curve.tolerated(4.0, 1.0)), "{curve:?}");
            assert!(curve.tolerated(25.0, 1.0) < 0.85 * WarmupCurve::Prior.tolerated(25.0, 1.0), "{curve:?}");
            assert!(curve.expected(4.0, 1.0) < curve.tolerated(4.0, 1.0));
        }
        let unsure = |curve: &WarmupCurve| curve.tolerated(4.0, 1.0) / curve.expected(4.0, 1.0);
        assert!(unsure(&five) < unsure(&one), "{one:?} {five:?}");
        let usual: Deploy<'_> = &[(4.0, 1.25), (25.0, 1.0)];
        let excused = |deploys: &[Deploy<'_>]| history(deploys, 1000.0).curve().tolerated(4.0, 1.0);
        assert!(excused(&[usual; 5]) < excused(&[usual]));
        assert!(five.tolerated(25.0, 1.0) < 1.1, "{five:?}");
    }

    /// Scenario: five deploys without any warm-up, counted over few requests, so that chance alone moves each of them.
    /// Guarantees: chance is not taken for deploys that differ.
    #[test]
    fn chance_among_few_requests_is_no_warm_up() {
        let seen = [0.92, 1.09, 1.0, 1.07, 0.95].map(|factor| [(25.0, factor)]);
        let seen: Vec<Deploy<'_>> = seen.iter().map(<[(f64, f64); 1]>::as_slice).collect();
        let curve = history(&seen, 100.0).curve();
        assert!(curve.tolerated(25.0, 1.0) < 1.2, "{curve:?}");
    }

    /// Scenario: more deploys than are kept, and one without young pods. Guarantees: the newest five count.
    #[test]
    fn history_keeps_the_newest() {
        let (slow, fast): (Deploy<'_>, Deploy<'_>) = (&[(4.0, 3.0)], &[(4.0, 1.0)]);
        let mut kept = history(&[slow, slow, slow, fast, fast, fast, fast, fast], 1000.0);
        kept.keep(WarmupRecord::default());
        assert_eq!(kept, history(&[fast; 5], 1000.0));
        assert_eq!(WarmupHistory::default().curve(), WarmupCurve::Prior);
    }

    /// Scenario: deploys whose pods were seen up to half a minute, at full speed from ten seconds on; and deploys whose
    /// pods slowed down again after that. Guarantees: without a sign of it a pod of a minute is not excused more than one of
    /// half a minute, and is expected at full speed; what deploys showed is excused.
    #[test]
    fn warm_up_does_not_grow_with_age_by_itself() {
        let (seen, late): (Deploy<'_>, Deploy<'_>) =
            (&[(4.0, 1.3), (15.0, 1.0), (25.0, 1.0)], &[(4.0, 1.3), (25.0, 1.0), (52.0, 1.3)]);
        let one = history(&[seen], 1000.0).curve();
        assert!(one.tolerated(50.0, 1.0) <= one.tolerated(26.0, 1.0) + 1e-9, "{one:?}");
        assert!(one.expected(50.0, 1.0) < 1.02, "{one:?}");
        let five = history(&[late; 5], 1000.0).curve();
        assert!(five.tolerated(53.0, 1.0) > 1.3, "{five:?}");
    }

    /// Scenario: ages and spans at and beyond the ends. Guarantees: a finite factor of at least 1; the average over an
    /// export lies between its ends.
    #[test]
    fn any_age_has_a_factor() {
        for curve in [WarmupCurve::None, WarmupCurve::Prior, history(&[&[(4.0, 0.5)]], 10.0).curve()] {
            for age in [f64::NAN, -1.0, 0.0, 3.0, 599.0, 1e9] {
                let factor = curve.tolerated(age, 60.0);
                assert!((1.0..2.0).contains(&factor), "{curve:?} {age}: {factor}");
            }
        }
        let over = WarmupCurve::Prior.tolerated(60.0, 60.0);
        assert!(over < 1.6 && over > WarmupCurve::Prior.tolerated(60.0, 0.0));
    }
}
