//! The canary test: pods of the new version against pods of the old one, tick by tick.
//!
//! Promises: bounded state, the same ticks give the same bits, a saved and restored test continues as if
//! nothing had happened. The false-stop levels are measured by simulation, they are not an exact bound: the
//! dispersion and the pods' spread are estimated. It does not know what a release is or how to undo one.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::canary_params::CanaryValidParams;
use super::counts::{N_COUNTED, OWN_TIME};
use super::dispersion::{Blocks, Cell};
use super::pods::{Arm, PodSlots, Row, row};
use super::restarts::due;
use super::sick::{SickWatch, WATCHED};
use super::signal::{Context, Signal};
use super::silence::{CanaryPresence, Quiet, judge};
use super::time_signal::TimeSignal;
use super::verdict::{Evidence, decide, needs_secs, obstacle};
use super::weights::{mean, weight};
use super::{Decision, Mode, N_SIGNALS, OwnTime, Reading, SignalReading, SilenceReading, Tick, WarmupCurve};

/// Block after which the evidence of aligned events is settled, and distance of the checks for sick pods.
const BLOCK_SECS: f64 = 10.0;
/// A pod counts as serving this long after it was last heard of (or three exports, if that is longer).
const ALIVE_SECS: f64 = 60.0;
/// The signals of middles say little about harm: promotion is not held up by them.
const MIDDLES: [usize; 2] = [1, N_COUNTED];
/// The prior warm-up curve is as good as over after this age.
const WARM_SECS: f64 = 180.0;
/// As long as no deploy was seen, latencies of pods younger than this are not looked at.
const UNRIPE_SECS: f64 = 60.0;

/// The sequential comparison of a canary with its control.
///
/// ```
/// use models::sequential::{CanaryParams, CanaryTest, Decision, Mode, OwnTimes, PodCounts, PodIdx, Tick};
/// let params = CanaryParams::default().check().unwrap();
/// let mut test = CanaryTest::new(&params, Mode::Events, 0);
/// let own = OwnTimes::default();
/// let pod = |nth, errors| PodCounts { pod: PodIdx(nth), requests: 50, bad: [errors, 0, 0, 0, 0], own, age_secs: 1e6 };
/// let control: Vec<PodCounts> = (0..8).map(|nth| pod(nth, nth as u64 % 2)).collect();
/// for second in 1..60 {
///     let canary = [pod(8, 10), pod(9, 10)];
///     test.observe(&Tick { at: second * 1_000_000_000, span_secs: 1.0, control: &control, canary: &canary });
/// }
/// assert_eq!(test.reading().decision, Decision::Act);
/// ```
///
/// # Invariants
/// Memory is bounded by the pods followed one by one and the number of restarts; ticks go forward in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CanaryTest {
    params: CanaryValidParams,
    mode: Mode,
    release_at: i64,
    /// How old pods must be before nothing of their warm-up is guessed.
    warm_secs: f64,
    node_clean: bool,
    control: PodSlots,
    canary: PodSlots,
    sick: SickWatch,
    signals: Vec<Signal>,
    own_time: TimeSignal,
    /// How many signals are judged: all, or those before the own-time ones.
    n_judged: usize,
    /// The ticks around the one being decided; one on events, three on exports.
    window: VecDeque<Row>,
    requests: Blocks,
    request_share: Vec<f64>,
    last_at: Option<i64>,
    refused: u64,
    block_secs: f64,
    check_secs: f64,
    restarts: usize,
    due_requests: f64,
    spoke_at: i64,
    youngest_secs: f64,
    decision: Decision,
    reading: Reading,
}

impl CanaryTest {
    /// A test of a release at `release_at` (nanoseconds since 1970).
    #[must_use]
    pub fn new(params: &CanaryValidParams, mode: Mode, release_at: i64) -> Self {
        let values = params.values();
        Self {
            params: *params,
            mode,
            release_at,
            warm_secs: 0.0,
            node_clean: false,
            control: PodSlots::new(values.max_control_pods),
            canary: PodSlots::new(values.max_canary_pods),
            sick: SickWatch::default(),
            signals: (0..N_COUNTED).map(|nth| Signal::new(nth, mode, values.excluded_odds)).collect(),
            own_time: TimeSignal::default(),
            n_judged: OWN_TIME,
            window: VecDeque::with_capacity(3),
            requests: Blocks::new([1, 5, 20, 60]),
            request_share: Vec::new(),
            last_at: None,
            refused: 0,
            block_secs: 0.0,
            check_secs: 0.0,
            restarts: 0,
            due_requests: 0.0,
            spoke_at: release_at,
            youngest_secs: f64::MAX,
            decision: Decision::Continue,
            reading: Reading::empty(),
        }
    }

