//! Turns a world into ticks, second by second, and collects them as events or as exports.

use super::{Draws, Noise, World};
use crate::sequential::{
    LogTimes, N_COUNTED, OwnTime, OwnTimes, PodCounts, PodIdx, Tick, WarmupCurve, WarmupHistory, WarmupRecord,
};

/// When the simulated release happens, nanoseconds since 1970.
pub const RELEASE_AT: i64 = 1_000_000 * SECOND;
const SECOND: i64 = 1_000_000_000;
/// Seconds before the release.
const HISTORY: i64 = 600;
/// Standard deviation of log latency.
const SIGMA: f64 = 0.8;
/// The thresholds of the latency signals: p50, p90 and p99 of the control.
const Z: [f64; 3] = [0.0, 1.281_551_6, 2.326_347_9];
/// How much of the waves in errors is felt in log latency.
const WAVE_IN_LATENCY: f64 = 0.1;

/// A tick with its counts.
#[derive(Debug, Clone, PartialEq)]
pub struct SimTick {
    /// End, nanoseconds since 1970.
    pub at: i64,
    /// Length.
    pub span_secs: f64,
    /// Pods of the old version.
    pub control: Vec<PodCounts>,
    /// Pods of the new version; none before the release.
    pub canary: Vec<PodCounts>,
}

impl SimTick {
    /// The tick as the test wants it.
    #[must_use]
    pub fn as_tick(&self) -> Tick<'_> {
        Tick { at: self.at, span_secs: self.span_secs, control: &self.control, canary: &self.canary }
    }
}

#[derive(Debug, Clone)]
struct Pod {
    is_canary: bool,
    wave: f64,
    /// Lasting difference of this pod from others, in log rate.
    lasting: f64,
    phase: i64,
    pending: PodCounts,
}

/// A world that runs; an endless iterator of ticks, starting ten minutes before the release.
///
/// ```
/// use models::testkit::{Noise, RELEASE_AT, Simulator, World};
/// let world = World::honest(Noise::Iid);
/// let after = Simulator::new(world, 1).find(|tick| tick.at > RELEASE_AT).unwrap();
/// assert_eq!((after.control.len(), after.canary.len()), (19, 1));
/// ```
#[derive(Debug, Clone)]
pub struct Simulator {
    world: World,
    draws: Draws,
    /// For own times, so that worlds that do not tell them stay what they are.
    own_draws: Draws,
    secs: i64,
    pods: Vec<Pod>,
    shared_wave: f64,
    outage_at: i64,
    storms_at: [i64; 3],
    storm: Vec<f64>,
    /// How slow the canary is at first, and what it may be excused for.
    warm: f64,
    curve: WarmupCurve,
}

impl Simulator {
    /// The world of this seed.
    #[must_use]
    pub fn new(world: World, seed: u64) -> Self {
        let mut draws = Draws::new(seed);
        let lasting = match world.noise {
            Noise::Het10 => 0.1,
            Noise::Het20 => 0.2,
            _ => 0.0,
        };
        let n_pods = world.controls + world.canaries();
        let interval = f64::from(world.export_secs);
        let pods = (0..n_pods).map(|nth| Pod {
            is_canary: nth >= world.controls,
            wave: 0.0,
            lasting: lasting * draws.normal(),
            phase: (draws.uniform() * interval) as i64,
            pending: empty(nth),
        });
        let pods = pods.collect();
        let mut when = || (draws.uniform() * 3500.0) as i64;
        let (outage_at, storms_at) = (when(), [when(), when(), when()]);
        let storm = (0..n_pods).map(|_| libm::exp(0.5 * draws.normal())).collect();
        let (warm, curve) = match world.noise {
            Noise::Warm(n_deploys) => (amplitude(&mut draws), learned(n_deploys, &mut draws)),
            _ => (0.0, WarmupCurve::None),
        };
        let (secs, shared_wave, own_draws) = (-HISTORY, 0.0, Draws::new(!seed));
        Self { world, draws, own_draws, secs, pods, shared_wave, outage_at, storms_at, storm, warm, curve }
    }

