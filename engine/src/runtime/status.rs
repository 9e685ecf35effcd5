//! What a lane says about itself, for health and metrics.
//!
//! What this module does not do: judge it; [`crate::telemetry`] does.

use crate::record::UnixNanos;

/// Where a lane stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneStatus {
    /// Whether the newest checkpoint was taken over and the lane reads.
    pub restored: bool,
    /// Records taken in since the start of the process.
    pub records: u64,
    /// Messages said so far, also before this start.
    pub emitted: u64,
    /// Digest over all of them.
    pub digest: u64,
    /// The log's own clock.
    pub log_clock: Option<UnixNanos>,
    /// What was last told as progress.
    pub watermark: Option<UnixNanos>,
    /// Number of the newest durable checkpoint.
    pub checkpoint: u64,
}
