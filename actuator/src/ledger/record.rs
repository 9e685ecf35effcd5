//! What the ledger can hold. A new kind of record is added, an old one stays readable for ever.

use contract::{Outcome, RiskEvent, Scope};
use serde::{Deserialize, Serialize};

use super::view::LedgerView;
use crate::inbox::Word;
use crate::policy::Reason;

/// What was decided about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verb {
    /// Nothing to do.
    Ignore,
    /// The engine is told why nothing is done.
    Notify,
    /// A person is asked.
    Await,
    /// The remedy is attempted.
    Act,
}

/// One event and the decision about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// CloudEvent id.
    pub event_id: String,
    /// The incident.
    pub incident_id: String,
    /// What was decided.
    pub verb: Verb,
    /// Why.
    pub reason: Reason,
    /// Name of the policy's scope and revision of the policy, `-` if no scope speaks for it.
    pub policy: String,
    /// Digest of the evidence that the decision rests on.
    pub evidence_digest: String,
    /// Who it is about.
    pub scope: Scope,
    /// Whether an outcome must follow; without one the handling was interrupted.
    pub pending: bool,
    /// The whole event, where the handling may have to begin again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Box<RiskEvent>>,
}

/// What is about to be done. Written before the effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The event that leads to it.
    pub event_id: String,
    /// The incident; with `action` and `target` the key under which an effect is once.
    pub incident_id: String,
    /// `git_revert`.
    pub action: String,
    /// The guilty commit.
    pub target: String,
    /// Where.
    pub repository: String,
    /// On which branch.
    pub branch: String,
    /// What the branch pointed to.
    pub head: String,
    /// Which rule allows it.
    pub policy: String,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Record {
    /// An event was read and decided about.
    Seen(Box<Seen>),
    /// An effect begins.
    Intent(Intent),
    /// An event is finished, with or without an effect.
    Outcome {
        /// What became of it.
        outcome: Box<Outcome>,
    },
    /// An outcome left the house.
    Sent {
        /// Which.
        outcome_id: String,
        /// False if the receiver will never take it.
        accepted: bool,
    },
    /// All actions were stopped.
    Frozen {
        /// Why, in the words of the person.
        why: String,
    },
    /// Actions are allowed again.
    Thawed,
    /// A person spoke.
    Word {
        /// What was said.
        word: Word,
    },
    /// A scope that did something wrong may only suggest from now on.
    Demoted {
        /// Name of the policy's scope.
        scope: String,
        /// What was wrong.
        why: String,
    },
    /// The first entry of every file but the first: what all entries before it come to.
    Carried {
        /// As it was known then.
        known: Box<LedgerView>,
    },
    /// A torn line was cut off when the ledger was opened.
    Cut {
        /// How long it was.
        n_bytes: u64,
    },
}
