//! Families of incidents: what an incident is like among those that ended before it, or that nothing was like it.
//!
//! An incident is a [`Fingerprint`]: which traits it shows, and how strongly. [`Families`] keeps the centre of each family and
//! the newest members; an incident belongs to the family whose centre is nearest, if that is near enough, and founds one
//! otherwise (leader clustering: J. Hartigan, "Clustering Algorithms", 1975, chapter 3, with centres that follow the members).
//! `docs/families.md` measures it beside DBSCAN, k-means, incremental k-means and a mixture of normal distributions.
//!
//! Promises: a family's id never changes while it lives; asked before learned; no random number, one order of all sums, so the same
//! calls give the same bits; bounded, whatever comes. Deliberately absent: what a trait means, how a family is called, and
//! what follows from belonging to it.

mod fingerprint;
mod model;
mod params;

pub use fingerprint::{Fingerprint, TRAITS_MAX};
pub use model::{Alike, ENDINGS, Families, Family, Joined, Remembered};
pub use params::{FamilyParams, FamilyValidParams};

#[cfg(test)]
mod tests;
