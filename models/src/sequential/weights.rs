//! How the signals' evidence becomes one: a mean with fixed weights, valid under any dependence between them.

use super::N_SIGNALS;
use super::counts::N_COUNTED;
use super::grid::ln_weighted;

/// With own times: the weight of errors, and that of the mean own time, which tells a slowdown soonest.
const ERRORS: f64 = 0.25;
const OWN_TIME: f64 = 0.375;

/// The weighted mean of log evidence, by signal.
pub(crate) fn mean(ln_es: &[f64]) -> f64 {
    let weighted = ln_es.iter().enumerate().map(|(nth, &ln_e)| (weight(nth, ln_es.len()), ln_e));
    ln_weighted(&weighted.collect::<Vec<_>>())
}

/// A signal's weight among `n`: the same for each, or, with own times, more for those that say most of harm.
pub(crate) fn weight(nth: usize, n: usize) -> f64 {
    match (n, nth) {
        (N_SIGNALS, 0) => ERRORS,
        (N_SIGNALS, N_COUNTED) => OWN_TIME,
        (N_SIGNALS, _) => (1.0 - ERRORS - OWN_TIME) / (N_SIGNALS - 2) as f64,
        _ => 1.0 / n as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: four, five and all signals. Guarantees: the weights add up to one, and equal evidence is its own mean.
    #[test]
    fn weights_add_up_to_one() {
        for n in 4..=N_SIGNALS {
            let sum: f64 = (0..n).map(|nth| weight(nth, n)).sum();
            assert!((sum - 1.0).abs() < 1e-12 && (mean(&vec![3.0; n]) - 3.0).abs() < 1e-12, "{n}");
        }
    }
}
