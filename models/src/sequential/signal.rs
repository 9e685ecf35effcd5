//! One signal of the canary test: dispersion, placebo, stop and pass processes, fed in the right order.

use serde::{Deserialize, Serialize};

use super::canary_params::CanaryParams;
use super::dispersion::{Blocks, Cell, local};
use super::grid::Split;
use super::placebo::{Placebo, PodPrior};
use super::pods::{Arm, Row};
use super::promotion::PassProcess;
use super::stop::{Luck, Step, StopProcess};
use super::{Mode, SignalReading};

/// What the decision of a tick needs beside the counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) params: &'a CanaryParams,
    /// Usable control pods.
    pub(crate) k: f64,
    /// Canary pods.
    pub(crate) m: f64,
}

/// State of one signal.
///
/// # Invariants
/// `without` has one process per canary slot; every vector is bounded by the slots of its arm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Signal {
    nth: usize,
    blocks: Blocks,
    open: Vec<Cell>,
    previous: Vec<Cell>,
    placebo: Placebo,
    stop: StopProcess,
    without: Vec<StopProcess>,
    pass: PassProcess,
    before: Cell,
    control: Cell,
    canary: Cell,
}

/// Evidence of one signal after a tick.
#[derive(Debug, Clone)]
pub(crate) struct SignalEvidence {
    pub(crate) tau2: Vec<f64>,
    pub(crate) ln_e: f64,
    pub(crate) ln_pass: f64,
    pub(crate) excluded: Option<f64>,
}

impl Signal {
    pub(crate) fn new(nth: usize, mode: Mode, excluded_odds: f64) -> Self {
        let lengths = match mode {
            Mode::Events => [1, 5, 20, 60],
            Mode::Metrics { export_interval_secs } if export_interval_secs <= 30.0 => [1, 2, 4, 8],
            Mode::Metrics { .. } => [1, 2, 5, 10],
        };
        Self {
            nth,
            blocks: Blocks::new(lengths),
            open: Vec::new(),
            previous: Vec::new(),
            placebo: Placebo::default(),
            stop: StopProcess::default(),
            without: Vec::new(),
            pass: PassProcess::new(excluded_odds),
            before: Cell::default(),
            control: Cell::default(),
            canary: Cell::default(),
        }
    }

    /// Starts the evidence anew; dispersion and rates of the controls become history.
    pub(crate) fn released(&mut self, excluded_odds: f64) {
        self.before.n += self.control.n;
        self.before.a += self.control.a;
        (self.control, self.canary) = (Cell::default(), Cell::default());
        self.placebo = Placebo::default();
        self.stop = StopProcess::default();
        self.without = Vec::new();
        self.pass = PassProcess::new(excluded_odds);
    }

    /// Takes the controls of a tick into the dispersion.
    pub(crate) fn disperse(&mut self, control: &Arm) {
        let nth = self.nth;
        self.blocks.add(control.pods.iter().map(|pod| pod.signal(nth)));
        self.open.resize(control.pods.len(), Cell::default());
        for (sum, pod) in self.open.iter_mut().zip(&control.pods) {
            let cell = pod.signal(nth);
            sum.n += cell.n;
            sum.a += cell.a;
        }
    }

    /// Counts a tick before the release.
    pub(crate) fn remember(&mut self, control: &Arm) {
        let total = control.total(self.nth);
        self.before.n += total.n;
        self.before.a += total.a;
    }

    /// Dispersion around the tick on aligned events: the open block and the one before.
    pub(crate) fn local_of_blocks(&self) -> f64 {
        local(self.open.iter().copied()).max(local(self.previous.iter().copied()))
    }

