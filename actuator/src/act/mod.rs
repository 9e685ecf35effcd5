//! The git revert: find the guilty commit, check every rule against the branch as it is now, revert, push, look again.
//!
//! Promises: no force push, no guess at a conflict, no revert of a merge, of a revert or past a later decision; the same
//! incident never twice, whatever the ledger says, because the trailers on the branch are read first. What it does not
//! do: decide whether to act ([`crate::policy`]) or remember anything ([`crate::ledger`]).

mod examine;
mod find;
mod later;
mod message;
mod mirror;
mod tree;

pub use examine::{Finding, Target, examine, taken_back};
pub use message::commit_message;
pub use mirror::{Mirror, Pushed, Reverted};

use contract::Change;

use crate::policy::Author;

/// Name of this remedy in ledger and outcomes.
pub const GIT_REVERT: &str = "git_revert";

/// Everything that one revert rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Path or file:// URL of the repository.
    pub repository: String,
    /// Branch that the delivery follows.
    pub branch: String,
    /// Folder or file of the desired state.
    pub path: String,
    /// The suspected change.
    pub change: Change,
    /// CloudEvent id.
    pub event_id: String,
    /// The incident.
    pub incident_id: String,
    /// Digest of the evidence.
    pub evidence_digest: String,
    /// The event in words.
    pub explanation: String,
    /// `<scope name>@<policy revision>`.
    pub policy: String,
    /// Who stands on the commit.
    pub author: Author,
    /// Who approved it, if somebody had to.
    pub approved_by: Option<String>,
    /// Older commits only if the event names them.
    pub max_commit_age_secs: u64,
    /// How long before a configuration change its commit may have been made.
    pub config_window_secs: u64,
    /// Whether a commit that also touches other paths may be reverted.
    pub whole_commit: bool,
    /// How many commits are looked at.
    pub walk_commits: usize,
}