    /// Lets one second pass; true if it ends a tick.
    fn second(&mut self, tick: &mut SimTick) -> bool {
        let secs = self.secs;
        self.secs += 1;
        self.waves();
        let storm = self.world.noise == Noise::Retry
            && self.storms_at.iter().any(|&from| (from..from + 30).contains(&secs));
        let swing = 1.0 + 0.3 * libm::sin(secs as f64 * core::f64::consts::TAU / 900.0);
        let rps = self.world.rps * swing * if storm { 3.0 } else { 1.0 };
        let share = self.world.canary_share(secs);
        let interval = i64::from(self.world.export_secs);
        let boundary = self.pods.iter().find(|pod| pod.is_canary).map_or(0, |pod| pod.phase);
        for nth in 0..self.pods.len() {
            let is_canary = self.pods[nth].is_canary;
            let (part, of) = if is_canary {
                (share, f64::from(self.world.canaries()))
            } else {
                (1.0 - share, f64::from(self.world.controls))
            };
            let requests = self.draws.poisson(rps * part / of);
            let (bad, latency) = self.bad(nth, requests, secs, storm);
            let own = self.own(nth, requests, latency);
            let pod = &mut self.pods[nth];
            pod.pending.requests += requests;
            pod.pending.own = own;
            pod.pending.bad.iter_mut().zip(bad).for_each(|(sum, bad)| *sum += bad);
            if (self.secs - pod.phase).rem_euclid(interval) != 0 {
                continue;
            }
            let counts = std::mem::replace(&mut pod.pending, empty(nth as u32));
            match (is_canary, secs < 0) {
                (true, true) => {}
                (true, false) => tick.canary.push(PodCounts { age_secs: self.secs as f64, ..counts }),
                (false, _) => tick.control.push(counts),
            }
        }
        (self.secs - boundary).rem_euclid(interval) == 0
    }

    fn waves(&mut self) {
        let (shared, own) = match self.world.noise {
            Noise::Common => (0.8, 0.0),
            Noise::Idio => (0.5, 0.5),
            Noise::Het10 | Noise::Het20 => (0.5, 0.0),
            _ => return,
        };
        self.shared_wave = next(self.shared_wave, shared, 60.0, &mut self.draws);
        if own > 0.0 {
            for pod in &mut self.pods {
                pod.wave = next(pod.wave, own, 15.0, &mut self.draws);
            }
        }
    }

    /// Errors and slow requests of a pod in a second, and the factor on its latency less what is excused.
    fn bad(&mut self, nth: usize, requests: u64, secs: i64, storm: bool) -> ([u64; N_COUNTED], f64) {
        let World { noise, harm, base_error_rate, controls, .. } = self.world;
        let pod = &self.pods[nth];
        let log_rate = self.shared_wave + pod.wave + pod.lasting;
        let mut rate = base_error_rate * libm::exp(log_rate);
        let mut latency =
            libm::exp(WAVE_IN_LATENCY * (self.shared_wave + pod.wave) + SIGMA * pod.lasting / 2.0);
        let mut p99 = 1.0;
        if noise == Noise::Outage && (self.outage_at..self.outage_at + 20).contains(&secs) {
            rate = 0.3;
            latency *= 1.5;
        }
        if storm {
            rate *= 20.0 * self.storm[nth];
        }
        match noise {
            Noise::SickControl if nth == 0 => (rate, latency) = (10.0 * rate, 1.5 * latency),
            Noise::SickNode if nth == controls as usize => latency *= 1.5,
            Noise::Warm(_) if pod.is_canary => latency *= warm_factor(self.warm, secs) / self.excused(nth),
            _ => {}
        }
        if pod.is_canary && secs >= harm.from_secs {
            rate += harm.error_rate;
            latency *= harm.latency;
            p99 = harm.p99;
        }
        let clump = match noise {
            Noise::Idio => 3.0,
            Noise::Retry if storm => 2.0,
            _ => 1.0,
        };
        let errors = self.errors(requests, rate, clump);
        let [p50, p90, p99] = self.slow(requests, latency, p99);
        ([errors, p50, p90, p99, 0], latency)
    }

    /// Own times of a pod's requests in a second; told on aligned events only.
    fn own(&mut self, nth: usize, requests: u64, latency: f64) -> OwnTimes {
        let World { own_time, export_secs, .. } = self.world;
        if own_time == OwnTime::Untold || export_secs > 1 || requests == 0 {
            return OwnTimes::default();
        }
        let is_young = self.pods[nth].is_canary && matches!(self.world.noise, Noise::Warm(_));
        let (excused, expected) = if is_young { (self.excused(nth), self.expected(nth)) } else { (1.0, 1.0) };
        let (n, dof) = (requests as f64, requests.saturating_sub(1) as f64);
        let sum = n * libm::log(latency * excused) + SIGMA * libm::sqrt(n) * self.own_draws.normal();
        let around = SIGMA * SIGMA * (dof + libm::sqrt(2.0 * dof) * self.own_draws.normal()).max(0.0);
        let micros = |value: f64| libm::round(value * 1e6) as i64;
        let (ln_micros, ln_squares_micros) = (micros(sum), micros(around + sum * sum / n));
        OwnTimes { requests, ln_micros, ln_squares_micros, ..OwnTimes::default() }.excused(excused, expected)
    }