    /// Dispersion over the cells of control pods and exports of these ticks.
    pub(crate) fn local_of_rows<'r>(&self, rows: impl Iterator<Item = &'r Row> + Clone) -> f64 {
        let nth = self.nth;
        local(rows.flat_map(move |row| row.control.pods.iter().map(move |pod| pod.signal(nth))))
    }

    /// Ends the block of the dispersion, and with it the block of the stop processes.
    pub(crate) fn close_block(&mut self) {
        self.previous = std::mem::take(&mut self.open);
        self.stop.close_block();
        self.without.iter_mut().for_each(StopProcess::close_block);
    }

    /// Starts one more copy of the evidence.
    pub(crate) fn restart(&mut self) {
        self.stop.restart();
        self.without.iter_mut().for_each(StopProcess::restart);
        self.placebo.restart();
    }

    /// Forgets what a sick pod did.
    pub(crate) fn drop_pod(&mut self, slot: usize) {
        self.blocks.reset();
        self.placebo.remove(slot);
        for cells in [&mut self.open, &mut self.previous] {
            if let Some(cell) = cells.get_mut(slot) {
                *cell = Cell::default();
            }
        }
    }

    /// Decides a tick at local dispersion `local`.
    pub(crate) fn decide(&mut self, row: &Row, local: f64, ctx: Context<'_>) {
        let (control, canary) = (row.control.total(self.nth), row.canary.total(self.nth));
        self.control.n += control.n;
        self.control.a += control.a;
        self.canary.n += canary.n;
        self.canary.a += canary.a;
        while self.without.len() < row.canary.pods.len() {
            self.without.push(self.stop.clone());
        }
        let n = control.n + canary.n;
        if n <= 0.0 {
            return;
        }
        let divisor = self.divisor(local, canary.n / n, ctx.k, ctx.m);
        self.stop.step(self.step_of((control, canary), divisor, ctx.params));
        let phi = self.blocks.phi();
        for (slot, process) in self.without.iter_mut().enumerate() {
            let pod = row.canary.pods.get(slot).map(|pod| pod.signal(self.nth)).unwrap_or_default();
            let left = Cell { n: canary.n - pod.n, a: canary.a - pod.a };
            let share = left.n / (control.n + left.n).max(1.0);
            let step = Step {
                split: split(control, left, pseudo(self.nth, ctx.params.tolerated_rate, control.n)),
                null: ctx.params.tolerated_odds,
                divisor: dispersed(phi, local, share, (ctx.k, ctx.m - 1.0)),
            };
            process.step(step);
        }
        self.pass
            .step(split(control, canary, pseudo(self.nth, ctx.params.excluded_rate, control.n)), divisor);
        if control.n > 0.0 {
            let nth = self.nth;
            self.placebo.add(row.control.pods.iter().map(|pod| {
                let cell = pod.signal(nth);
                (cell.a / divisor, control.a * cell.n / control.n / divisor)
            }));
        }
    }

    fn divisor(&self, local: f64, rho: f64, k: f64, m: f64) -> f64 {
        dispersed(self.blocks.phi(), local, rho, (k, m))
    }

    fn step_of(&self, (control, canary): (Cell, Cell), divisor: f64, params: &CanaryParams) -> Step {
        Step {
            split: split(control, canary, pseudo(self.nth, params.tolerated_rate, control.n)),
            null: params.tolerated_odds,
            divisor,
        }
    }

    /// What the signal says now.
    pub(crate) fn evidence(&self, ctx: Context<'_>) -> SignalEvidence {
        let prior = PodPrior { sd: ctx.params.prior_pod_sd, pods: ctx.params.prior_pods };
        let tau2 = self.placebo.tau2(prior);
        let luck = Luck { tau2: &tau2, spread: spread(ctx.m, ctx.k) };
        let psi = self.stop.psi(luck);
        SignalEvidence {
            ln_e: self.stop.ln_e(luck),
            ln_pass: self.pass.ln_pass(psi),
            excluded: self.pass.excluded(psi, -libm::log(ctx.params.alpha_pass)),
            tau2,
        }
    }

    /// Log evidence without the canary pod in `slot`.
    pub(crate) fn ln_e_without(&self, slot: usize, tau2: &[f64], ctx: Context<'_>) -> f64 {
        let luck = Luck { tau2, spread: spread(ctx.m - 1.0, ctx.k) };
        self.without.get(slot).map_or(0.0, |process| process.ln_e(luck))
    }

    /// Number of canary pods that can be left out.
    pub(crate) fn n_without(&self) -> usize {
        self.without.len()
    }

    /// True if the controls are clearly worse than before the release: twice the rate and five deviations.
    pub(crate) fn control_degraded(&self) -> bool {
        if self.before.n <= 0.0 || self.control.n <= 0.0 {
            return false;
        }
        let due = (self.before.a + 1.0) / self.before.n * self.control.n;
        let excess = self.control.a - due;
        self.control.a > 2.0 * due && excess * excess > 25.0 * due * self.blocks.phi()
    }

    /// The numbers shown to people.
    pub(crate) fn reading(&self, seen: &SignalEvidence, ctx: Context<'_>) -> SignalReading {
        let rate = |cell: Cell| if cell.n > 0.0 { cell.a / cell.n } else { 0.0 };
        let (expected, phi) = (rate(self.control), self.blocks.phi());
        let tau2 = seen.tau2.first().copied().unwrap_or(0.0);
        let chance = if self.canary.n > 0.0 && self.control.n > 0.0 {
            expected * (1.0 - expected) * phi * (1.0 / self.canary.n + 1.0 / self.control.n)
        } else {
            0.0
        };
        let reach = 2.576 * libm::sqrt(chance + expected * expected * tau2 * spread(ctx.m, ctx.k));
        let tolerated = pseudo(self.nth, ctx.params.tolerated_rate, 1.0);
        SignalReading {
            ln_e: seen.ln_e,
            ln_pass: seen.ln_pass,
            expected,
            observed: rate(self.canary),
            lower: (expected - reach).max(0.0),
            upper: (expected * ctx.params.tolerated_odds + tolerated + reach).min(1.0),
            contribution: 0.0,
            phi,
            pod_sd: libm::sqrt(tau2),
            canary_requests: self.canary.n as u64,
            canary_bad: self.canary.a as u64,
            control_requests: self.control.n as u64,
            control_bad: self.control.a as u64,
        }
    }
}

/// What a tick's evidence is divided by: a single canary pod with a share `rho` of the traffic carries more of a burst
/// than one of `k` controls.
pub(crate) fn dispersed(phi: f64, local: f64, rho: f64, (k, m): (f64, f64)) -> f64 {
    phi.max(1.0 + (local - 1.0) * (rho * (k / m.max(1.0) + 1.0)).max(1.0))
}

/// `1/m + 1/k`.
pub(crate) fn spread(m: f64, k: f64) -> f64 {
    1.0 / m.max(1.0) + 1.0 / k.max(1.0)
}

/// Pseudo-events of an absolute tolerance; only errors have one.
fn pseudo(nth: usize, rate: f64, control_requests: f64) -> f64 {
    if nth == 0 { rate * control_requests } else { 0.0 }
}

fn split(control: Cell, canary: Cell, pseudo: f64) -> Split {
    let n = control.n + canary.n;
    let rho = if n > 0.0 { canary.n / n } else { 0.0 };
    Split { x: canary.a, e: canary.a + control.a + pseudo, rho }
}
