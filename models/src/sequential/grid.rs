//! The grid of odds multipliers and the log-likelihood step every process here is made of.
//!
//! Given `e` bad events in both arms and the canary's share `rho` of the requests, the number in the canary
//! is hypergeometric; under an odds multiplier `m` the binomial with share `rho m / (1 + rho (m - 1))`
//! bounds it (Hoeffding), so each factor has mean at most 1 under the null (Lindon & Malek, NeurIPS 2022).

/// Multiples of the tolerated odds that the stop process looks for.
pub(crate) const HARM: [f64; 9] = [1.05, 1.1, 1.2, 1.4, 1.8, 2.5, 4.0, 8.0, 16.0];
/// Fractions of the excluded odds that the pass process looks for.
pub(crate) const PASS: [f64; 6] = [1.2, 1.5, 2.0, 3.0, 5.0, 10.0];

/// One tick's counts as a likelihood sees them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Split {
    /// Bad events in the canary.
    pub(crate) x: f64,
    /// Bad events in both arms, tolerance pseudo-events included.
    pub(crate) e: f64,
    /// The canary's share of the requests.
    pub(crate) rho: f64,
}

/// Log-likelihood ratio of odds `null * factor` against odds `null`.
pub(crate) fn increment(split: Split, null: f64, factor: f64) -> f64 {
    let Split { x, e, rho } = split;
    let ratio = (1.0 + rho * (null * factor - 1.0)) / (1.0 + rho * (null - 1.0));
    x * libm::log(factor) - e * libm::log(ratio)
}

/// `ln(mean(exp(values / divisor)))`, stable for large values.
pub(crate) fn ln_mean_exp(values: &[f64], divisor: f64) -> f64 {
    let top = values.iter().fold(f64::NEG_INFINITY, |top, &value| top.max(value / divisor));
    if values.is_empty() || !top.is_finite() {
        return 0.0;
    }
    let sum: f64 = values.iter().map(|&value| libm::exp(value / divisor - top)).sum();
    top + libm::log(sum) - libm::log(values.len() as f64)
}

/// `ln(sum(weight * exp(value)))` over pairs of weight and value.
pub(crate) fn ln_weighted(pairs: &[(f64, f64)]) -> f64 {
    let top = pairs.iter().fold(f64::NEG_INFINITY, |top, &(_, value)| top.max(value));
    if !top.is_finite() {
        return 0.0;
    }
    let sum: f64 = pairs.iter().map(|&(weight, value)| weight * libm::exp(value - top)).sum();
    top + libm::log(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: the expectation of one factor over a binomial split, at and below the tolerated odds.
    /// Guarantees: it is 1 at the null and below 1 under it, for every grid point and share.
    #[test]
    fn factor_has_mean_at_most_one_under_the_null() {
        for &rho in &[0.01, 0.05, 0.5, 0.9] {
            for &factor in &HARM {
                for &odds in &[1.0, 1.1] {
                    let p = rho * odds / (1.0 + rho * (odds - 1.0));
                    let hit = libm::exp(increment(Split { x: 1.0, e: 1.0, rho }, 1.1, factor));
                    let miss = libm::exp(increment(Split { x: 0.0, e: 1.0, rho }, 1.1, factor));
                    let mean = p * hit + (1.0 - p) * miss;
                    assert!(mean <= 1.0 + 1e-12, "rho {rho} factor {factor} odds {odds}: {mean}");
                    if odds == 1.1 {
                        assert!((mean - 1.0).abs() < 1e-12);
                    }
                }
            }
        }
    }

    /// Scenario: log sums over values far outside the range of `exp`.
    /// Guarantees: they neither overflow nor vanish.
    #[test]
    fn log_sums_are_stable() {
        assert!((ln_mean_exp(&[2000.0, 2000.0], 1.0) - 2000.0).abs() < 1e-9);
        assert!((ln_mean_exp(&[-2000.0, -2000.0], 2.0) + 1000.0).abs() < 1e-9);
        assert!((ln_weighted(&[(0.5, 900.0), (0.5, 900.0)]) - 900.0).abs() < 1e-9);
        assert_eq!(ln_mean_exp(&[], 1.0), 0.0);
    }
}
