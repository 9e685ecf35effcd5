//! Series of a resource as a fraction of its limit: healthy ones of many kinds, and leaks that are added to them.
//!
//! Promises: the same kind, seed and length give the same values on every machine. One value is one sample; what a
//! sample lasts is up to the caller. The kinds are chosen, not measured: what a rule shows here it has yet to show on
//! recordings.

use super::Draws;

/// How a resource is used while nothing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Healthy {
    /// A level with a little noise.
    Flat,
    /// Collected every 5 to 60 samples.
    Collected,
    /// Collected every 120 to 360 samples.
    CollectedRarely,
    /// A wave of 1,440 samples.
    Daily,
    /// The wave with a collector on top.
    DailyCollected,
    /// A wave of 120 to 300 samples.
    ShortCycle,
    /// A start from little to a level.
    WarmUp,
    /// Steps up and down.
    Steps,
    /// A ramp, then a plateau.
    RampPlateau,
    /// A cache that fills ever more slowly.
    CacheFill,
    /// Restarts at random times.
    Restarts,
    /// A release, with a start and a level of its own.
    Deploy,
    /// A bounded random walk.
    Walk,
    /// Bursts that go away.
    Burst,
    /// Large blocks taken and given back every 25 to 55 samples.
    Churn,
    /// Noise of half its level.
    Noisy,
    /// One step to a high level.
    HighStep,
    /// Whole numbers of a small limit, such as a pool of connections.
    Pool,
}

impl Healthy {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::Flat,
        Self::Collected,
        Self::CollectedRarely,
        Self::Daily,
        Self::DailyCollected,
        Self::ShortCycle,
        Self::WarmUp,
        Self::Steps,
        Self::RampPlateau,
        Self::CacheFill,
        Self::Restarts,
        Self::Deploy,
        Self::Walk,
        Self::Burst,
        Self::Churn,
        Self::Noisy,
        Self::HighStep,
        Self::Pool,
    ];
}

/// How a leak grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Growth {
    /// The same in every sample.
    Linear,
    /// With the square of time.
    Accelerating,
    /// In 6 to 14 steps.
    Stairs,
    /// With a load that comes and goes.
    Load,
    /// Linear, in pieces of very different size.
    Ragged,
}

impl Growth {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Linear, Self::Accelerating, Self::Stairs, Self::Load, Self::Ragged];
}

/// A leak on top of a healthy series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leak {
    /// How it grows.
    pub growth: Growth,
    /// First sample that leaks.
    pub from: usize,
    /// About how many samples it takes to the limit.
    pub samples: usize,
}

/// One generated series.
#[derive(Debug, Clone, PartialEq)]
pub struct Usage {
    /// Fractions of the limit; ends at the sample that reached it.
    pub values: Vec<f64>,
    /// Samples before which the process started anew.
    pub restarts: Vec<usize>,
    /// The sample that reached the limit.
    pub exhausted: Option<usize>,
}

/// The series of this kind and seed.
///
/// ```
/// use models::testkit::{Growth, Healthy, Leak, usage};
/// let leak = Leak { growth: Growth::Linear, from: 100, samples: 90 };
/// assert_eq!(usage(Healthy::Flat, None, 7, 2880).exhausted, None);
/// assert!(usage(Healthy::Flat, Some(leak), 7, 2880).exhausted.is_some_and(|at| at < 250));
/// ```
#[must_use]
pub fn usage(kind: Healthy, leak: Option<Leak>, seed: u64, n: usize) -> Usage {
    let mut draws = Draws::new(seed);
    let mut restarts = Vec::new();
    let mut values = healthy(kind, &mut draws, n, &mut restarts);
    let ceiling = if leak.is_some() { 0.6 } else { 0.93 };
    let top = values.iter().copied().fold(0.0, f64::max);
    if top > ceiling {
        values.iter_mut().for_each(|value| *value *= ceiling / top);
    }
    let Some(leak) = leak else { return Usage { values, restarts, exhausted: None } };
    restarts.retain(|&at| at <= leak.from);
    let mut sorted = values.clone();
    sorted.sort_by(f64::total_cmp);
    let room = 1.0 - sorted[n * 9 / 10];
    let grown = grown(leak, &mut draws, n);
    for (value, grown) in values.iter_mut().zip(&grown) {
        *value += room * grown;
    }
    let exhausted = values.iter().position(|&value| value >= 1.0);
    values.truncate(exhausted.map_or(n, |at| at + 1));
    Usage { values, restarts, exhausted }
}

