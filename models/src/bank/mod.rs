//! Many single-series detectors in columns, in two tiers: a small one for every series, the full one for those that are
//! worth it under a memory budget. A table of contents.
//!
//! # Order of calls
//! [`Bank::observe`] judges each point by what was learned before it and then takes it in, in one pass: what a point is to
//! teach ([`crate::univariate::Lesson`]) is decided beforehand, from what was said about earlier points. Points of one series
//! come in the order of time; later ones of a batch are judged knowing the earlier ones. Then, for a point that has a
//! score: p-value from [`crate::calibrate::TailCalibrator`], *then* its `observe`, then the alarm budget. [`Bank::standing`]
//! says which tier speaks for a series, whether it is mature, how many points stand behind it and whose they are.

mod admission;
mod full;
mod grid;
mod hot;
mod prior;
mod restore;
mod saved;
mod tiers;

#[cfg(test)]
mod saved_tests;
#[cfg(test)]
mod tests;

pub use admission::{Admission, AdmissionParams, AdmissionValidParams, Admitted};
pub use full::{Row, RowPoint, SurpriseColumns};
pub use hot::{HotReading, HotSurprise};
pub use prior::{Basis, OWN_POINTS};
pub use tiers::{ASK_POINTS, Bank, BankPoint, Judged, Standing, Tier};
