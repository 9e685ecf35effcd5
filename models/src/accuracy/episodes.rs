//! Alarms against labelled episodes: how many were found, how soon, and how many alarms belong to none.
//!
//! An alarm belongs to an episode when it falls between `lead` points before its first and `lag` points after its
//! last point. Nothing is adjusted: an episode found late counts with its delay. No threshold is chosen here.

use std::ops::Range;

/// How far around a labelled episode an alarm still belongs to it, in points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reach {
    /// Points before its first one.
    pub lead: usize,
    /// Points after its last one.
    pub lag: usize,
}

/// What alarms found.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Found {
    /// Labelled episodes.
    pub episodes: usize,
    /// Of each episode that was found: points from its first one to its first alarm, 0 for an early one.
    pub delays_points: Vec<usize>,
    /// Alarms that belong to no episode.
    pub false_alarms: usize,
}

/// Runs of labelled points.
///
/// ```
/// assert_eq!(models::accuracy::episodes(&[false, true, true, false, true]), [1..3, 4..5]);
/// ```
#[must_use]
pub fn episodes(labels: &[bool]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, _) in labels.iter().enumerate().filter(|(_, label)| **label) {
        match found.last_mut() {
            Some(last) if last.end == at => last.end = at + 1,
            _ => found.push(at..at + 1),
        }
    }
    found
}

/// Compares alarms (positions, ascending) with labelled episodes.
///
/// ```
/// use models::accuracy::{Reach, episodes_found};
/// let labels: Vec<bool> = (0..100).map(|at| (40..50).contains(&at)).collect();
/// let found = episodes_found(&labels, &[10, 43, 52], Reach { lead: 2, lag: 7 });
/// assert_eq!((found.episodes, found.delays_points, found.false_alarms), (1, vec![3], 1));
/// ```
#[must_use]
pub fn episodes_found(labels: &[bool], alarms: &[usize], reach: Reach) -> Found {
    let episodes = episodes(labels);
    let near = |episode: &Range<usize>| episode.start.saturating_sub(reach.lead)..episode.end + reach.lag;
    let delay = |episode: &Range<usize>| {
        let first = alarms.iter().find(|&&alarm| near(episode).contains(&alarm))?;
        Some(first.saturating_sub(episode.start))
    };
    let delays_points = episodes.iter().filter_map(delay).collect();
    // the episodes are sorted and so are their ends: only the neighbours of an alarm can hold it
    let belongs = |alarm: usize| {
        let from = episodes.partition_point(|episode| episode.end + reach.lag <= alarm);
        episodes.get(from).is_some_and(|episode| near(episode).contains(&alarm))
    };
    let false_alarms = alarms.iter().filter(|&&alarm| !belongs(alarm)).count();
    Found { episodes: episodes.len(), delays_points, false_alarms }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: two episodes so close that one alarm belongs to both, an alarm before all and one behind all.
    /// Guarantees: the shared alarm finds both, delays are not negative, the others are false.
    #[test]
    fn an_alarm_may_belong_to_two_episodes() {
        let mut labels = vec![false; 60];
        labels[20..22].fill(true);
        labels[27] = true;
        let found = episodes_found(&labels, &[0, 26, 50], Reach { lead: 2, lag: 7 });
        assert_eq!(found, Found { episodes: 2, delays_points: vec![6, 0], false_alarms: 2 });
        assert_eq!(episodes_found(&[], &[], Reach { lead: 0, lag: 0 }), Found::default());
    }
}