/// What leaked up to each sample, in parts of the room.
fn grown(leak: Leak, draws: &mut Draws, n: usize) -> Vec<f64> {
    let (steps, period, phase) =
        (6.0 + libm::floor(draws.uniform() * 9.0), 100.0 + draws.uniform() * 1300.0, draws.uniform());
    let mut sum = 0.0;
    let piece = |nth: usize, sum: &mut f64, draws: &mut Draws| {
        if nth < leak.from {
            return 0.0;
        }
        let x = (nth - leak.from) as f64 / leak.samples as f64;
        let wave = libm::sin(core::f64::consts::TAU * (nth as f64 / period + phase));
        match leak.growth {
            Growth::Linear => x,
            Growth::Accelerating => x * x,
            Growth::Stairs => libm::floor(x * steps) / steps,
            Growth::Load => {
                *sum += (1.0 + 0.6 * wave) / leak.samples as f64;
                *sum
            }
            Growth::Ragged => {
                *sum += -libm::log(1.0 - draws.uniform()) / leak.samples as f64;
                *sum
            }
        }
    };
    (0..n).map(|nth| piece(nth, &mut sum, draws)).collect()
}

fn between(draws: &mut Draws, low: f64, high: f64) -> f64 {
    low + (high - low) * draws.uniform()
}

/// Noise with a memory of a few samples.
fn noise(draws: &mut Draws, sd: f64, n: usize) -> Vec<f64> {
    let memory = between(draws, 0.0, 0.8);
    let fresh = sd * libm::sqrt(1.0 - memory * memory);
    let mut now = 0.0;
    (0..n)
        .map(|_| {
            now = memory * now + fresh * draws.normal();
            now
        })
        .collect()
}

fn wave(draws: &mut Draws, period: f64, mean: f64, swing: f64) -> impl Fn(usize) -> f64 + use<> {
    let phase = draws.uniform();
    move |nth| mean + swing * libm::sin(core::f64::consts::TAU * (nth as f64 / period + phase))
}

/// A heap that grows until it is collected; `load` speeds it up.
fn collected(draws: &mut Draws, period: f64, n: usize, load: impl Fn(usize) -> f64) -> Vec<f64> {
    let (low, swing) = (between(draws, 0.12, 0.4), between(draws, 0.1, 0.45));
    let (loose, survivors) = (between(draws, 0.02, 0.1), between(draws, 0.002, 0.015));
    let (mut now, mut trigger) = (low, low + swing);
    (0..n)
        .map(|nth| {
            now += swing / period * load(nth);
            if now > trigger {
                now = low + survivors * draws.normal();
                trigger = low + swing * (1.0 + loose * draws.normal());
            }
            now
        })
        .collect()
}

/// A start from little to a level, with the time constant `tau`.
fn start(level: f64, tau: f64, age: usize) -> f64 {
    let first = (0.3 * level).min(0.15);
    level - (level - first) * libm::exp(-(age as f64) / tau)
}

fn healthy(kind: Healthy, draws: &mut Draws, n: usize, restarts: &mut Vec<usize>) -> Vec<f64> {
    let sd = between(draws, 0.002, 0.012);
    let noise = noise(draws, sd, n);
    let level = shape(kind, draws, n, restarts);
    level.iter().zip(&noise).map(|(level, noise)| (level + noise).max(0.005)).collect()
}

