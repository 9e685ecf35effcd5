//! Types of days by their shape, by k-means: work days, weekends, the days of a monthly job.
//!
//! Days are rows of equally many slots. Each is standardised by the mean and deviation over all days; k-means
//! (S. Lloyd, 1982; seeded as in D. Arthur, S. Vassilvitskii, "k-means++", SODA 2007) from linfa is run for two to four
//! types, and the number with the best silhouette (P. Rousseeuw, 1987) is kept if that is clear, else there is one type.
//! Deterministic: the seed is an argument, and no transcendental function is involved. Here to be measured, not
//! to be shipped: what it foretells stands in `docs/univariate.md`, what it finds in `docs/multivariate.md`.

use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use linfa_clustering::KMeans;
use ndarray::Array2;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Types at most.
const TYPES_MAX: usize = 4;
/// Days and slots that are looked at: a year of five-minute slots.
const DAYS_MAX: usize = 366;
const SLOTS_MAX: usize = 288;
/// Silhouette from which types are clear: Kaufman & Rousseeuw, "Finding Groups in Data", 1990, call 0.5 reasonable.
const CLEAR: f64 = 0.5;

/// Days sorted into types.
#[derive(Debug, Clone, PartialEq)]
pub struct DayTypes {
    /// Type of each day, numbered from 0 in the order of their first days.
    pub of_day: Vec<usize>,
    /// Mean day of each type, in the series' unit.
    pub profiles: Vec<Vec<f64>>,
    /// How well apart the types are, -1 to 1; 0 for a single type.
    pub silhouette: f64,
}

/// Sorts days; values that are not finite stand at the mean of their slot. At most 366 days and 288 slots are used.
///
/// ```
/// use models::testkit::day_types;
/// let day = |nth: usize| vec![if nth % 7 < 5 { 10.0 } else { 3.0 } + 0.01 * nth as f64; 24];
/// let days: Vec<Vec<f64>> = (0..21).map(day).collect();
/// let types = day_types(&days, 1);
/// assert_eq!(types.profiles.len(), 2);
/// assert_eq!(types.of_day[..7], [0, 0, 0, 0, 0, 1, 1]);
/// ```
#[must_use]
pub fn day_types(days: &[Vec<f64>], seed: u64) -> DayTypes {
    sorted_days(days, |scaled, types| by_means(scaled, types, seed))
}

/// The same by any way to assign that many types to standardised days.
pub(super) fn sorted_days(
    days: &[Vec<f64>],
    assigned: impl Fn(&Array2<f64>, usize) -> Option<Vec<usize>>,
) -> DayTypes {
    let days = &days[..days.len().min(DAYS_MAX)];
    let slots = days.iter().map(Vec::len).min().unwrap_or(0).min(SLOTS_MAX);
    let filled = filled(days, slots);
    let scaled = scaled(&filled);
    let one = DayTypes {
        of_day: vec![0; days.len()],
        profiles: profiles(&filled, &vec![0; days.len()]),
        silhouette: 0.0,
    };
    let candidates = (2..=TYPES_MAX).take_while(|&types| days.len() >= 3 * types && slots > 0);
    let best = candidates
        .filter_map(|types| weighed(&scaled, types, assigned(&scaled, types)?))
        .max_by(|a, b| a.1.total_cmp(&b.1));
    match best {
        Some((of_day, silhouette)) if silhouette >= CLEAR => {
            DayTypes { profiles: profiles(&filled, &of_day), of_day, silhouette }
        }
        _ => one,
    }
}

fn by_means(scaled: &Array2<f64>, types: usize, seed: u64) -> Option<Vec<usize>> {
    let rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let params = KMeans::params_with_rng(types, rng).n_runs(4).max_n_iterations(100);
    let model = params.fit(&DatasetBase::from(scaled.clone())).ok()?;
    Some(model.predict(scaled).to_vec())
}

/// The types in the order of their first days, and the silhouette; `None` if there are fewer than asked for.
fn weighed(scaled: &Array2<f64>, types: usize, found: Vec<usize>) -> Option<(Vec<usize>, f64)> {
    let mut order: Vec<usize> = Vec::new();
    let number = |&found: &usize| {
        order.iter().position(|&known| known == found).unwrap_or_else(|| {
            order.push(found);
            order.len() - 1
        })
    };
    let of_day: Vec<usize> = found.iter().map(number).collect();
    let silhouette = silhouette(scaled, &of_day, order.len());
    (order.len() == types).then_some((of_day, silhouette))
}

