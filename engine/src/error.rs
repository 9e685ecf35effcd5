//! Errors of the engine: what was attempted, on what, whose turn it is, whether to try again.
//!
//! What this module does not do: log. An error is logged once, where it is handled.

use std::path::PathBuf;

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The person who configured or called it.
    User,
    /// A disk, a broker, a peer.
    External,
    /// A broken promise of our own.
    Internal,
}

/// Whether the same call can succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Yes, after a pause.
    Later,
    /// No.
    Never,
}

/// Everything that can go wrong in the engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A file or directory could not be read or written.
    #[error("cannot {action} {path}")]
    File {
        /// What was attempted, as in `open` or `append to`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// Stored bytes are not what was written.
    #[error("{what} at {place} is damaged: {why}")]
    Damaged {
        /// Which thing.
        what: &'static str,
        /// Where: path and offset.
        place: String,
        /// What does not fit.
        why: String,
    },
    /// A broker refused or did not answer.
    #[error("kafka: cannot {action} {topic}: {why}")]
    Broker {
        /// What was attempted.
        action: &'static str,
        /// Topic, and partition where known.
        topic: String,
        /// The client's words.
        why: String,
        /// Whether it can succeed later.
        retry: Retry,
    },
    /// A setting that cannot work.
    #[error("{0}")]
    Setting(String),
    /// Operator state that cannot be read back.
    #[error("state of {operator} version {found} cannot be read, known up to {known}")]
    StateVersion {
        /// Whose state.
        operator: String,
        /// Version found.
        found: u32,
        /// Newest version known.
        known: u32,
    },
    /// A listening address could not be bound.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address.
        address: String,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The other side of a queue is gone, which happens only when the process stops.
    #[error("{0} has stopped")]
    Stopped(&'static str),
    /// A promise of the engine itself is broken.
    #[error("broken invariant: {0}")]
    Invariant(String),
}

impl EngineError {
    /// Whose turn it is.
    #[must_use]
    pub fn blame(&self) -> Blame {
        match self {
            Self::Setting(_) | Self::Listen { .. } => Blame::User,
            Self::File { .. } | Self::Damaged { .. } | Self::Broker { .. } | Self::Stopped(_) => {
                Blame::External
            }
            Self::StateVersion { .. } | Self::Invariant(_) => Blame::Internal,
        }
    }

    /// Whether the same call can succeed later.
    #[must_use]
    pub fn retry(&self) -> Retry {
        match self {
            Self::Broker { retry, .. } => *retry,
            _ => Retry::Never,
        }
    }
}
