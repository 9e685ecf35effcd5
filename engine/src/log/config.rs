//! Settings of the embedded log, checked.
//!
//! What this module does not do: touch the disk.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::EngineError;

/// When an append counts as durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncPolicy {
    /// After `fdatasync` of the group it came with: survives a power cut.
    #[default]
    EachCommit,
    /// After the write; `fdatasync` at least this often: survives a crash of the process, may lose this much in a
    /// power cut.
    Every(Duration),
}

/// What to do about bytes in the middle of the log that are not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnDamage {
    /// Stop and say what is damaged and what can be done.
    #[default]
    Refuse,
    /// Go on with the next segment; what is lost is counted and logged.
    SkipSegment,
}

/// Settings of the embedded log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// Where the segments lie; made if missing. One process only.
    pub dir: PathBuf,
    /// A new segment begins when the present one has this size.
    pub segment_bytes: u64,
    /// Upper bound of the whole log; forces out even what was not read yet, which is counted.
    pub retention_bytes: u64,
    /// Committed segments older than this are removed.
    pub retention_age: Duration,
    /// When an append counts as durable.
    pub sync: SyncPolicy,
    /// What to do about damage in the middle.
    pub on_damage: OnDamage,
    /// Largest body of one record.
    pub record_bytes_max: usize,
    /// How many appends may wait.
    pub queue_records: usize,
    /// How many body bytes may wait.
    pub queue_bytes: usize,
}

/// Largest segment: the tail is read into memory when the log is opened.
const SEGMENT_BYTES_MAX: u64 = 256 << 20;

impl LogConfig {
    /// The defaults, under `dir`.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            segment_bytes: 64 << 20,
            retention_bytes: 8 << 30,
            retention_age: Duration::from_secs(24 * 3_600),
            sync: SyncPolicy::EachCommit,
            on_damage: OnDamage::Refuse,
            record_bytes_max: 64 << 20,
            queue_records: 4_096,
            queue_bytes: 128 << 20,
        }
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// [`EngineError::Setting`] naming all that cannot work.
    pub fn check(&self) -> Result<(), EngineError> {
        let mut faults = Vec::new();
        if !(4_096..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes) {
            faults.push(format!(
                "segment_bytes is {}, must be 4096 to {SEGMENT_BYTES_MAX}",
                self.segment_bytes
            ));
        }
        if self.retention_bytes < 2 * self.segment_bytes {
            faults.push(format!(
                "retention_bytes is {}, must be at least twice segment_bytes ({})",
                self.retention_bytes, self.segment_bytes
            ));
        }
        if !(1..=SEGMENT_BYTES_MAX as usize).contains(&self.record_bytes_max) {
            faults.push(format!(
                "record_bytes_max is {}, must be 1 to {SEGMENT_BYTES_MAX}",
                self.record_bytes_max
            ));
        }
        if self.queue_records == 0 {
            faults.push("queue_records is 0, must be at least 1".to_owned());
        }
        if self.queue_bytes < self.record_bytes_max {
            faults.push(format!(
                "queue_bytes is {}, must be at least record_bytes_max ({})",
                self.queue_bytes, self.record_bytes_max
            ));
        }
        if faults.is_empty() { Ok(()) } else { Err(EngineError::Setting(faults.join("; "))) }
    }
}
