//! Is there a trend, and how steep is it: two rank statistics that a few wild values cannot move.
//!
//! Pure functions over at most [`TREND_MAX`] values at equal distances. Sources: H. Theil (1950) and P. K. Sen, "Estimates of the
//! regression coefficient based on Kendall's tau", JASA 63 (1968), for slope and interval; H. B. Mann (1945) and M. G. Kendall
//! for the test, with the variance for ties; the inflation by autocorrelation is the one of Bayley & Hammersley
//! (1946) for a first-order process, `(1 + r) / (1 - r)`.

use crate::median::median_of_sorted;

/// Values that are looked at, at the most.
pub(crate) const TREND_MAX: usize = 32;
const PAIRS_MAX: usize = TREND_MAX * (TREND_MAX - 1) / 2;
/// Two-sided 95 % of the normal law.
const Z_95: f64 = 1.959_963_984_540_054;

/// A trend over equally distant values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Trend {
    /// Median of all pairwise slopes, per step.
    pub(crate) slope: f64,
    /// Sen's 95 % interval of the slope.
    pub(crate) lower: f64,
    /// Its upper end.
    pub(crate) upper: f64,
    /// Mann and Kendall's statistic, in standard deviations.
    pub(crate) z: f64,
}

/// The trend; `None` for fewer than four values.
pub(crate) fn trend(values: &[f64]) -> Option<Trend> {
    let n = values.len();
    if !(4..=TREND_MAX).contains(&n) {
        return None;
    }
    let mut slopes = [0.0; PAIRS_MAX];
    let (mut pairs, mut rises) = (0, 0_i32);
    for (i, first) in values.iter().enumerate() {
        for (gap, second) in values.iter().skip(i + 1).enumerate() {
            let rise = second - first;
            rises += i32::from(rise > 0.0) - i32::from(rise < 0.0);
            slopes[pairs] = rise / (gap + 1) as f64;
            pairs += 1;
        }
    }
    let slopes = &mut slopes[..pairs];
    slopes.sort_unstable_by(f64::total_cmp);
    let slope = median_of_sorted(slopes);
    let mut residuals = [0.0; TREND_MAX];
    let residuals = &mut residuals[..n];
    for (nth, (left, value)) in residuals.iter_mut().zip(values).enumerate() {
        *left = value - slope * nth as f64;
    }
    let memory = memory_of(residuals);
    let sd = libm::sqrt(variance(values)).max(1e-12);
    let z = f64::from(rises - rises.signum()) / (sd * libm::sqrt((1.0 + memory) / (1.0 - memory)));
    let half = Z_95 * sd;
    let rank = |rank: f64| slopes[(rank.max(0.0) as usize).min(pairs - 1)];
    Some(Trend {
        slope,
        lower: rank(libm::floor((pairs as f64 - half) / 2.0)),
        upper: rank(libm::ceil((pairs as f64 + half) / 2.0)),
        z,
    })
}

/// Kendall's variance of the sum of signs, less what ties take.
fn variance(values: &[f64]) -> f64 {
    let term = |t: f64| t * (t - 1.0) * (2.0 * t + 5.0) / 18.0;
    let mut sorted = [0.0; TREND_MAX];
    let sorted = &mut sorted[..values.len()];
    sorted.copy_from_slice(values);
    sorted.sort_unstable_by(f64::total_cmp);
    let tied: f64 = sorted.chunk_by(|a, b| a == b).map(|run| term(run.len() as f64)).sum();
    term(values.len() as f64) - tied
}

/// How much each residual repeats the one before, 0 to 0.9.
fn memory_of(residuals: &[f64]) -> f64 {
    let n = residuals.len() as f64;
    let mean = residuals.iter().sum::<f64>() / n;
    let square: f64 = residuals.iter().map(|left| (left - mean) * (left - mean)).sum();
    let pairs = residuals.iter().zip(residuals.iter().skip(1));
    let product: f64 = pairs.map(|(a, b)| (a - mean) * (b - mean)).sum();
    if square > 0.0 { (product / square).clamp(0.0, 0.9) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: a line, a line with two wild values, a constant, and the values of a worked example.
    /// Guarantees: slope 2 whatever the wild values; no trend in a constant; Mann and Kendall's statistic as
    /// computed by hand: ten rising values give S = 45, variance 125, z = 44 / sqrt(125).
    #[test]
    fn slope_and_test_agree_with_known_values() {
        let line: Vec<f64> = (0..10).map(|nth| 2.0 * f64::from(nth)).collect();
        let clean = trend(&line).unwrap();
        assert_eq!((clean.slope, clean.lower, clean.upper), (2.0, 2.0, 2.0));
        assert!((clean.z - 44.0 / libm::sqrt(125.0)).abs() < 1e-9, "{clean:?}");
        let mut wild = line.clone();
        (wild[3], wild[7]) = (500.0, -500.0);
        assert!((trend(&wild).unwrap().slope - 2.0).abs() < 0.2);
        let flat = trend(&[0.5; 12]).unwrap();
        assert_eq!((flat.slope, flat.z), (0.0, 0.0));
        assert!(trend(&line[..3]).is_none());
    }

    /// Scenario: four values of which one pair falls: of 6 pairs 5 rise, so S = 4.
    /// Guarantees: with Kendall's variance 4 * 3 * 13 / 18 the statistic is 3 / 2.944.
    #[test]
    fn small_samples_follow_the_formula() {
        let seen = trend(&[10.0, 15.0, 14.0, 20.0]).unwrap();
        assert!((seen.z - 3.0 / libm::sqrt(4.0 * 3.0 * 13.0 / 18.0)).abs() < 1e-9, "{seen:?}");
    }
}
