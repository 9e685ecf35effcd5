//! Seeded random numbers of the kinds that worlds are made of. Large means are drawn from the normal law.

use rand::{RngCore, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;

/// A source of random numbers.
///
/// ```
/// use models::testkit::Draws;
/// assert_eq!(Draws::new(7).poisson(3.0), Draws::new(7).poisson(3.0));
/// ```
#[derive(Debug, Clone)]
pub struct Draws(Xoshiro256PlusPlus);

impl Draws {
    /// The source of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// Uniform in `[0, 1)`.
    pub fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal.
    pub fn normal(&mut self) -> f64 {
        let radius = libm::sqrt(-2.0 * libm::log(1.0 - self.uniform()));
        radius * libm::cos(core::f64::consts::TAU * self.uniform())
    }

    /// Number of independent events where `mean` are due.
    pub fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 30.0 {
            return self.rounded(mean, mean);
        }
        let mut chance = libm::exp(-mean.max(0.0));
        let (mut left, mut count) = (self.uniform(), 0_u64);
        while left > chance && count < 200 {
            left -= chance;
            count += 1;
            chance *= mean / count as f64;
        }
        count
    }

    /// Number of `n` that happen with probability `p` each.
    pub fn binomial(&mut self, n: u64, p: f64) -> u64 {
        let p = p.clamp(0.0, 1.0);
        if p > 0.5 {
            return n - self.binomial(n, 1.0 - p);
        }
        let mean = n as f64 * p;
        if mean <= 0.0 {
            return 0;
        }
        if mean > 30.0 {
            return self.rounded(mean, mean * (1.0 - p)).min(n);
        }
        let odds = p / (1.0 - p);
        let mut chance = libm::exp(n as f64 * libm::log1p(-p));
        let (mut left, mut count) = (self.uniform(), 0_u64);
        while left > chance && count < n {
            left -= chance;
            chance *= (n - count) as f64 / (count + 1) as f64 * odds;
            count += 1;
        }
        count
    }

    fn rounded(&mut self, mean: f64, variance: f64) -> u64 {
        libm::round(mean + libm::sqrt(variance) * self.normal()).max(0.0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: ten thousand draws of each kind, for small and large means.
    /// Guarantees: mean and variance are those of the law, within five standard errors.
    #[test]
    fn draws_have_the_moments_of_their_law() {
        let mut draws = Draws::new(1);
        let mut check = |what: &str, mean: f64, variance: f64, draw: &mut dyn FnMut(&mut Draws) -> f64| {
            let seen: Vec<f64> = (0..10_000).map(|_| draw(&mut draws)).collect();
            let m = seen.iter().sum::<f64>() / 1e4;
            let v = seen.iter().map(|x| (x - m) * (x - m)).sum::<f64>() / 1e4;
            assert!((m - mean).abs() < 5.0 * libm::sqrt(variance / 1e4), "{what}: mean {m}");
            assert!((v / variance - 1.0).abs() < 0.12, "{what}: variance {v}");
        };
        check("normal", 0.0, 1.0, &mut Draws::normal);
        check("poisson 2", 2.0, 2.0, &mut |draws| draws.poisson(2.0) as f64);
        check("poisson 80", 80.0, 80.0, &mut |draws| draws.poisson(80.0) as f64);
        check("binomial small", 2.5, 2.375, &mut |draws| draws.binomial(50, 0.05) as f64);
        check("binomial large", 450.0, 45.0, &mut |draws| draws.binomial(500, 0.9) as f64);
    }
}