/// Mean over days of `(b - a) / max(a, b)`: `a` the mean distance to the own type, `b` to the nearest other; a day that
/// is alone in its type counts 0.
pub(super) fn silhouette(scaled: &Array2<f64>, of_day: &[usize], types: usize) -> f64 {
    let width = |day: usize| {
        let mut sums = vec![(0.0, 0.0); types];
        for (other, &other_type) in of_day.iter().enumerate().filter(|(other, _)| *other != day) {
            let pairs = scaled.row(day).into_iter().zip(scaled.row(other));
            let distance = libm::sqrt(pairs.map(|(a, b)| (a - b) * (a - b)).sum());
            sums[other_type] = (sums[other_type].0 + distance, sums[other_type].1 + 1.0);
        }
        let mean = |&(sum, count): &(f64, f64)| sum / count;
        let own = sums[of_day[day]];
        let others = sums.iter().enumerate().filter(|(nth, (_, count))| *nth != of_day[day] && *count > 0.0);
        let nearest = others.map(|(_, sums)| mean(sums)).fold(f64::INFINITY, f64::min);
        if own.1 == 0.0 { 0.0 } else { (nearest - mean(&own)) / nearest.max(mean(&own)).max(1e-12) }
    };
    (0..of_day.len()).map(width).sum::<f64>() / of_day.len().max(1) as f64
}

fn filled(days: &[Vec<f64>], slots: usize) -> Array2<f64> {
    let usable = |value: f64| value.abs() <= 1e30;
    let mean = |slot: usize| {
        let known = || days.iter().map(|day| day[slot]).filter(|&value| usable(value));
        known().sum::<f64>() / known().count().max(1) as f64
    };
    let means: Vec<f64> = (0..slots).map(mean).collect();
    Array2::from_shape_fn((days.len(), slots), |(day, slot)| {
        if usable(days[day][slot]) { days[day][slot] } else { means[slot] }
    })
}

/// All values by the mean and deviation of all, so that level and shape both count.
fn scaled(filled: &Array2<f64>) -> Array2<f64> {
    let n = filled.len().max(1) as f64;
    let mean = filled.iter().sum::<f64>() / n;
    let deviation = libm::sqrt(filled.iter().map(|value| (value - mean) * (value - mean)).sum::<f64>() / n);
    filled.mapv(|value| (value - mean) / deviation.max(1e-12))
}

fn profiles(filled: &Array2<f64>, of_day: &[usize]) -> Vec<Vec<f64>> {
    let types = of_day.iter().max().map_or(0, |&last| last + 1);
    let profile = |of: usize| {
        let mut sum = vec![0.0; filled.ncols()];
        let rows = filled.rows().into_iter().zip(of_day).filter(|(_, day)| **day == of);
        let mut count = 0.0;
        for (row, _) in rows {
            sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            count += 1.0;
        }
        sum.into_iter().map(|sum| sum / count).collect()
    };
    (0..types).map(profile).collect()
}

#[cfg(test)]
mod tests {
    use super::super::Draws;
    use super::*;

    fn days(seed: u64, n: usize, weekend: f64) -> Vec<Vec<f64>> {
        let mut draws = Draws::new(seed);
        let mut value = |day: usize, slot: usize| {
            let swing = libm::sin(slot as f64 / 48.0 * std::f64::consts::TAU);
            let level = if day % 7 < 5 { 1.0 } else { weekend };
            100.0 * level * (2.0 + swing) + 10.0 * draws.normal()
        };
        (0..n).map(|day| (0..48).map(|slot| value(day, slot)).collect()).collect()
    }

    /// Scenario: four noisy weeks whose weekends are at 40 % of a work day; the same without weekends; missing values;
    /// too few days; none.
    /// Guarantees: weekends are found as one type with the mean day in the series' unit, and where there are none, none
    /// are invented; the same seed gives the same types.
    #[test]
    fn weekends_are_a_type_where_there_are_any() {
        let mut some = days(21, 28, 0.4);
        some[3][5] = f64::NAN;
        let types = day_types(&some, 7);
        println!("seed 21: silhouette {:.2}, types {:?}", types.silhouette, types.of_day);
        assert!(types.of_day.iter().enumerate().all(|(day, &of)| of == usize::from(day % 7 >= 5)));
        assert!((types.profiles[0][0] - 200.0).abs() < 15.0 && (types.profiles[1][0] - 80.0).abs() < 15.0);
        assert_eq!(types, day_types(&some, 7));
        let none = day_types(&days(22, 28, 1.0), 7);
        assert_eq!((none.profiles.len(), none.silhouette), (1, 0.0));
        assert_eq!(day_types(&days(23, 3, 0.4), 7).profiles.len(), 1);
        assert_eq!(day_types(&[], 7).of_day, Vec::<usize>::new());
    }
}
