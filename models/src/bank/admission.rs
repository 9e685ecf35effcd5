//! Which series deserve the full tier under a memory budget: a rule that can be read off and asked about.
//!
//! Usefulness = weight given by the caller (0 to 1: a golden signal of a service counts more than a pod's gauge) times
//! the share of recent points that change (a series that never moves needs no model). While there is room, everything is
//! admitted from its first point on, unless a least usefulness is asked for. Without room a series takes the place of the
//! least useful one if it is more useful by the margin, so that places do not flap; those that never moved go first. Not
//! done here: holding any state of a detector.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::params::{Faults, ParamFaults};

/// Settings as a person writes them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdmissionParams {
    /// Memory of the full tier.
    pub budget_bytes: u64,
    /// Series below this usefulness stay in the hot tier even when there is room.
    pub usefulness_min: f64,
    /// Factor by which a series must be more useful than the one it replaces.
    pub margin: f64,
}

impl Default for AdmissionParams {
    fn default() -> Self {
        Self { budget_bytes: 64 << 20, usefulness_min: 0.0, margin: 1.5 }
    }
}

/// Checked settings.
///
/// ```
/// assert!(models::bank::AdmissionParams::default().check().is_ok());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct AdmissionValidParams(AdmissionParams);

impl AdmissionParams {
    /// Looks through all settings.
    ///
    /// # Errors
    /// Every setting outside its range.
    pub fn check(self) -> Result<AdmissionValidParams, ParamFaults> {
        let mut faults = Faults::default();
        let bytes = self.budget_bytes as f64;
        faults.require(bytes <= 1e12, "budget_bytes", bytes, "at most 1e12");
        let least = self.usefulness_min;
        faults.require((0.0..=1.0).contains(&least), "usefulness_min", least, "0 to 1");
        faults.require((1.0..=100.0).contains(&self.margin), "margin", self.margin, "1 to 100");
        faults.done(AdmissionValidParams(self))
    }
}

/// What became of a series that asked, and why.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Admitted {
    /// It has a place already.
    Already,
    /// There was room.
    Room,
    /// It takes the place of this series, which goes back to the hot tier.
    Instead(u64),
    /// It is less useful than the least that is admitted at all.
    Useless,
    /// All places are held by more useful series: this usefulness would have been enough.
    Full(f64),
}

/// Who has a place in the full tier.
///
/// ```
/// use models::bank::{Admission, AdmissionParams, Admitted};
/// let params = AdmissionParams { budget_bytes: 10_000, ..AdmissionParams::default() };
/// let mut admission = Admission::new(&params.check().unwrap(), 5000);
/// assert_eq!(admission.ask(1, 0.5), Admitted::Room);
/// assert_eq!(admission.ask(2, 0.2), Admitted::Room);
/// assert_eq!(admission.ask(3, 0.25), Admitted::Full(0.30000000000000004));
/// assert_eq!(admission.ask(3, 0.4), Admitted::Instead(2));
/// ```
///
/// # Invariants
/// At most `budget_bytes / bytes_per_series` series have a place; `ranks` holds the same series as `held`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Admission {
    params: AdmissionParams,
    places: usize,
    /// Usefulness when a series last asked.
    held: BTreeMap<u64, f64>,
    /// The same, least useful first: the bits of a number from 0 to 1 are ordered as it is.
    ranks: BTreeSet<(u64, u64)>,
    refused: u64,
    replaced: u64,
}

impl Admission {
    /// An empty tier whose series take so many bytes each.
    #[must_use]
    pub fn new(params: &AdmissionValidParams, bytes_per_series: usize) -> Self {
        let places = usize::try_from(params.0.budget_bytes).unwrap_or(usize::MAX) / bytes_per_series.max(1);
        let (held, ranks) = (BTreeMap::new(), BTreeSet::new());
        Self { params: params.0, places, held, ranks, refused: 0, replaced: 0 }
    }

    /// A series asks for a place, or tells its new usefulness.
    pub fn ask(&mut self, series: u64, usefulness: f64) -> Admitted {
        let usefulness = if usefulness > 0.0 { usefulness.min(1.0) } else { 0.0 };
        if self.held.contains_key(&series) {
            self.leave(series);
            self.hold(series, usefulness);
            return Admitted::Already;
        }
        if usefulness < self.params.usefulness_min {
            self.refused += 1;
            return Admitted::Useless;
        }
        if self.held.len() < self.places {
            self.hold(series, usefulness);
            return Admitted::Room;
        }
        self.replace(series, usefulness)
    }

