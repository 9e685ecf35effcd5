//! How much a figure over a few dozen files is worth: thresholds chosen on other files, and bootstrap intervals.
//!
//! Pseudo-random numbers come from a fixed seed, so that the same scores give the same figures. Not done here: scoring.

/// Times that folds are drawn anew.
const SHUFFLES: usize = 20;
/// Resamples behind an interval.
const RESAMPLES: usize = 2000;
const SEED: u64 = 2018;

/// Steele, Lea, Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014 (SplitMix64).
#[derive(Debug, Clone)]
struct SplitMix(u64);

impl SplitMix {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((word ^ (word >> 31)) % n as u64) as usize
    }

    fn shuffled(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        (1..n).rev().for_each(|last| order.swap(last, self.below(last + 1)));
        order
    }
}

/// For each file its value at the threshold that is best on the files of the *other* folds, averaged over draws of
/// the folds. `curves[file][threshold]`; of equally good thresholds the middle one is taken.
#[must_use]
pub(super) fn cross_fitted(curves: &[Vec<f64>], folds: usize) -> Vec<f64> {
    let mut draws = SplitMix(SEED);
    let mut values = vec![0.0; curves.len()];
    for _ in 0..SHUFFLES {
        let order = draws.shuffled(curves.len());
        for fold in 0..folds {
            let held = |place: usize| place % folds == fold;
            let files = |is_held: bool| {
                order
                    .iter()
                    .enumerate()
                    .filter(move |(place, _)| held(*place) == is_held)
                    .map(|(_, file)| *file)
            };
            let best = best_threshold(files(false).map(|file| curves[file].as_slice()));
            files(true).for_each(|file| values[file] += curves[file][best] / SHUFFLES as f64);
        }
    }
    values
}

/// Index of the threshold with the largest sum over the curves; the middle one of those that are equal.
#[must_use]
pub(super) fn best_threshold<'a>(curves: impl Iterator<Item = &'a [f64]>) -> usize {
    let mut sums: Vec<f64> = Vec::new();
    for curve in curves {
        sums.resize(curve.len(), 0.0);
        sums.iter_mut().zip(curve).for_each(|(sum, value)| *sum += value);
    }
    let most = sums.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let best: Vec<usize> = (0..sums.len()).filter(|&nth| sums[nth] >= most - 1e-9).collect();
    best.get(best.len() / 2).copied().unwrap_or(0)
}

/// 95 % interval of a figure that is computed from the drawn items.
#[must_use]
pub(super) fn bootstrap(n: usize, figure: impl Fn(&[usize]) -> f64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 0.0);
    }
    let mut draws = SplitMix(SEED);
    let mut seen: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn: Vec<usize> = (0..n).map(|_| draws.below(n)).collect();
            figure(&drawn)
        })
        .collect();
    seen.sort_by(f64::total_cmp);
    (seen[RESAMPLES / 40], seen[RESAMPLES - 1 - RESAMPLES / 40])
}

/// What `of` makes of each item, in their order, by two threads.
#[must_use]
pub fn by_two_threads<T: Sync, R: Send>(items: &[T], of: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let (even, odd) = std::thread::scope(|scope| {
        let even = scope.spawn(|| items.iter().step_by(2).map(&of).collect::<Vec<_>>());
        let odd: Vec<_> = items.iter().skip(1).step_by(2).map(&of).collect();
        (even.join().expect("a figure never panics"), odd)
    });
    let (mut even, mut odd) = (even.into_iter(), odd.into_iter());
    (0..items.len()).filter_map(|nth| if nth % 2 == 0 { even.next() } else { odd.next() }).collect()
}

/// Mean of numbers; 0 of none.
#[must_use]
pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (sum, n) = values.fold((0.0, 0), |(sum, n), value| (sum + value, n + 1));
    if n == 0 { 0.0 } else { sum / f64::from(n) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: files that agree on the best threshold, and one that stands against all others.
    /// Guarantees: agreeing files get their best value, the odd one gets what the others' threshold gives it.
    #[test]
    fn thresholds_come_from_other_files() {
        let mut curves = vec![vec![0.0, 1.0, 0.0]; 9];
        curves.push(vec![5.0, -1.0, 0.0]);
        let values = cross_fitted(&curves, 5);
        assert!((values[9] + 1.0).abs() < 1e-9, "{values:?}");
        assert_eq!(best_threshold([[1.0, 2.0, 2.0, 2.0, 0.0].as_slice()].into_iter()), 2);
    }

    /// Scenario: seven items, one, none.
    /// Guarantees: their order is kept.
    #[test]
    fn threads_keep_the_order() {
        for n in [0, 1, 7] {
            let items: Vec<usize> = (0..n).collect();
            assert_eq!(by_two_threads(&items, |item| *item), items);
        }
    }

    /// Scenario: the mean of a hundred numbers from 0 to 99.
    /// Guarantees: the interval is about two standard errors (2.9) wide on each side, and repeats.
    #[test]
    fn intervals_are_those_of_the_mean() {
        let figure = |drawn: &[usize]| mean(drawn.iter().map(|&nth| nth as f64));
        let (low, high) = bootstrap(100, figure);
        assert!((43.0..45.0).contains(&low) && (54.0..56.0).contains(&high), "{low} {high}");
        assert_eq!(bootstrap(100, figure), (low, high));
    }
}
