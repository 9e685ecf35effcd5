//! One checkpoint as bytes: `magic (8) version (4) crc32 (4) length (8) body`, numbers little endian.
//!
//! What this module does not do: touch a disk.

use serde::{Deserialize, Serialize};

use crate::error::EngineError;
use crate::operator::StateBlob;
use crate::source::ResumeAt;
use crate::time::watermark::Watermark;

/// Version of the layout that is written.
pub const FORMAT_VERSION: u32 = 2;

const MAGIC: &[u8; 8] = b"BWCHKPT\n";
const HEAD_BYTES: usize = 24;

/// Everything that a lane needs to go on as if it had never stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Counts from 1 per lane.
    pub number: u64,
    /// Where the input goes on.
    pub resume: ResumeAt,
    /// How far event time had come.
    pub watermark: Watermark,
    /// State of the operators.
    pub operator: StateBlob,
    /// Messages said so far.
    pub emitted: u64,
    /// Digest over all of them.
    pub digest: u64,
    /// The second of the log's clock and how many samples of dead letters were taken in it.
    pub sampled: (i64, u32),
}

impl Checkpoint {
    /// As bytes.
    ///
    /// # Errors
    /// [`EngineError::Invariant`] if it does not serialise.
    pub fn encode(&self) -> Result<Vec<u8>, EngineError> {
        let body = postcard::to_stdvec(self)
            .map_err(|error| EngineError::Invariant(format!("a checkpoint cannot be written: {error}")))?;
        let mut bytes = Vec::with_capacity(HEAD_BYTES + body.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&crc32fast::hash(&body).to_le_bytes());
        bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&body);
        Ok(bytes)
    }

    /// From bytes.
    ///
    /// # Errors
    /// [`EngineError::StateVersion`] for a newer layout, [`EngineError::Damaged`] for anything else that does not fit.
    pub fn decode(name: &str, bytes: &[u8]) -> Result<Self, EngineError> {
        let damaged = |why: &str| EngineError::Damaged {
            what: "checkpoint",
            place: name.to_owned(),
            why: why.to_owned(),
        };
        let (head, body) = bytes.split_at_checked(HEAD_BYTES).ok_or_else(|| damaged("too short"))?;
        let number = |from: usize| {
            head.get(from..from + 4)
                .and_then(|four| <[u8; 4]>::try_from(four).ok())
                .map_or(u32::MAX, u32::from_le_bytes)
        };
        if !head.starts_with(MAGIC) {
            return Err(damaged("not a checkpoint"));
        }
        if number(8) != FORMAT_VERSION {
            return Err(EngineError::StateVersion {
                operator: "lane".to_owned(),
                found: number(8),
                known: FORMAT_VERSION,
            });
        }
        if u64::from(number(16)) + (u64::from(number(20)) << 32) != body.len() as u64 {
            return Err(damaged("length does not fit"));
        }
        if crc32fast::hash(body) != number(12) {
            return Err(damaged("checksum does not fit"));
        }
        postcard::from_bytes(body).map_err(|error| damaged(&error.to_string()))
    }
}
