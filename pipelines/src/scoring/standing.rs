//! The comparisons as they stand, for whoever asks for a verdict.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::Verdict;
use engine::record::UnixNanos;

use crate::features::{Arm, ServiceKey};

/// A standing comparison as the judging stage publishes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// Which service.
    pub service: ServiceKey,
    /// The new arm.
    pub canary: Arm,
    /// The arm it is compared with.
    pub stable: Arm,
    /// Event time of the last tick that it saw.
    pub at: UnixNanos,
    /// The answer.
    pub verdict: Verdict,
}

/// All standing comparisons, as of one watermark.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct VerdictBoard {
    /// Event time up to which everything is judged.
    pub watermark: UnixNanos,
    /// The log's clock then.
    pub log_clock: UnixNanos,
    /// By service.
    pub standings: BTreeMap<ServiceKey, Arc<Standing>>,
}