fn shape(kind: Healthy, draws: &mut Draws, n: usize, restarts: &mut Vec<usize>) -> Vec<f64> {
    let level = between(draws, 0.2, 0.8);
    match kind {
        Healthy::Flat => vec![level; n],
        Healthy::Collected => {
            let period = between(draws, 5.0, 60.0);
            collected(draws, period, n, |_| 1.0)
        }
        Healthy::CollectedRarely => {
            let period = between(draws, 120.0, 360.0);
            collected(draws, period, n, |_| 1.0)
        }
        Healthy::Daily | Healthy::ShortCycle => {
            let (short, mean) = (between(draws, 120.0, 300.0), between(draws, 0.3, 0.55));
            let swing = between(draws, 0.05, 0.3);
            let period = if kind == Healthy::Daily { 1440.0 } else { short };
            let wave = wave(draws, period, mean, swing);
            (0..n).map(wave).collect()
        }
        Healthy::DailyCollected => {
            let wave = wave(draws, 1440.0, 1.0, 0.6);
            let period = between(draws, 10.0, 90.0);
            let heap = collected(draws, period, n, &wave);
            let share = between(draws, 0.05, 0.2);
            heap.iter().enumerate().map(|(nth, heap)| heap + share * (wave(nth) - 0.4)).collect()
        }
        Healthy::WarmUp | Healthy::CacheFill => {
            let (quick, slow) = (between(draws, 10.0, 200.0), between(draws, 60.0, 900.0));
            let tau = if kind == Healthy::WarmUp { quick } else { slow };
            (0..n).map(|age| start(level.max(0.4), tau, age)).collect()
        }
        Healthy::Restarts | Healthy::Deploy => restarting(kind, draws, n, restarts),
        Healthy::Steps | Healthy::HighStep => steps(kind, draws, n),
        Healthy::RampPlateau => {
            let (low, high) = (between(draws, 0.1, 0.3), between(draws, 0.45, 0.9));
            let (from, lasts) = (between(draws, 0.0, n as f64 / 2.0), between(draws, 60.0, 600.0));
            (0..n).map(|nth| low + (high - low) * ((nth as f64 - from) / lasts).clamp(0.0, 1.0)).collect()
        }
        Healthy::Walk => walk(draws, n),
        Healthy::Burst => bursts(draws, n),
        Healthy::Churn => {
            let (period, duty) = (between(draws, 25.0, 55.0), between(draws, 0.2, 0.6));
            let block = between(draws, 0.1, 0.3);
            let taken = |nth: usize| (nth as f64 / period).fract() < duty;
            (0..n).map(|nth| 0.6 * level + if taken(nth) { block } else { 0.0 }).collect()
        }
        Healthy::Noisy => {
            let share = between(draws, 0.2, 0.5);
            (0..n).map(|_| 0.3 * level + (0.2 + 0.2 * share * draws.normal()).max(0.0)).collect()
        }
        Healthy::Pool => {
            let (size, busy) = (libm::floor(between(draws, 20.0, 100.0)), between(draws, 0.05, 0.3));
            let wave = wave(draws, 1440.0, 1.0, 0.5);
            (0..n).map(|nth| (draws.poisson(size * busy * wave(nth)) as f64).min(0.9 * size) / size).collect()
        }
    }
}

fn restarting(kind: Healthy, draws: &mut Draws, n: usize, restarts: &mut Vec<usize>) -> Vec<f64> {
    let chance = if kind == Healthy::Deploy { 1.5 } else { 5.0 } / n as f64;
    let (mut level, mut tau) = (between(draws, 0.3, 0.8), between(draws, 10.0, 150.0));
    let mut age = 1000;
    (0..n)
        .map(|nth| {
            age += 1;
            if draws.uniform() < chance {
                restarts.push(nth);
                age = 0;
                if kind == Healthy::Deploy {
                    level = (level + 0.1 * draws.normal()).clamp(0.2, 0.88);
                    tau = between(draws, 10.0, 150.0);
                }
            }
            start(level, tau, age)
        })
        .collect()
}

fn steps(kind: Healthy, draws: &mut Draws, n: usize) -> Vec<f64> {
    let (mut level, high) = (between(draws, 0.15, 0.5), between(draws, 0.55, 0.9));
    let once = (between(draws, 0.05, 0.8) * n as f64) as usize;
    (0..n)
        .map(|nth| {
            if kind == Healthy::HighStep && nth == once {
                level = high;
            }
            if kind == Healthy::Steps && draws.uniform() < 6.0 / n as f64 {
                level = between(draws, 0.15, 0.85);
            }
            level
        })
        .collect()
}

fn walk(draws: &mut Draws, n: usize) -> Vec<f64> {
    let (mean, memory) = (between(draws, 0.3, 0.6), between(draws, 0.99, 0.9995));
    let swing = between(draws, 0.03, 0.1);
    let fresh = swing * libm::sqrt(1.0 - memory * memory);
    let mut off = swing * draws.normal();
    (0..n)
        .map(|_| {
            off = memory * off + fresh * draws.normal();
            (mean + off).clamp(0.05, 0.9)
        })
        .collect()
}

fn bursts(draws: &mut Draws, n: usize) -> Vec<f64> {
    let (level, chance) = (between(draws, 0.15, 0.4), between(draws, 2.0, 10.0) / n as f64);
    let (mut now, mut high, mut left, mut speed) = (level, level, 0.0, 1.0);
    (0..n)
        .map(|_| {
            if left <= 0.0 && draws.uniform() < chance {
                high = between(draws, 0.55, 0.92);
                left = between(draws, 20.0, 90.0);
                speed = between(draws, 1.0, 15.0);
            }
            left -= 1.0;
            let aim = if left > 0.0 { high } else { level };
            let reach = (high - level) / speed;
            now += (aim - now).clamp(-reach, reach);
            now
        })
        .collect()
}
