//! What can go wrong in the demo, whose turn it is, and the way out.

use std::path::PathBuf;

/// A fault that ends the demo.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoError {
    /// An option that cannot be honoured; exit status 2.
    #[error("{0}")]
    Usage(String),
    /// The engine or the actuator is not beside this program.
    #[error(
        "{program} is not found at {path}; build it with `cargo build --release`, or name it with --{flag} PATH"
    )]
    Missing {
        /// Which program.
        program: &'static str,
        /// Where it was looked for.
        path: PathBuf,
        /// The option that names it.
        flag: &'static str,
    },
    /// A child process ended or did not become ready.
    #[error("{program} {what}; its log is {log}")]
    Child {
        /// Which program.
        program: &'static str,
        /// What happened.
        what: String,
        /// Where its log is.
        log: String,
    },
    /// A file or a socket.
    #[error("{what} {path}")]
    Io {
        /// What was being attempted.
        what: &'static str,
        /// On what.
        path: String,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// The shop's repository.
    #[error("git: {what} in {path}")]
    Git {
        /// What was being attempted.
        what: &'static str,
        /// In which repository.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: git2::Error,
    },
    /// A manifest in the repository that the stand-in for the GitOps controller cannot read.
    #[error("manifest {path}: {why}")]
    Manifest {
        /// Path inside the repository.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The user stopped it.
    #[error("stopped by the user")]
    Interrupted,
}

impl DemoError {
    /// Exit status of the process.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            _ => 1,
        }
    }
}
