//! Area under the precision-recall curve as average precision: points are alarms one by one, segments do not count.
//!
//! `AP = sum over distinct scores s, falling, of (R(s) - R(before s)) * P(s)` with precision `P` and recall `R` of
//! "alarm where the score is at least s": the step-wise sum of Davis & Goadrich, "The relationship between
//! precision-recall and ROC curves" (ICML 2006), without interpolation, equal scores being one step.

/// Average precision of `scores` (one a point, larger is more unusual) against `labels`; in `[0, 1]`.
///
/// Without an anomaly there is nothing to find: 0. NaN counts as the lowest score.
///
/// ```
/// let labels = [false, true, true, false];
/// assert_eq!(models::accuracy::auc_pr(&labels, &[0.1, 0.9, 0.8, 0.2]), 1.0);
/// assert_eq!(models::accuracy::auc_pr(&labels, &[0.5; 4]), 0.5);
/// ```
///
/// # Panics
/// When the lengths differ.
#[must_use]
pub fn auc_pr(labels: &[bool], scores: &[f64]) -> f64 {
    assert_eq!(labels.len(), scores.len(), "one score a point");
    let anomalies = labels.iter().filter(|&&label| label).count();
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| comparable(scores[b]).total_cmp(&comparable(scores[a])));
    let (mut found, mut alarms, mut area) = (0_usize, 0_usize, 0.0);
    for step in order.chunk_by(|&a, &b| comparable(scores[a]) == comparable(scores[b])) {
        let hits = step.iter().filter(|&&nth| labels[nth]).count();
        found += hits;
        alarms += step.len();
        area += hits as f64 * (found as f64 / alarms as f64);
    }
    if anomalies == 0 { 0.0 } else { area / anomalies as f64 }
}

/// The score, with NaN below all numbers and both zeros equal.
pub(super) fn comparable(score: f64) -> f64 {
    if score.is_nan() { f64::NEG_INFINITY } else { score + 0.0 }
}
