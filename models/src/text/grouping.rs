//! How well lines are grouped, compared with labels: grouping accuracy and its F1 over templates.
//!
//! A group is right when its lines are exactly the lines of one label. Grouping accuracy is the share of lines in right
//! groups (Zhu et al., ICSE-SEIP 2019); F1 is over groups: precision = right / found, recall = right / labels (Jiang et
//! al., ISSTA 2024, after Khan et al., ICSE 2022).

use std::collections::BTreeMap;

/// How lines were grouped.
///
/// ```
/// use models::text::grouping;
/// let seen = grouping(&["a", "a", "b", "b"], &[1, 1, 2, 3]);
/// assert_eq!(seen.accuracy, 0.5);
/// assert_eq!((seen.n_right, seen.n_found, seen.n_labels), (1, 3, 2));
/// assert!((seen.f1 - 0.4).abs() < 1e-12);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grouping {
    /// Share of lines in right groups.
    pub accuracy: f64,
    /// F1 over groups.
    pub f1: f64,
    /// Right groups.
    pub n_right: usize,
    /// Groups that were found.
    pub n_found: usize,
    /// Labels.
    pub n_labels: usize,
}

/// Compares groups with labels, line by line; lines that only one side has are left out.
#[must_use]
pub fn grouping<L: Ord, G: Ord>(labels: &[L], groups: &[G]) -> Grouping {
    let n = labels.len().min(groups.len());
    let mut by_label: BTreeMap<&L, usize> = BTreeMap::new();
    let mut by_group: BTreeMap<&G, (usize, &L, usize)> = BTreeMap::new();
    for (label, group) in labels.iter().zip(groups) {
        *by_label.entry(label).or_default() += 1;
        let seen = by_group.entry(group).or_insert((0, label, 0));
        seen.0 += 1;
        seen.2 += usize::from(seen.1 == label);
    }
    let right: Vec<usize> = by_group
        .values()
        .filter(|(lines, label, alike)| lines == alike && by_label.get(label) == Some(lines))
        .map(|(lines, _, _)| *lines)
        .collect();
    let share = |part: usize, whole: usize| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
    Grouping {
        accuracy: share(right.iter().sum(), n),
        f1: share(2 * right.len(), by_group.len() + by_label.len()),
        n_right: right.len(),
        n_found: by_group.len(),
        n_labels: by_label.len(),
    }
}
