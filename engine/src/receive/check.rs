//! What the front door asks about a body before it is stored.
//!
//! What this module does not do: answer; the caller gives the functions.

use std::fmt;
use std::sync::Arc;

use crate::record::{Compression, Encoding, RecordKind};

/// What is in an OTLP body.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// Points, log records or spans that can be used.
    pub accepted: u64,
    /// Those that cannot.
    pub rejected: u64,
    /// Why not, for a person; also a warning without rejections. Empty for none.
    pub message: String,
}

/// Why a body cannot be stored at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckFault {
    /// It is too large once unpacked.
    TooLarge {
        /// What is allowed.
        limit: usize,
    },
    /// It is not what it says it is.
    Undecodable(String),
}

/// Looks through an OTLP body: unpacks it, within limits, and counts what is in it.
pub type OtlpCheck =
    Arc<dyn Fn(RecordKind, Encoding, Compression, &[u8]) -> Result<Found, CheckFault> + Send + Sync>;

/// Looks at a change or an outcome (JSON: a `CloudEvent` or a bare `CDEvent`); the error says what is wrong with it.
pub type EventCheck = Arc<dyn Fn(RecordKind, &[u8]) -> Result<(), String> + Send + Sync>;

/// The checks before storing.
#[derive(Clone)]
pub struct Checks {
    /// For OTLP bodies.
    pub otlp: OtlpCheck,
    /// For changes and outcomes.
    pub event: EventCheck,
}

impl fmt::Debug for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Checks").finish_non_exhaustive()
    }
}
