//! Mean surprise: the full-tier detector of a single series, by how rarely its values, their means and their deviations
//! from the usual day were seen. A table of contents.

mod calendar;
mod detector;
mod histogram;
mod hours;
mod judge;
mod pace;
mod params;
mod prior;
mod profile;
mod rhythm;
mod shape;
mod signals;
#[cfg(test)]
mod tests;

pub use calendar::{Calendar, ClockChange};
pub use detector::{Lesson, MeanSurprise, Reading};
pub use params::{Periods, SurpriseParams, SurpriseValidParams};
pub use shape::Shape;

/// The arithmetic and the parts of the state, for the columnar form.
pub(crate) mod parts {
    pub(crate) use super::judge::{Front, Known, Model, Sample, learn, look, note};
    pub(crate) use super::prior::prior;
    pub(crate) use super::profile::{Place, SLOTS, Slot};
    pub(crate) use super::rhythm::Rhythm;
}
