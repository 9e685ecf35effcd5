//! What the strict exhaustion rule says about releases: a version that was watched, then a new one that goes on from it.
//!
//! A release is judged as the product does: only on its first day, and only if its predecessor did not leak. Healthy releases have
//! a level of their own, so many of them move a lot; one value is one minute.

use super::{Growth, Healthy, Leak, Usage, usage};
use crate::exhaustion::{Certainty, ExhaustionModel, ExhaustionValidParams};

/// Samples of either version: a day of minutes.
const DAY: usize = 1440;

/// Figures over many releases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReleaseFigures {
    /// Healthy releases.
    pub healthy: usize,
    /// Of these, blamed.
    pub blamed: usize,
    /// Leaking releases that reached the limit within a day.
    pub leaking: usize,
    /// Of these, blamed before the end.
    pub found: usize,
}

impl ReleaseFigures {
    /// Shares of the leaking and of the healthy releases that are blamed.
    #[must_use]
    pub fn shares(&self) -> (f64, f64) {
        let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        (share(self.found, self.leaking), share(self.blamed, self.healthy))
    }
}

/// `healthy` releases of every kind, and every leak `leaks` times on every base, from this seed on.
///
/// ```
/// use models::{exhaustion::ExhaustionParams, testkit::release_figures};
/// let figures = release_figures(&ExhaustionParams::default().check().unwrap(), 1, (1, 1));
/// assert_eq!(figures.healthy, 18);
/// assert!(figures.found > figures.leaking / 2, "{figures:?}");
/// ```
#[must_use]
pub fn release_figures(
    params: &ExhaustionValidParams,
    seed: u64,
    (healthy, leaks): (u64, u64),
) -> ReleaseFigures {
    let mut figures = ReleaseFigures::default();
    let mut seed = seed.wrapping_mul(104_729);
    let mut next = || {
        seed = seed.wrapping_add(1);
        seed
    };
    for kind in Healthy::ALL {
        for _ in 0..healthy {
            let (old, new) = (usage(kind, None, next(), DAY), usage(kind, None, next(), DAY));
            figures.healthy += 1;
            figures.blamed += usize::from(is_blamed(params, &old, &new));
        }
    }
    for (base, leak) in every_leak() {
        for _ in 0..leaks {
            let (old, new) = (usage(base, None, next(), DAY), usage(base, Some(leak), next(), DAY));
            let Some(end) = new.exhausted.filter(|&end| end > 10) else { continue };
            let new = Usage { values: new.values[..end].to_vec(), ..new };
            figures.leaking += 1;
            figures.found += usize::from(is_blamed(params, &old, &new));
        }
    }
    figures
}

/// Every growth over 45 to 720 samples, from the first sample of the new version on.
fn every_leak() -> impl Iterator<Item = (Healthy, Leak)> {
    const BASES: [Healthy; 6] = [
        Healthy::Flat,
        Healthy::Collected,
        Healthy::DailyCollected,
        Healthy::Walk,
        Healthy::Noisy,
        Healthy::WarmUp,
    ];
    [45, 90, 180, 360, 720].into_iter().flat_map(|samples| {
        Growth::ALL.into_iter().flat_map(move |growth| {
            BASES.into_iter().map(move |base| (base, Leak { growth, from: 0, samples }))
        })
    })
}

fn is_blamed(params: &ExhaustionValidParams, old: &Usage, new: &Usage) -> bool {
    let mut model = ExhaustionModel::new(params);
    if strictest(&mut model, old, 0).is_some() {
        return false;
    }
    strictest(&mut model.successor(), new, DAY) == Some(Certainty::Act)
}

/// The strictest forecast over a series whose first sample has this number.
fn strictest(model: &mut ExhaustionModel, series: &Usage, first: usize) -> Option<Certainty> {
    let mut strictest = None;
    for (nth, &value) in series.values.iter().enumerate() {
        if series.restarts.contains(&nth) {
            model.restarted();
        }
        model.learn((first + nth) as i64 * 60_000_000_000, value, Some(1.0));
        strictest = strictest.max(model.exhaustion().map(|ahead| ahead.certainty));
    }
    strictest
}
