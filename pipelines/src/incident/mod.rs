//! Findings to incidents: one incident per change and call neighbourhood.
//!
//! Promises: an incident's id is fixed at opening; a finding about a caller of a service with a failing change is a
//! symptom of that change, not an incident of its own; a revision is published only when something a reader would
//! act on has changed. What it does not do: judge (`scoring`) or weigh (`risk`).

mod grouping;
mod resolution;
mod revision;

pub use grouping::{Around, IncidentCounts, Incidents};
pub use resolution::Resolution;
pub(crate) use revision::LEVEL_HELD;
pub use revision::{Incident, IncidentKey, Notice};
