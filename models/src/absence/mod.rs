//! Absence: a signal that stops is a finding of its own, told apart from a reporter that died and from an orderly end.
//!
//! [`Arrivals`] learns how far apart a series' values come and says from when on it is overdue; [`explain`] looks at all
//! the series of one reporter together. What it does not do: know what a series means, or read a clock.

mod arrivals;
mod explain;

#[cfg(test)]
mod tests;

pub use arrivals::{AbsenceParams, AbsenceValidParams, Arrivals};
pub use explain::{Absence, Member, Standing, explain};