    fn replace(&mut self, series: u64, usefulness: f64) -> Admitted {
        let least = self.ranks.first().map(|(useful, series)| (*series, f64::from_bits(*useful)));
        match least {
            Some((out, useful)) if usefulness > self.params.margin * useful => {
                self.leave(out);
                self.hold(series, usefulness);
                self.replaced += 1;
                Admitted::Instead(out)
            }
            least => {
                self.refused += 1;
                Admitted::Full(least.map_or(f64::INFINITY, |(_, useful)| self.params.margin * useful))
            }
        }
    }

    /// A series ended; its place is free.
    pub fn leave(&mut self, series: u64) {
        if let Some(useful) = self.held.remove(&series) {
            self.ranks.remove(&(useful.to_bits(), series));
        }
    }

    fn hold(&mut self, series: u64, usefulness: f64) {
        self.held.insert(series, usefulness);
        self.ranks.insert((usefulness.to_bits(), series));
    }

    /// What is to be saved: who holds a place and how useful it was, times refused, times replaced.
    pub(super) fn standing(&self) -> (&BTreeMap<u64, f64>, u64, u64) {
        (&self.held, self.refused, self.replaced)
    }

    /// These rules with a saved standing.
    pub(super) fn with_standing(&self, (held, refused, replaced): (BTreeMap<u64, f64>, u64, u64)) -> Self {
        let ranks = held.iter().map(|(series, useful)| (useful.to_bits(), *series)).collect();
        Self { params: self.params, places: self.places, held, ranks, refused, replaced }
    }

    /// Who holds a place.
    pub(super) fn holders(&self) -> impl Iterator<Item = u64> + '_ {
        self.held.keys().copied()
    }

    /// Takes places away, from the least useful on, until the budget holds; whose they were.
    pub(super) fn shed(&mut self) -> Vec<u64> {
        let mut held: Vec<(u64, f64)> = self.held.iter().map(|(series, useful)| (*series, *useful)).collect();
        held.sort_by(|a, b| a.1.total_cmp(&b.1));
        let out: Vec<u64> =
            held.iter().take(held.len().saturating_sub(self.places)).map(|held| held.0).collect();
        out.iter().for_each(|series| self.leave(*series));
        out
    }

    /// Whether a place is free.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.held.len() < self.places
    }

    /// Places taken and places there are.
    #[must_use]
    pub fn occupancy(&self) -> (usize, usize) {
        (self.held.len(), self.places)
    }

    /// Times that a series was refused, and times that one was replaced.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        (self.refused, self.replaced)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: ten thousand series of changing usefulness ask for a hundred places, some leave.
    /// Guarantees: the budget holds after every step; in the end nobody outside is more useful by the margin than
    /// somebody inside.
    #[test]
    fn the_budget_holds() {
        let params = AdmissionParams { budget_bytes: 100 * 4096, ..AdmissionParams::default() };
        let mut admission = Admission::new(&params.check().unwrap(), 4096);
        let usefulness = |series: u64| (series * 7919 % 1000) as f64 / 1000.0;
        for series in 0..10_000 {
            admission.ask(series, usefulness(series));
            let least = admission.held.values().copied().fold(f64::INFINITY, f64::min);
            assert_eq!(admission.ranks.first().map(|(useful, _)| f64::from_bits(*useful)), Some(least));
            if series % 97 == 0 {
                admission.leave(series / 2);
            }
            assert!(admission.occupancy().0 <= 100);
        }
        let least = admission.held.values().copied().fold(f64::INFINITY, f64::min);
        for series in (0..10_000).filter(|series| usefulness(*series) > 1.5 * least) {
            admission.ask(series, usefulness(series));
        }
        assert!(admission.held.values().all(|useful| *useful * 1.5 >= 0.66), "{:?}", admission.held);
        assert!(admission.counts().0 > 0 && admission.counts().1 > 0);
        assert_eq!(admission.ranks.len(), admission.held.len());
        assert!(matches!(admission.ask(1_000_000, 0.0), Admitted::Full(_)));
        assert!(matches!(admission.ask(1_000_001, f64::NAN), Admitted::Full(_)));
        let params = AdmissionParams { usefulness_min: 0.02, ..AdmissionParams::default() };
        assert_eq!(Admission::new(&params.check().unwrap(), 4096).ask(1, 0.01), Admitted::Useless);
    }
}
