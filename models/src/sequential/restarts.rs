//! When the evidence starts anew, and how the starts are weighed.
//!
//! A process that ran over a healthy hour has drifted down and would be late to see a fault that starts
//! now. So copies start every few minutes; the mean with fixed weights (half for the first, the rest in
//! equal parts) is again an e-process. A start that lies ahead counts as evidence 1.

use super::grid::ln_weighted;

/// Starts after the first one.
pub(crate) const N_RESTARTS: usize = 11;

/// How many restarts are due after `elapsed_secs`.
pub(crate) fn due(elapsed_secs: f64, restart_secs: f64) -> usize {
    let whole = libm::floor(elapsed_secs / restart_secs + 1e-9);
    if whole <= 0.0 { 0 } else { (whole as usize).min(N_RESTARTS) }
}

/// The mean evidence of all starts; `ln_e[0]` is the first one's, missing ones lie ahead.
pub(crate) fn combine(ln_e: &[f64]) -> f64 {
    let later = 0.5 / N_RESTARTS as f64;
    let mut pairs = [(later, 0.0); N_RESTARTS + 1];
    for (nth, pair) in pairs.iter_mut().enumerate() {
        pair.1 = ln_e.get(nth).copied().unwrap_or(0.0);
        if nth == 0 {
            pair.0 = 0.5;
        }
    }
    ln_weighted(&pairs)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: no start has evidence; one late start has a lot while the first drifted down.
    /// Guarantees: weights add up to one, and the late start carries the mean.
    #[test]
    fn late_start_carries_the_mean() {
        assert!(combine(&[0.0]).abs() < 1e-12);
        let late = combine(&[-500.0, -100.0, 20.0]);
        assert!((late - (20.0 - libm::log(22.0))).abs() < 1e-6, "{late}");
        assert_eq!([due(299.0, 300.0), due(300.0, 300.0), due(1e9, 300.0)], [0, 1, N_RESTARTS]);
    }
}