    /// What the limits of a canary pod are stretched by, over the export that this second belongs to.
    fn excused(&self, nth: usize) -> f64 {
        let (age_secs, span_secs) = self.age(nth);
        self.curve.tolerated(age_secs, span_secs)
    }

    /// The middle of what the own times of a canary pod are held against.
    fn expected(&self, nth: usize) -> f64 {
        let (age_secs, span_secs) = self.age(nth);
        self.curve.middle(age_secs, span_secs)
    }

    /// A canary pod's age at the end of the export that this second belongs to, and the export's length.
    fn age(&self, nth: usize) -> (f64, f64) {
        let interval = i64::from(self.world.export_secs);
        let end = self.secs + (self.pods[nth].phase - self.secs).rem_euclid(interval);
        (end as f64, interval as f64)
    }

    fn errors(&mut self, requests: u64, rate: f64, clump: f64) -> u64 {
        let first = self.draws.binomial(requests, rate / clump);
        let mut errors = first;
        if clump > 1.0 {
            for _ in 0..first {
                while errors < requests && self.draws.uniform() > 1.0 / clump {
                    errors += 1;
                }
            }
        }
        errors
    }

    /// Requests above each threshold; one above p99 is above the others too.
    fn slow(&mut self, requests: u64, latency: f64, p99: f64) -> [u64; 3] {
        let above = |z: f64, factor: f64| {
            0.5 * libm::erfc((z - libm::log(factor) / SIGMA) / core::f64::consts::SQRT_2)
        };
        let chance = [above(Z[0], latency), above(Z[1], latency), above(Z[2], latency * p99)];
        let (mut slow, mut of, mut given) = ([0; 3], requests, 1.0);
        for (count, chance) in slow.iter_mut().zip(chance) {
            of = self.draws.binomial(of, chance / given);
            *count = of;
            given = chance;
        }
        slow
    }
}

impl Iterator for Simulator {
    type Item = SimTick;

    fn next(&mut self) -> Option<SimTick> {
        let span_secs = f64::from(self.world.export_secs);
        let mut tick = SimTick { at: 0, span_secs, control: Vec::new(), canary: Vec::new() };
        while !self.second(&mut tick) {}
        tick.at = RELEASE_AT + self.secs * SECOND;
        Some(tick)
    }
}

/// How much slower than usual a canary is at first: by half, give or take 30 % from deploy to deploy.
fn amplitude(draws: &mut Draws) -> f64 {
    0.5 * (1.0 + 0.3 * draws.normal()).max(0.0)
}

fn warm_factor(amplitude: f64, secs: i64) -> f64 {
    1.0 + amplitude * libm::exp(-secs.max(0) as f64 / 40.0)
}

/// What deploys with a canary of 25 requests per second teach.
fn learned(n_deploys: u32, draws: &mut Draws) -> WarmupCurve {
    let mut history = WarmupHistory::default();
    for _ in 0..n_deploys {
        let (amplitude, mut record) = (amplitude(draws), WarmupRecord::default());
        let times =
            |mean: f64, n: f64| LogTimes { n, sum: n * mean, squares: n * (mean * mean + SIGMA * SIGMA) };
        for secs in 0..600 {
            let chance = SIGMA / libm::sqrt(25.0) * draws.normal();
            let young = times(libm::log(warm_factor(amplitude, secs)) + chance, 25.0);
            record.add(secs as f64 + 0.5, &young, &times(0.0, 475.0));
        }
        history.keep(record);
    }
    history.curve()
}

fn empty(nth: u32) -> PodCounts {
    PodCounts { pod: PodIdx(nth), requests: 0, bad: [0; N_COUNTED], own: OwnTimes::default(), age_secs: 1e6 }
}

/// The next value of a wave that has mean 1 after `exp`.
fn next(wave: f64, sd: f64, tau_secs: f64, draws: &mut Draws) -> f64 {
    let centre = -sd * sd / 2.0;
    let keep = libm::exp(-1.0 / tau_secs);
    centre + keep * (wave - centre) + sd * libm::sqrt(1.0 - keep * keep) * draws.normal()
}
