//! Replicas in groups of like behaviour, by DBSCAN (M. Ester et al., KDD 1996): one stray replica, or two camps.
//!
//! A distance from the median cannot tell "one of six is odd" from "three run on other nodes": density can. Rows are
//! divided by what is a usual difference between siblings in each metric; replicas within three such differences of each other in
//! root mean square belong together, a replica near nobody is a stray. linfa's DBSCAN does it; it draws no random
//! numbers. Not done here: deciding whether a camp is a fault.

use linfa::traits::Transformer;
use linfa_clustering::Dbscan;
use ndarray::Array2;

/// Usual differences within which replicas are alike.
const REACH: f64 = 3.0;
/// Replicas and metrics that are looked at.
const REPLICAS_MAX: usize = super::MAX_REPLICAS;
/// Differences beyond this many usual ones are all the same: far.
const FAR: f64 = 1e6;

/// Where a replica belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplicaGroup {
    /// To a group of at least two that are alike, numbered from 0 in the order of their first replicas.
    Member(usize),
    /// To none.
    Stray,
}

/// Groups the replicas of one moment; a row for each, `usual` being a usual difference between siblings by metric.
///
/// Metrics that are missing count as no difference. Replicas beyond 256 are strays.
///
/// ```
/// use models::siblings::{ReplicaGroup::*, replica_groups};
/// let rows = [[10.0], [10.5], [9.8], [30.0], [30.4], [99.0]];
/// assert_eq!(replica_groups(&rows, &[0.5]), [Member(0), Member(0), Member(0), Member(1), Member(1), Stray]);
/// ```
#[must_use]
pub fn replica_groups<M: AsRef<[f64]>>(rows: &[M], usual: &[f64]) -> Vec<ReplicaGroup> {
    let looked_at = rows.len().min(REPLICAS_MAX);
    let mut groups = vec![ReplicaGroup::Stray; rows.len()];
    if looked_at < 2 || usual.is_empty() {
        return groups;
    }
    let root = libm::sqrt(usual.len() as f64);
    let scaled = Array2::from_shape_fn((looked_at, usual.len()), |(row, metric)| {
        let value = rows[row].as_ref().get(metric).copied().unwrap_or(0.0);
        let scaled = value / (usual[metric].abs().max(1e-12) * root);
        if scaled.is_finite() { scaled.clamp(-FAR, FAR) } else { 0.0 }
    });
    let found = Dbscan::params(2).tolerance(REACH).transform(&scaled);
    // numbers in the order of first replicas, whatever the algorithm's order was
    let mut order: Vec<usize> = Vec::new();
    for (group, found) in groups.iter_mut().zip(found.iter().flat_map(|found| found.iter())) {
        let Some(found) = *found else { continue };
        let number = order.iter().position(|&known| known == found).unwrap_or_else(|| {
            order.push(found);
            order.len() - 1
        });
        *group = ReplicaGroup::Member(number);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use ReplicaGroup::{Member, Stray};

    /// Scenario: six replicas of which three run on slower nodes; six of which one is odd; nobody; one; missing values.
    /// Guarantees: camps and strays are told apart, which the distance from the median does not do: there the three
    /// are as far out as the one.
    #[test]
    fn camps_are_not_strays() {
        let camps = [[10.0], [10.2], [9.9], [14.0], [14.1], [13.9]];
        let groups = replica_groups(&camps, &[0.3]);
        assert_eq!(groups, [Member(0), Member(0), Member(0), Member(1), Member(1), Member(1)]);
        let one = [[10.0], [10.2], [9.9], [10.1], [14.1], [9.9]];
        assert_eq!(replica_groups(&one, &[0.3])[4], Stray);
        assert!(replica_groups::<[f64; 1]>(&[], &[1.0]).is_empty());
        assert_eq!(replica_groups(&[[1.0]], &[1.0]), [Stray]);
        let missing = [[f64::NAN, 1.0], [5.0, 1.0], [5.1, 1.0]];
        assert_eq!(replica_groups(&missing, &[0.1, 1.0]), [Stray, Member(0), Member(0)]);
    }
}
