//! What can go wrong, whose turn it is then, and whether to try again.

use std::path::PathBuf;

use crate::config::Fault;

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The person who configured it.
    User,
    /// Another program or the network.
    External,
    /// Us.
    Internal,
}

/// Everything that can go wrong in the actuator.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActuatorError {
    /// A file or directory.
    #[error("{doing} {}", path.display())]
    File {
        /// What was attempted.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// The ledger's chain does not hold.
    #[error("ledger {}, line {line}: {why}; move it away together with its lock to begin a new one", path.display())]
    LedgerBroken {
        /// Which ledger.
        path: PathBuf,
        /// First broken line, from 1.
        line: usize,
        /// What is broken.
        why: String,
    },
    /// Another process holds the data directory.
    #[error("{} is in use by another bellwether-actuator, stop it or set another data_dir", path.display())]
    Locked {
        /// Lock file.
        path: PathBuf,
    },
    /// Configuration faults, all at once.
    #[error("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Config {
        /// Sorted by file and line.
        faults: Vec<Fault>,
    },
    /// Something with a repository.
    #[error("{doing} {repository}")]
    Git {
        /// What was attempted.
        doing: &'static str,
        /// On which repository.
        repository: String,
        /// Cause.
        #[source]
        source: git2::Error,
    },
    /// A race for the branch was lost too often.
    #[error("branch {branch} of {repository} moved {attempts} times while the revert was prepared")]
    Raced {
        /// Which repository.
        repository: String,
        /// Which branch.
        branch: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// The pushed commit is not on the branch.
    #[error("commit {commit} was pushed, but {branch} of {repository} does not contain it")]
    NotThere {
        /// Which commit.
        commit: String,
        /// Which branch.
        branch: String,
        /// Which repository.
        repository: String,
    },
    /// The engine's API.
    #[error("{doing} {url}: {why}")]
    Http {
        /// What was attempted.
        doing: &'static str,
        /// On what.
        url: String,
        /// What came back.
        why: String,
    },
    /// Kafka.
    #[error("kafka: {doing} {topic}: {why}")]
    Kafka {
        /// What was attempted.
        doing: &'static str,
        /// On which topic.
        topic: String,
        /// What came back.
        why: String,
    },
    /// A step hook stopped the work; only tests inject one.
    #[error("stopped after step {step}")]
    Stopped {
        /// Which step.
        step: &'static str,
    },
}

impl ActuatorError {
    /// Whose turn it is.
    #[must_use]
    pub fn turn(&self) -> Turn {
        match self {
            Self::Config { .. } | Self::Locked { .. } | Self::LedgerBroken { .. } => Turn::User,
            Self::Stopped { .. } => Turn::Internal,
            _ => Turn::External,
        }
    }

    /// Whether the same attempt may succeed later.
    #[must_use]
    pub fn may_retry(&self) -> bool {
        self.turn() == Turn::External
    }

    /// The error and its causes on one line.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(inner) = cause {
            text = format!("{text}: {inner}");
            cause = inner.source();
        }
        text
    }
}

/// A result of the actuator.
pub type Result<T> = std::result::Result<T, ActuatorError>;
