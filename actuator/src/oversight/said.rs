//! What can be said, and the two ways in which it can be answered.

use serde_json::Value;

use crate::inbox::Word;

/// What a person points at, and who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Id of the event, or of its incident.
    pub id: String,
    /// Who: name@identity-provider. Stands in ledger and commit.
    pub by: String,
    /// The evidence that the person looked at; a word about other evidence is refused.
    pub evidence_digest: Option<String>,
}

impl Ask {
    /// About whatever evidence waits under the id.
    #[must_use]
    pub fn new(id: &str, by: &str) -> Self {
        Self { id: id.to_owned(), by: by.to_owned(), evidence_digest: None }
    }
}

/// What a person says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The remedy may be made.
    Approve(Ask),
    /// It may not.
    Reject {
        /// Which, and who says so.
        ask: Ask,
        /// Why.
        why: String,
    },
    /// A demoted scope may act by itself again.
    Rearm {
        /// Name of the policy's scope.
        scope: String,
        /// Who.
        by: String,
        /// Why.
        why: String,
    },
}

/// It means something: the word for the ledger, and the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// For the inbox.
    pub word: Word,
    /// The answer for programs.
    pub document: Value,
    /// The same for people.
    pub text: String,
}

/// It means nothing, or nothing any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// In one word: `invalid`, `unknown`, `old_revision`, `too_late`, `done`, `not_waiting`, `not_demoted`.
    pub code: &'static str,
    /// The fault.
    pub why: String,
    /// What to do instead.
    pub way_out: String,
}

impl Refusal {
    pub(super) fn new(code: &'static str, why: String, way_out: impl Into<String>) -> Self {
        Self { code, why, way_out: way_out.into() }
    }
}
