//! Why a request was not taken, and how that is said in gRPC and in HTTP.
//!
//! Promises: a fault that may pass is retryable in both protocols and carries a pause; one that will not pass is
//! retryable in neither. What this module does not do: touch sockets.

use std::time::Duration;

use crate::log::AppendError;

/// Pause that is asked for when queues are full.
const PAUSE_FULL: Duration = Duration::from_secs(1);
/// Pause that is asked for when a disk has to be cleared or a process restarted.
const PAUSE_BROKEN: Duration = Duration::from_secs(15);
/// Longest text that is sent back.
const TEXT_BYTES_MAX: usize = 1_024;

/// Why a request was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// More bytes than allowed, packed or unpacked.
    #[error("the request is larger than {limit} bytes; send smaller batches")]
    TooLarge {
        /// What is allowed.
        limit: usize,
    },
    /// Not what its content type says.
    #[error("{0}")]
    Undecodable(String),
    /// A content type that is not understood here.
    #[error("content type {got:?} is not understood here, send {allowed}")]
    MediaType {
        /// What was sent.
        got: String,
        /// What is understood.
        allowed: &'static str,
    },
    /// A packing that is not understood here.
    #[error("encoding {got:?} is not understood here, send {allowed}")]
    Packing {
        /// What was sent.
        got: String,
        /// What is understood.
        allowed: &'static str,
    },
    /// Another method.
    #[error("only {allowed} is allowed here")]
    Method {
        /// What is allowed.
        allowed: &'static str,
    },
    /// Nothing is here.
    #[error("nothing is served at {0}")]
    NotFound(String),
    /// The client took too long to send.
    #[error("the request did not arrive within {0} seconds")]
    SlowClient(u64),
    /// Too much waits already.
    #[error("too much waits already; try again soon")]
    Pressure,
    /// The disk is full.
    #[error("{0}")]
    NoSpace(String),
    /// The log cannot take anything at present.
    #[error("{0}")]
    Unavailable(String),
}

/// What kind of answer a fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) grpc: tonic::Code,
    pub(crate) http: u16,
    /// Pause to ask for; set if and only if the client should try again.
    pub(crate) pause: Option<Duration>,
    /// Label of the counter.
    pub(crate) outcome: &'static str,
}

impl Fault {
    /// How the fault is said.
    pub(crate) fn answer(&self) -> Answer {
        use tonic::Code;
        let (grpc, http, pause, outcome) = match self {
            Self::TooLarge { .. } => (Code::ResourceExhausted, 413, None, "too_large"),
            Self::Undecodable(_) => (Code::InvalidArgument, 400, None, "undecodable"),
            Self::MediaType { .. } => (Code::InvalidArgument, 415, None, "unsupported"),
            Self::Packing { .. } => (Code::Unimplemented, 415, None, "unsupported"),
            Self::Method { .. } => (Code::Unimplemented, 405, None, "unsupported"),
            Self::NotFound(_) => (Code::Unimplemented, 404, None, "unsupported"),
            Self::SlowClient(_) => (Code::Unavailable, 503, Some(PAUSE_FULL), "slow_client"),
            Self::Pressure => (Code::Unavailable, 429, Some(PAUSE_FULL), "pressure"),
            Self::NoSpace(_) => (Code::Unavailable, 503, Some(PAUSE_BROKEN), "no_space"),
            Self::Unavailable(_) => (Code::Unavailable, 503, Some(PAUSE_BROKEN), "unavailable"),
        };
        Answer { grpc, http, pause, outcome }
    }

    /// The text that is sent back, of bounded length.
    pub(crate) fn text(&self) -> String {
        bounded(self.to_string())
    }
}

/// Cuts a text to what is sent at most.
pub(crate) fn bounded(mut text: String) -> String {
    if text.len() > TEXT_BYTES_MAX {
        let end = (0..=TEXT_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

impl From<AppendError> for Fault {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Full { .. } => Self::Pressure,
            AppendError::TooLarge { limit, .. } => Self::TooLarge { limit },
            AppendError::NoSpace { .. } => Self::NoSpace(error.to_string()),
            AppendError::TenantTooLong(_) => Self::Undecodable(error.to_string()),
            AppendError::Disk(_) | AppendError::Closed => Self::Unavailable(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Code;

    /// Codes after which the OTLP specification lets a client try again.
    const RETRYABLE: [Code; 6] = [
        Code::Cancelled,
        Code::DeadlineExceeded,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unavailable,
        Code::DataLoss,
    ];

    fn all() -> Vec<Fault> {
        vec![
            Fault::TooLarge { limit: 1 },
            Fault::Undecodable("x".into()),
            Fault::MediaType { got: "x".into(), allowed: "y" },
            Fault::Packing { got: "x".into(), allowed: "y" },
            Fault::Method { allowed: "POST" },
            Fault::NotFound("x".into()),
            Fault::SlowClient(3),
            AppendError::Full { records: 1, bytes: 1 }.into(),
            AppendError::NoSpace { dir: "d".into() }.into(),
            AppendError::Disk("d".into()).into(),
            AppendError::Closed.into(),
            AppendError::TooLarge { bytes: 2, limit: 1 }.into(),
        ]
    }

    /// Scenario: every fault in both protocols. Guarantees: both agree on whether to try again, a pause is given
    /// exactly then, and nothing is ever an internal fault.
    #[test]
    fn both_protocols_agree_on_trying_again() {
        for fault in all() {
            let answer = fault.answer();
            let http = [429, 502, 503, 504].contains(&answer.http);
            assert_eq!(RETRYABLE.contains(&answer.grpc), http, "{fault:?}");
            assert_eq!(answer.pause.is_some(), http, "{fault:?}");
            assert!(
                answer.http != 500 && ![Code::Internal, Code::Unknown].contains(&answer.grpc),
                "{fault:?}"
            );
        }
    }

    /// Scenario: a fault that quotes megabytes of the request. Guarantees: the answer stays small and is valid UTF-8.
    #[test]
    fn texts_are_bounded() {
        let text = Fault::Undecodable("ä".repeat(1 << 20)).text();
        assert!(text.len() <= TEXT_BYTES_MAX + 4 && text.ends_with("ä…"));
    }
}
