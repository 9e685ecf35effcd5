//! How the signals' evidence becomes one: a mean with fixed weights, valid under any dependence between them.

use super::N_SIGNALS;
use super::counts::N_COUNTED;
use super::grid::ln_weighted;

/// The signals that say most of harm: errors, and the service's own time where it is told.
const FOREMOST: [usize; 2] = [0, N_COUNTED];

/// The weighted mean of log evidence, by signal.
pub(crate) fn mean(ln_es: &[f64]) -> f64 {
    let weighted = ln_es.iter().enumerate().map(|(nth, &ln_e)| (weight(nth, ln_es.len()), ln_e));
    ln_weighted(&weighted.collect::<Vec<_>>())
}

/// A signal's weight among `n`: the same for each, or, with own times, a quarter for each of the foremost.
pub(crate) fn weight(nth: usize, n: usize) -> f64 {
    match (n == N_SIGNALS, FOREMOST.contains(&nth)) {
        (false, _) => 1.0 / n as f64,
        (true, true) => 0.25,
        (true, false) => 0.5 / (N_SIGNALS - FOREMOST.len()) as f64,
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
