//! Generated incidents of kinds that are known, to measure families by.
//!
//! A world has 6 to 14 kinds. A kind has a context (whether a change is suspected, how far it spreads) and one to three traits of
//! its own out of 20, no two kinds the same; kinds come up as unevenly as one over their rank. An incident shows the traits of
//! its kind with some noise, lacks one now and then, and shows one that does not belong to it now and then. One incident of
//! ten is of no kind: its traits are drawn for it alone. While it is young an incident shows only part of this, and weaker.
//! What it does not do: claim that real incidents are like these.

use super::Draws;
use crate::families::Fingerprint;

/// Whether a change is suspected, and how far it spreads.
const CONTEXT: usize = 2;
const OWN: usize = 20;
/// Traits of a generated incident.
pub(super) const MADE_TRAITS: usize = CONTEXT + OWN;

/// One incident.
#[derive(Debug, Clone, PartialEq)]
pub struct MadeIncident {
    /// Its kind; what is of no kind has a number of its own.
    pub kind: usize,
    /// Whether it is of a kind that others may be of.
    pub has_kind: bool,
    /// What it shows when it is told of first.
    pub at_first: Fingerprint,
    /// What it has shown when it ends.
    pub at_last: Fingerprint,
}

/// What the incidents of a kind have in common.
#[derive(Debug, Clone, PartialEq)]
struct Kind {
    has_change: bool,
    spreads: f64,
    /// Number and usual strength.
    traits: Vec<(usize, f64)>,
}

impl Kind {
    fn draw(draws: &mut Draws) -> Self {
        let count = 1 + (draws.uniform() * 3.0) as usize;
        let mut traits: Vec<(usize, f64)> = Vec::new();
        while traits.len() < count {
            let own = (draws.uniform() * OWN as f64) as usize;
            if traits.iter().all(|(known, _)| *known != own) {
                traits.push((own, 0.5 + 0.5 * draws.uniform()));
            }
        }
        traits.sort_by_key(|(own, _)| *own);
        Self { has_change: draws.uniform() < 0.5, spreads: draws.uniform(), traits }
    }

    /// Whether two kinds differ in more than strength.
    fn is_like(&self, other: &Self) -> bool {
        let names = |kind: &Self| kind.traits.iter().map(|(own, _)| *own).collect::<Vec<_>>();
        self.has_change == other.has_change && names(self) == names(other)
    }

    fn incident(&self, kind: usize, has_kind: bool, draws: &mut Draws) -> MadeIncident {
        let (mut last, mut first) = ([0.0; MADE_TRAITS], [0.0; MADE_TRAITS]);
        let context = f64::from(u8::from(self.has_change));
        (last[0], first[0]) = (0.8 * context, 0.8 * context);
        if draws.uniform() < self.spreads {
            last[1] = 0.5 * draws.uniform();
        }
        let lead = (draws.uniform() * self.traits.len() as f64) as usize;
        for (nth, (own, strength)) in self.traits.iter().enumerate() {
            let (is_lacking, is_late, growth) =
                (draws.uniform() < 0.05, draws.uniform() < 0.25, draws.uniform());
            let value = (strength + 0.1 * draws.normal()).clamp(0.4, 1.0);
            if nth == lead || !is_lacking {
                last[CONTEXT + own] = value;
            }
            if nth == lead || !(is_lacking || is_late) {
                first[CONTEXT + own] = value * (0.6 + 0.4 * growth);
            }
        }
        if draws.uniform() < 0.15 {
            let stray = CONTEXT + (draws.uniform() * OWN as f64) as usize;
            last[stray] = f64::max(last[stray], 0.3 + 0.3 * draws.uniform());
        }
        MadeIncident { kind, has_kind, at_first: Fingerprint::new(&first), at_last: Fingerprint::new(&last) }
    }
}

/// The incidents of one world, in the order in which they end.
///
/// ```
/// use models::testkit::made_incidents;
/// let incidents = made_incidents(3, 50);
/// assert_eq!(incidents.len(), 50);
/// assert_eq!(incidents, made_incidents(3, 50));
/// ```
#[must_use]
pub fn made_incidents(seed: u64, count: usize) -> Vec<MadeIncident> {
    let mut draws = Draws::new(seed);
    let n_kinds = 6 + (draws.uniform() * 9.0) as usize;
    let mut kinds: Vec<Kind> = Vec::new();
    while kinds.len() < n_kinds {
        let kind = Kind::draw(&mut draws);
        if !kinds.iter().any(|known| known.is_like(&kind)) {
            kinds.push(kind);
        }
    }
    let weights: f64 = (1..=n_kinds).map(|rank| 1.0 / rank as f64).sum();
    let one = |nth: usize, draws: &mut Draws| {
        if draws.uniform() < 0.1 {
            return Kind::draw(draws).incident(n_kinds + nth, false, draws);
        }
        let mut left = draws.uniform() * weights;
        let mut kind = 0;
        while kind + 1 < n_kinds && left > 1.0 / (kind + 1) as f64 {
            left -= 1.0 / (kind + 1) as f64;
            kind += 1;
        }
        kinds[kind].incident(kind, true, draws)
    };
    (0..count).map(|nth| one(nth, &mut draws)).collect()
}
