//! What became of an action: the actuator's words back to the engine.

use serde::{Deserialize, Serialize};

use crate::{ContractError, Scope, Timestamp};

/// Version of [`Outcome`] on the wire.
pub const OUTCOME_SCHEMA_VERSION: &str = "1";
/// CloudEvent type of an outcome.
pub const OUTCOME_TYPE: &str = "dev.bellwether.outcome.v1";

/// How far an action came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum OutcomeStatus {
    /// Noted only: the policy's mode is `observe` or `suggest`, or a guard said no.
    NotActed,
    /// Waits for a person.
    AwaitingApproval,
    /// The effect was made, for example the revert is pushed.
    Acted,
    /// The effect could not be made; `reason` says why (conflict, merge commit, refused push, …).
    Failed,
    /// The effect was unnecessary: the world already is as it would make it.
    AlreadyDone,
}

/// One statement about one action for one incident.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Outcome {
    /// Always [`OUTCOME_SCHEMA_VERSION`].
    pub schema_version: String,
    /// Function of content (incident, action, target, status).
    pub id: String,
    /// The incident that was acted on.
    pub incident_id: String,
    /// The risk event (revision) that led to it.
    pub event_id: String,
    /// What was done: `git_revert`, …
    pub action: String,
    /// On what: a commit, a workload.
    pub target: String,
    /// How far it came.
    pub status: OutcomeStatus,
    /// Why, in words.
    pub reason: String,
    /// The commit that the action made, if it made one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// When, by the actuator's clock.
    pub at: Timestamp,
    /// Whose incident.
    pub scope: Scope,
}

impl Outcome {
    /// Reads an outcome.
    ///
    /// # Errors
    /// [`ContractError::Shape`] if it is not an outcome, [`ContractError::Version`] if it is a newer one.
    pub fn from_json(text: &[u8]) -> Result<Self, ContractError> {
        let outcome: Self = serde_json::from_slice(text)
            .map_err(|e| ContractError::Shape { what: "outcome", why: e.to_string() })?;
        if outcome.schema_version != OUTCOME_SCHEMA_VERSION {
            return Err(ContractError::Version {
                what: "outcome",
                given: outcome.schema_version,
                known: OUTCOME_SCHEMA_VERSION,
            });
        }
        Ok(outcome)
    }
}
