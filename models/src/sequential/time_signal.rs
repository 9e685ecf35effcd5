//! The signal of a service's own time: the mean log time of the canary's requests against the control's.
//!
//! Mean logs see a slowdown of all requests sooner than counts above a limit do, and they cancel what slows both arms.
//! Tolerated is a factor (10 % by default), or what earlier releases lead to expect of a young pod where that is more; how
//! much worse this release warms up is averaged over ([`Sums::ln_e`](super::time_mixture::Sums::ln_e)). What it does not do:
//! judge tails, which counts above the control's quantiles do.

use serde::{Deserialize, Serialize};

use super::SignalReading;
use super::canary_params::CanaryParams;
use super::placebo::PodPrior;
use super::pods::{Arm, PodCell, Row, Times};
use super::signal::{Context, dispersed, spread};
use super::stop::Luck;
use super::time_mixture::Difference;
use super::time_spread::TimeSpread;
use super::time_stop::TimeStop;
use super::warmup::EXCUSED_SDS;

/// How far a release's warm-up strays from the learned curve's shape, in parts of how far releases differ; and for how
/// long, these seconds and half of the pod's age.
const SHAPE: f64 = 0.3;
const SHAPE_SECS: f64 = 5.0;

/// State of the signal.
///
/// # Invariants
/// `without` has one process per canary slot.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct TimeSignal {
    spread: TimeSpread,
    stop: TimeStop,
    without: Vec<TimeStop>,
    /// Requests of each arm since the release: of the control beside the canary, and of the canary.
    control: Times,
    canary: Times,
}

/// Evidence of the signal after a tick.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TimeEvidence {
    pub(crate) ln_e: f64,
    pub(crate) tau2: f64,
}

impl TimeSignal {
    /// Starts the evidence anew; what is known of the controls stays.
    pub(crate) fn released(&mut self) {
        let spread = std::mem::take(&mut self.spread);
        *self = Self { spread, ..Self::default() };
    }

    /// For the time when the present canary is the control.
    pub(crate) fn heir(&self) -> Self {
        Self { spread: self.spread.heir(), ..Self::default() }
    }

    /// Takes the controls of a tick into the dispersion.
    pub(crate) fn disperse(&mut self, control: &Arm) {
        self.spread.add(control);
    }

    /// Ends the block of the dispersion, and with it the block of the stop processes.
    pub(crate) fn close_block(&mut self) {
        self.spread.close_block();
        self.stop.close_block();
        self.without.iter_mut().for_each(TimeStop::close_block);
    }

    /// Starts one more copy of the evidence.
    pub(crate) fn restart(&mut self) {
        self.stop.restart();
        self.without.iter_mut().for_each(TimeStop::restart);
    }

    /// Forgets what a sick pod did.
    pub(crate) fn drop_pod(&mut self, slot: usize) {
        self.spread.drop_pod(slot);
    }

    /// Decides a tick.
    pub(crate) fn decide(&mut self, row: &Row, ctx: Context<'_>) {
        while self.without.len() < row.canary.pods.len() {
            self.without.push(self.stop.clone());
        }
        let control = total(&row.control);
        let canary = total(&row.canary);
        let Some(variance) = self.spread.variance().filter(|_| control.n > 0.0 && canary.n > 0.0) else {
            return;
        };
        self.control.merge(&control);
        self.canary.merge(&canary);
        let young = Young {
            tolerated: libm::log(ctx.params.tolerated_time),
            control_mean: control.sum / control.n,
            variance: variance.max(self.canary.variance_beyond_chance()),
            span_secs: row.span_secs,
        };
        let (phi, local) = (self.spread.phi(), self.spread.local());
        let divisor = |n: f64, m: f64| dispersed(phi, local, n / (control.n + n), (ctx.k, m));
        let heard = cells(&row.canary).enumerate().filter(|(_, pod)| pod.times().n > 0.0);
        let pods: Vec<(usize, Difference)> = heard.map(|(nth, pod)| (nth, young.difference(pod))).collect();
        let but = |slot: Option<usize>| {
            pods.iter().filter(move |(nth, _)| Some(*nth) != slot).map(|(_, difference)| *difference)
        };
        self.stop.step(but(None), variance / control.n, divisor(canary.n, ctx.m));
        for (slot, (process, pod)) in self.without.iter_mut().zip(&row.canary.pods).enumerate() {
            let n = canary.n - pod.times().n;
            if n > 0.0 {
                process.step(but(Some(slot)), variance / control.n, divisor(n, ctx.m - 1.0));
            }
        }
    }