    /// The same test, whose latency counts were taken against limits that this curve stretches for young pods; with the
    /// prior curve it says so, and does not look at latencies of pods in their first minute. Call it before the first tick after the release.
    #[must_use]
    pub fn with_curve(mut self, curve: &WarmupCurve) -> Self {
        self.warm_secs = if matches!(curve, WarmupCurve::Prior) { WARM_SECS } else { 0.0 };
        self
    }

    /// From the next tick on the service's own time is judged too, or not any more.
    pub fn judge_own_time(&mut self, own_time: OwnTime) {
        self.n_judged = if own_time == OwnTime::Comparable { N_SIGNALS } else { OWN_TIME };
    }

    /// A test with the same settings for a release at `at`, whose controls will be other pods: it knows nothing of
    /// them, only how own times of this service vary.
    #[must_use]
    pub fn anew(&self, at: i64) -> Self {
        Self { own_time: self.own_time.heir(), ..Self::new(&self.params, self.mode, at) }
    }

    /// The same test for a release that begins at `at`: what it knows of the controls stays, evidence starts anew.
    #[must_use]
    pub fn released(mut self, at: i64) -> Self {
        self.release_at = at;
        self.spoke_at = at;
        self.due_requests = 0.0;
        self.canary = PodSlots::new(self.params.values().max_canary_pods);
        self.node_clean = false;
        self.n_judged = OWN_TIME;
        self.restarts = 0;
        self.youngest_secs = f64::MAX;
        self.decision = Decision::Continue;
        self.reading = Reading::empty();
        self.window.iter_mut().for_each(|row| row.canary = Arm::default());
        let excluded_odds = self.params.values().excluded_odds;
        self.signals.iter_mut().for_each(|signal| signal.released(excluded_odds));
        self.own_time.released();
        self
    }

    /// Notes that other pods on the only canary pod's node are well, so that its evidence may act alone.
    pub fn note_clean_node(&mut self) {
        self.node_clean = true;
    }

    /// Takes a tick before the release; only the controls are looked at. Ten minutes of them are enough.
    pub fn history(&mut self, tick: &Tick<'_>) {
        if let Some(row) = self.accept(&Tick { canary: &[], ..*tick }) {
            self.signals.iter_mut().for_each(|signal| signal.remember(&row.control));
            self.take_in(row);
        }
    }

    /// Takes a tick after the release and says what the evidence allows now.
    pub fn observe(&mut self, tick: &Tick<'_>) -> Reading {
        let Some(row) = self.accept(tick) else {
            self.reading.n_ticks_refused = self.refused;
            return self.reading;
        };
        self.listen(&row);
        self.take_in(row);
        self.decide_tick();
        self.reading
    }

    /// The state after the last tick.
    #[must_use]
    pub fn reading(&self) -> Reading {
        self.reading
    }

    /// Whether the canary, with `weight` of the traffic, has been silent for too long at `at`.
    #[must_use]
    pub fn silence(&self, at: i64, weight: f64, presence: CanaryPresence) -> SilenceReading {
        let quiet = Quiet {
            mode: self.mode,
            control_requests: self.due_requests,
            request_phi: self.requests.phi(),
            silent_secs: secs_between(self.spoke_at, at).max(0.0),
            weight,
            presence,
        };
        judge(self.params.values(), quiet)
    }

    /// Sorts a tick into slots, unless it is not after the last one or has no length.
    fn accept(&mut self, tick: &Tick<'_>) -> Option<Row> {
        let late = self.last_at.is_some_and(|last| tick.at <= last);
        if late || !(tick.span_secs > 0.0 && tick.span_secs <= 86_400.0) {
            self.refused = self.refused.saturating_add(1);
            return None;
        }
        self.last_at = Some(tick.at);
        let mut row = row(tick, &mut self.control, &mut self.canary);
        if self.warm_secs > 0.0 {
            let cells = row.canary.pods.iter_mut().chain(std::iter::once(&mut row.canary.rest));
            cells.for_each(|pod| pod.is_unripe = pod.age_secs - tick.span_secs < UNRIPE_SECS);
        }
        Some(row)
    }

