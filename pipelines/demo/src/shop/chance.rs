//! Seeded chance: the few distributions that the shop needs.
//!
//! Promises: the same seed gives the same draws. It is no source of secrets.

use rand::rngs::StdRng;
use rand::{Rng, RngCore, SeedableRng};

/// A stream of seeded draws.
#[derive(Debug, Clone)]
pub struct Chance(StdRng);

impl Chance {
    /// A stream of its own for `purpose`, so that one more draw in one place does not shift all the others.
    #[must_use]
    pub fn new(seed: u64, purpose: u64) -> Self {
        Self(StdRng::seed_from_u64(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(purpose)))
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        self.0.r#gen::<f64>()
    }

    /// True with probability `share`.
    pub fn hit(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// Uniform in 0..n; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        if n == 0 { 0 } else { self.0.gen_range(0..n) }
    }

    /// Standard normal (Box–Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Lognormal around 1 with the given sigma of the logarithm.
    pub fn lognormal(&mut self, sigma: f64) -> f64 {
        (sigma * self.normal()).exp()
    }

    /// Poisson; by inversion below 30, by the normal approximation above.
    pub fn poisson(&mut self, mean: f64) -> u32 {
        if mean > 30.0 {
            return (mean + mean.sqrt() * self.normal()).round().clamp(0.0, 1e6) as u32;
        }
        let limit = (-mean).exp();
        let mut product = self.unit();
        let mut n = 0;
        while product > limit && n < 1000 {
            product *= self.unit();
            n += 1;
        }
        n
    }

    /// Fresh bytes, never all zero.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        if let Some(first) = bytes.first_mut() {
            *first |= 1;
        }
        bytes
    }
}