    /// What the signal says now.
    pub(crate) fn evidence(&self, ctx: Context<'_>) -> TimeEvidence {
        let tau2 = self.spread.tau2(prior(ctx.params));
        let luck = Luck { tau2: &[tau2], spread: spread(ctx.m, ctx.k) };
        TimeEvidence { ln_e: self.stop.ln_e(luck), tau2 }
    }

    /// Log evidence without the canary pod in `slot`.
    pub(crate) fn ln_e_without(&self, slot: usize, seen: TimeEvidence, ctx: Context<'_>) -> f64 {
        let luck = Luck { tau2: &[seen.tau2], spread: spread(ctx.m - 1.0, ctx.k) };
        self.without.get(slot).map_or(0.0, |process| process.ln_e(luck))
    }

    /// The numbers shown to people: typical times (geometric means), in the unit of the times.
    pub(crate) fn reading(&self, seen: TimeEvidence, ctx: Context<'_>) -> SignalReading {
        let typical = |arm: &Times| if arm.n > 0.0 { libm::exp(arm.raw_mean()) } else { 0.0 };
        let (expected, observed, phi) = (typical(&self.control), typical(&self.canary), self.spread.phi());
        let per_request = self.spread.variance().unwrap_or(0.0) * phi;
        let chance = per_request / self.canary.n.max(1.0) + per_request / self.control.n.max(1.0);
        let reach = libm::exp(2.576 * libm::sqrt(chance + seen.tau2 * spread(ctx.m, ctx.k)));
        let excused = libm::exp(self.canary.excused_mean());
        SignalReading {
            ln_e: seen.ln_e,
            expected,
            observed,
            lower: expected / reach,
            upper: expected * ctx.params.tolerated_time.max(excused) * reach,
            phi,
            pod_sd: libm::sqrt(seen.tau2),
            canary_requests: self.canary.n as u64,
            control_requests: self.control.n as u64,
            ..SignalReading::default()
        }
    }
}

fn prior(params: &CanaryParams) -> PodPrior {
    PodPrior { sd: params.prior_pod_time_sd, pods: params.prior_pods }
}

fn cells(arm: &Arm) -> impl Iterator<Item = &PodCell> {
    arm.pods.iter().chain([&arm.rest])
}

fn total(arm: &Arm) -> Times {
    cells(arm).fold(Times::default(), |mut all, cell| {
        all.merge(&cell.times());
        all
    })
}

/// What a canary pod is held against.
#[derive(Debug, Clone, Copy)]
struct Young {
    tolerated: f64,
    control_mean: f64,
    /// Of a single request's log time.
    variance: f64,
    span_secs: f64,
}

impl Young {
    /// A pod's difference from the control. An error of the curve's shape that all requests of some ticks share counts as one
    /// of each tick's own, of a variance that is larger by the number of those ticks.
    fn difference(&self, pod: &PodCell) -> Difference {
        let times = pod.times();
        let most = times.excused_mean().max(self.tolerated);
        let middle = (times.excused_mean() - times.unsure_mean()).max(self.tolerated);
        let lean = (most - middle) / EXCUSED_SDS;
        let ticks = ((SHAPE_SECS + pod.age_secs / 2.0) / self.span_secs).max(1.0);
        let shape = if lean > 0.0 { SHAPE * SHAPE * lean * lean * ticks } else { 0.0 };
        Difference {
            excess: times.raw_mean() - middle - self.control_mean,
            variance: self.variance / times.n + shape,
            lean,
        }
    }
}