    /// Sick pods, dispersion and blocks of a new tick.
    fn take_in(&mut self, mut row: Row) {
        self.count_requests(&row);
        self.watch_sick(&row);
        for (slot, pod) in row.control.pods.iter_mut().enumerate() {
            if self.sick.is_sick(slot) {
                pod.silence();
            }
        }
        if !self.mode.is_metrics() && self.block_secs >= BLOCK_SECS - 1e-6 {
            self.block_secs = 0.0;
            self.close_blocks();
        }
        self.block_secs += row.span_secs;
        self.signals.iter_mut().for_each(|signal| signal.disperse(&row.control));
        self.own_time.disperse(&row.control);
        if self.window.len() >= if self.mode.is_metrics() { 3 } else { 1 } {
            self.window.pop_front();
        }
        self.window.push_back(row);
    }

    fn close_blocks(&mut self) {
        self.signals.iter_mut().for_each(Signal::close_block);
        self.own_time.close_block();
    }

    fn count_requests(&mut self, row: &Row) {
        let pods = &row.control.pods;
        self.request_share.resize(pods.len(), 0.0);
        for (share, pod) in self.request_share.iter_mut().zip(pods) {
            *share += pod.n;
        }
        let cells = pods.iter().zip(&self.request_share);
        self.requests
            .add(cells.map(|(pod, &share)| Cell { n: if pod.n > 0.0 { share } else { 0.0 }, a: pod.n }));
    }

    fn watch_sick(&mut self, row: &Row) {
        self.sick.add(row.control.pods.iter().map(|pod| WATCHED.map(|nth| pod.signal(nth))));
        self.check_secs += row.span_secs;
        if self.check_secs < BLOCK_SECS - 1e-6 {
            return;
        }
        self.check_secs = 0.0;
        let Some(slot) = self.sick.check() else { return };
        self.signals.iter_mut().for_each(|signal| signal.drop_pod(slot));
        self.own_time.drop_pod(slot);
        let cells = self.window.iter_mut().filter_map(|row| row.control.pods.get_mut(slot));
        cells.for_each(super::pods::PodCell::silence);
    }

    /// Keeps what silence and warm-up are judged by.
    fn listen(&mut self, row: &Row) {
        let requests = |pods: &[super::pods::PodCell]| pods.iter().map(|pod| pod.n).sum::<f64>();
        if requests(&row.canary.pods) + row.canary.rest.n > 0.0 {
            self.due_requests = 0.0;
            self.spoke_at = row.at;
            let served = row.canary.pods.iter().filter(|pod| pod.n > 0.0);
            self.youngest_secs = served.fold(f64::MAX, |age, pod| age.min(pod.age_secs));
        } else {
            self.due_requests += requests(&row.control.pods) + row.control.rest.n;
        }
    }

    fn alive_secs(&self) -> f64 {
        match self.mode {
            Mode::Events => ALIVE_SECS,
            Mode::Metrics { export_interval_secs } => ALIVE_SECS.max(3.0 * export_interval_secs),
        }
    }

    /// Decides the tick that is due: this one on events, the one before on exports.
    fn decide_tick(&mut self) {
        let metrics = self.mode.is_metrics();
        let nth = if metrics { self.window.len().checked_sub(2) } else { self.window.len().checked_sub(1) };
        let Some(row) =
            nth.and_then(|nth| self.window.get(nth)).filter(|row| row.at > self.release_at).cloned()
        else {
            return;
        };
        let elapsed_secs = secs_between(self.release_at, row.at);
        let alive_secs = self.alive_secs();
        let k = self.control.alive(row.at, alive_secs).filter(|&slot| !self.sick.is_sick(slot)).count();
        let m = self.canary.alive(row.at, alive_secs).count();
        let params = self.params;
        let ctx = Context { params: params.values(), k: k as f64, m: m as f64 };
        for signal in &mut self.signals {
            let local =
                if metrics { signal.local_of_rows(self.window.iter()) } else { signal.local_of_blocks() };
            signal.decide(&row, local, ctx);
        }
        self.own_time.decide(&row, ctx);
        if metrics {
            self.close_blocks();
        }
        while self.restarts < due(elapsed_secs, params.values().restart_secs) {
            self.restarts += 1;
            self.signals.iter_mut().for_each(Signal::restart);
            self.own_time.restart();
        }
        self.read(elapsed_secs, ctx);
    }

