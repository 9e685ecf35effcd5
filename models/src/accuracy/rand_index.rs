//! How far two ways to sort the same things into groups agree, chance taken off.
//!
//! `ARI = (sum C(n_ij, 2) - E) / ((sum C(a_i, 2) + sum C(b_j, 2)) / 2 - E)`, `E = sum C(a_i, 2) sum C(b_j, 2) / C(n, 2)`:
//! L. Hubert & P. Arabie, "Comparing partitions", Journal of Classification 2 (1985), equation 5; `n_ij` things stand in
//! group i of one and j of the other, `a_i` and `b_j` are their sums.

use std::collections::BTreeMap;

/// The adjusted Rand index: 1 for the same groups, 0 for what chance gives, below 0 for worse than that.
///
/// Names of groups do not matter. Two sortings without any pair to agree on are the same: 1.
///
/// ```
/// use models::accuracy::adjusted_rand_index;
/// assert_eq!(adjusted_rand_index(&[0, 0, 1, 1], &[5, 5, 3, 3]), 1.0);
/// let value = adjusted_rand_index(&[0, 0, 0, 1, 1, 1], &[0, 0, 1, 1, 2, 2]);
/// assert!((value - 0.242_424).abs() < 1e-6); // scikit-learn's adjusted_rand_score
/// ```
///
/// # Panics
/// When the lengths differ.
#[must_use]
pub fn adjusted_rand_index(truth: &[usize], found: &[usize]) -> f64 {
    assert_eq!(truth.len(), found.len(), "one group a thing, twice");
    let mut cells: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    let (mut rows, mut columns): (BTreeMap<usize, f64>, BTreeMap<usize, f64>) = Default::default();
    for (&a, &b) in truth.iter().zip(found) {
        *cells.entry((a, b)).or_default() += 1.0;
        *rows.entry(a).or_default() += 1.0;
        *columns.entry(b).or_default() += 1.0;
    }
    let pairs = |n: f64| n * (n - 1.0) / 2.0;
    let both: f64 = cells.values().map(|&n| pairs(n)).sum();
    let [in_rows, in_columns] = [rows, columns].map(|sums| sums.values().map(|&n| pairs(n)).sum::<f64>());
    let by_chance = in_rows * in_columns / pairs(truth.len() as f64).max(1.0);
    let most = f64::midpoint(in_rows, in_columns);
    if most == by_chance { 1.0 } else { (both - by_chance) / (most - by_chance) }
}
