//! What an incident shows, as numbers between 0 and 1.

use serde::{Deserialize, Serialize};

/// Traits of a fingerprint; what comes after them is left out.
pub const TRAITS_MAX: usize = 32;

/// Which traits an incident shows: 0 not at all, up to 1 as strongly as can be told apart.
///
/// ```
/// use models::families::Fingerprint;
/// let (slow, slower) = (Fingerprint::new(&[0.0, 0.6]), Fingerprint::new(&[0.0, 0.9, f64::NAN]));
/// assert!((slow.distance(&slower) - 0.3).abs() < 1e-6);
/// assert_eq!(slow.widened(&slower), slower);
/// ```
///
/// # Invariants
/// At most [`TRAITS_MAX`] numbers, all within 0 to 1, the last of them not 0.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Fingerprint(Vec<f32>);

impl Fingerprint {
    /// Of these traits; what is not a number is not shown.
    #[must_use]
    pub fn new(traits: &[f64]) -> Self {
        let shown = |&value: &f64| if value > 0.0 { value.min(1.0) as f32 } else { 0.0 };
        let mut traits: Vec<f32> = traits.iter().take(TRAITS_MAX).map(shown).collect();
        while traits.last() == Some(&0.0) {
            traits.pop();
        }
        Self(traits)
    }

    /// How strongly a trait is shown.
    #[must_use]
    pub fn get(&self, nth: usize) -> f64 {
        self.0.get(nth).copied().map_or(0.0, f64::from)
    }

    /// Whether nothing is shown at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Euclidean distance.
    #[must_use]
    pub fn distance(&self, other: &Self) -> f64 {
        distance(&|nth| self.get(nth), &|nth| other.get(nth))
    }

    /// The most that either shows.
    #[must_use]
    pub fn widened(&self, other: &Self) -> Self {
        let longer = self.0.len().max(other.0.len());
        Self((0..longer).map(|nth| self.get(nth).max(other.get(nth)) as f32).collect())
    }
}

/// Euclidean distance of two rows of traits, summed from the first to the last.
pub(super) fn distance(a: &impl Fn(usize) -> f64, b: &impl Fn(usize) -> f64) -> f64 {
    let square = |nth| (a(nth) - b(nth)) * (a(nth) - b(nth));
    libm::sqrt((0..TRAITS_MAX).map(square).sum())
}
