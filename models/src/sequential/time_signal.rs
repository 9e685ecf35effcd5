//! The signal of a service's own time: the mean log time of the canary's requests against the control's.
//!
//! Mean logs see a slowdown of all requests sooner than counts above a limit do, and they cancel what slows both arms.
//! Tolerated is a factor (10 % by default), or what a pod's age excuses where that is more. What it does not do: judge
//! tails, which counts above the control's quantiles do.

use serde::{Deserialize, Serialize};

use super::SignalReading;
use super::canary_params::CanaryParams;
use super::placebo::PodPrior;
use super::pods::{Arm, PodCell, Row, Times};
use super::signal::{Context, dispersed, spread};
use super::stop::Luck;
use super::time_spread::TimeSpread;
use super::time_stop::TimeStop;

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
        let cells = |arm: &Arm| arm.pods.iter().chain([&arm.rest]).map(PodCell::times).collect::<Vec<_>>();
        let (control, pods) = (total(&cells(&row.control)), cells(&row.canary));
        let canary = total(&pods);
        let Some(variance) = self.spread.variance().filter(|_| control.n > 0.0 && canary.n > 0.0) else {
            return;
        };
        self.control.merge(&control);
        self.canary.merge(&canary);
        let tolerated = libm::log(ctx.params.tolerated_time);
        let beyond = |pod: &Times| pod.sum - pod.n * (tolerated - pod.excused_mean()).max(0.0);
        let canary_variance = variance.max(self.canary.variance());
        let excess: f64 = pods.iter().map(beyond).sum();
        let step = |n: f64, excess: f64| {
            (excess / n - control.sum / control.n, canary_variance / n + variance / control.n)
        };
        let (phi, local) = (self.spread.phi(), self.spread.local());
        let share = |n: f64| n / (control.n + n);
        self.stop.step(step(canary.n, excess), dispersed(phi, local, share(canary.n), (ctx.k, ctx.m)));
        for (process, pod) in self.without.iter_mut().zip(&pods) {
            let n = canary.n - pod.n;
            if n > 0.0 {
                let divisor = dispersed(phi, local, share(n), (ctx.k, ctx.m - 1.0));
                process.step(step(n, excess - beyond(pod)), divisor);
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

fn total(cells: &[Times]) -> Times {
    cells.iter().fold(Times::default(), |mut all, cell| {
        all.merge(cell);
        all
    })
}
