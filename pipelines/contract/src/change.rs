//! Something that was changed on purpose, or was seen to have changed.

use serde::{Deserialize, Serialize};

use crate::{Scope, Timestamp};

/// What kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ChangeKind {
    /// A new version beside or instead of the old one.
    Deploy,
    /// The same version with another configuration.
    Config,
    /// More or fewer replicas, other resources.
    Scale,
    /// A return to an earlier version.
    Rollback,
    /// Anything else that was announced.
    Other,
}

/// A change, as announced (`POST /v1/changes`, topic `changes`) or as noticed in the telemetry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Change {
    /// Function of content: the announcer's id, or a hash of scope, versions and time.
    pub id: String,
    /// What kind.
    pub kind: ChangeKind,
    /// Version (or revision) before; empty if unknown.
    pub from: String,
    /// Version (or revision) after.
    pub to: String,
    /// `vcs.ref.head.revision` or the announced commit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// When it was announced, or first seen.
    pub at: Timestamp,
    /// Who, if told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// What it concerns.
    pub scope: Scope,
}
