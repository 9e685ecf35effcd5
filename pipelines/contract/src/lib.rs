//! The words that Bellwether's programs say to each other and to the world: risk events, changes, outcomes,
//! verdicts, and the identities and times inside them.
//!
//! Promises: every wire shape carries a version; ids are functions of content; a shape of an older version stays
//! readable for ever (`testdata/contract`). What this crate deliberately does not do: judge, transport, or keep
//! anything.

mod capsule;
mod change;
mod cloud_event;
mod error;
mod family;
mod id;
mod number;
mod outcome;
mod risk_event;
mod scope;
mod timestamp;
mod verdict;

pub use capsule::Capsule;
pub use change::{Change, ChangeKind};
pub use cloud_event::{CloudEvent, SPEC_VERSION};
pub use error::ContractError;
pub use family::Family;
pub use id::{bytes_digest, content_id, evidence_digest, incident_id, revision_id};
pub use number::rounded;
pub use outcome::{OUTCOME_SCHEMA_VERSION, OUTCOME_TYPE, Outcome, OutcomeStatus};
pub use risk_event::{
    Assessment, Cause, Evidence, Forecast, Level, Origin, RISK_SCHEMA_VERSION, Recommendation, RemedyKind,
    RiskEvent, RiskStatus, Rule, Similar, Window,
};
pub use scope::{Scope, Workload};
pub use timestamp::Timestamp;
pub use verdict::{Verdict, VerdictKind, VerdictSignal};
