//! Feature rows to statements: the canary test, silence, CPU per request, static thresholds, baselines of single series.
//!
//! Routes rows to the models and words what they say; score before learn; state per service, bounded. What it does
//! not do: group findings (`incident`) or weigh them (`risk`).

mod absence;
mod before_after;
mod calendar;
mod capsule;
mod cells;
mod contest;
mod cost;
mod exhaustion;
mod exhaustion_wording;
mod finding;
mod lines;
mod nodes;
mod over;
mod roster;
mod series;
mod service;
mod service_state;
mod silence;
mod slo;
mod standing;
mod switches;
mod template_rates;
mod warmup;
mod wording;
mod yardstick;

pub use calendar::local_calendar;
pub use capsule::{Rerun, rerun};
pub use finding::{Finding, RuleName, Statement, Suspect};
pub use over::Over;
pub(crate) use series::{Begins, Solo};
pub use series::{SeriesCounts, SeriesParams};
pub use service::{Scoring, ScoringCounts, ScoringParams};
pub use standing::{Standing, VerdictBoard};

/// Trace ids as the wire writes them.
pub(crate) fn hex(id: &[u8; 16]) -> String {
    use std::fmt::Write as _;
    id.iter().fold(String::with_capacity(32), |mut text, byte| {
        // writing to a String cannot fail
        write!(text, "{byte:02x}").ok();
        text
    })
}
