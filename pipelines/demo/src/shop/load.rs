//! Open-loop front traffic: a cycle, slow noise, and what a peak adds.
//!
//! Promises: the rate is a function of time and seed, never of how well the shop answers. A peak rises over a few
//! seconds, as real ones do.

use super::{Chance, SECOND, UnixNanos};

/// Seconds over which a change of the load factor comes in.
const RAMP_SECS: f64 = 4.0;
/// Period of the traffic's cycle.
const CYCLE_SECS: f64 = 180.0;

/// State of the traffic.
#[derive(Debug)]
pub struct Load {
    base_rps: f64,
    noise: f64,
    factor: f64,
    origin: UnixNanos,
    chance: Chance,
}

impl Load {
    /// Traffic around `base_rps`, whose cycle begins at `origin`.
    #[must_use]
    pub fn new(seed: u64, base_rps: f64, origin: UnixNanos) -> Self {
        Self { base_rps, noise: 0.0, factor: 1.0, origin, chance: Chance::new(seed, 11) }
    }

    /// Moves on by `secs` and returns the rate at `now`; `target` is the factor that the story asks for.
    pub fn advance(&mut self, now: UnixNanos, secs: f64, target: f64) -> f64 {
        let keep = (-secs / 20.0).exp();
        self.noise = self.noise * keep + 0.08 * (1.0 - keep * keep).sqrt() * self.chance.normal();
        let step = (secs / RAMP_SECS).min(1.0);
        self.factor *= (target / self.factor).powf(step);
        let phase = (now - self.origin) as f64 / SECOND as f64 / CYCLE_SECS;
        let cycle = 1.0 + 0.25 * (std::f64::consts::TAU * phase).sin();
        self.base_rps * cycle * self.noise.exp() * self.factor
    }

    /// How many times the ordinary traffic there is now.
    #[must_use]
    pub fn factor(&self) -> f64 {
        self.factor
    }
}