    fn read(&mut self, elapsed_secs: f64, ctx: Context<'_>) {
        let judged = self.signals.get(..self.n_judged.min(N_COUNTED)).unwrap_or(&self.signals);
        let seen: Vec<_> = judged.iter().map(|signal| signal.evidence(ctx)).collect();
        let own = (self.n_judged == N_SIGNALS).then(|| self.own_time.evidence(ctx));
        let ln_es: Vec<f64> = seen.iter().map(|signal| signal.ln_e).chain(own.map(|own| own.ln_e)).collect();
        let ln_e = mean(&ln_es);
        let mut signals = [SignalReading::default(); N_SIGNALS];
        let counted = judged.iter().zip(&seen).map(|(signal, seen)| signal.reading(seen, ctx));
        let readings = counted.chain(own.map(|own| self.own_time.reading(own, ctx)));
        for ((nth, slot), reading) in signals.iter_mut().enumerate().zip(readings) {
            let contribution = weight(nth, ln_es.len()) * libm::exp(reading.ln_e - ln_e);
            *slot = SignalReading { contribution, ..reading };
        }
        let ln_e_without_worst_pod = if ln_e >= -libm::log(ctx.params.alpha_pass) {
            let slots = judged.first().map_or(0, Signal::n_without);
            let each = (0..slots).map(|slot| {
                let counted = judged.iter().zip(&seen);
                let counted = counted.map(|(signal, seen)| signal.ln_e_without(slot, &seen.tau2, ctx));
                let own = own.map(|own| self.own_time.ln_e_without(slot, own, ctx));
                mean(&counted.chain(own).collect::<Vec<_>>())
            });
            if slots >= 2 { each.min_by(f64::total_cmp) } else { None }
        } else {
            None
        };
        // p50 says little about harm: errors and the upper latencies must all be cleared.
        let upper =
            || seen.iter().enumerate().filter(|(nth, _)| !MIDDLES.contains(nth)).map(|(_, signal)| signal);
        let evidence = Evidence {
            ln_e,
            ln_e_without_worst_pod,
            ln_pass: upper().map(|signal| signal.ln_pass).fold(f64::INFINITY, f64::min),
            elapsed_secs,
            n_control_pods: ctx.k as usize,
            n_canary_pods: self.signals.first().map_or(0, Signal::n_without),
            node_clean: self.node_clean,
            pod_sd: signals.iter().map(|signal| signal.pod_sd).fold(0.0, f64::max),
            warm_in_secs: (self.warm_secs - self.youngest_secs).max(0.0),
            both_degraded: self.signals.first().is_some_and(Signal::control_degraded),
            canary_requests: signals[0].canary_requests as f64,
        };
        self.decision = decide(ctx.params, &evidence, self.decision);
        let settled = matches!(self.decision, Decision::Act | Decision::Promote);
        self.reading = Reading {
            decision: self.decision,
            obstacle: if settled { None } else { Some(obstacle(ctx.params, &evidence)) },
            ln_e,
            ln_e_without_worst_pod,
            ln_pass: evidence.ln_pass,
            signals,
            needs_secs: if settled { 0 } else { needs_secs(ctx.params, &evidence) },
            no_harm_above: upper()
                .map(|signal| signal.excluded)
                .try_fold(1.0_f64, |all, one| Some(all.max(one?))),
            elapsed_secs,
            n_control_pods: ctx.k as u32,
            n_canary_pods: ctx.m as u32,
            n_sick_pods: self.sick.n_sick() as u32,
            n_pods_over_limit: self.control.over_limit.saturating_add(self.canary.over_limit),
            n_ticks_refused: self.refused,
        };
    }
}

fn secs_between(from: i64, to: i64) -> f64 {
    to.saturating_sub(from) as f64 / 1e9
}
