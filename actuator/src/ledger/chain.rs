//! Lines and their chain: `{"hash":H,"entry":{"seq":…,"at":…,"prev":P,"record":…}}`, where H is the SHA-256 of the text of
//! `entry` and P the H of the line before. Pure: text in, entries or the first fault out.
//!
//! A chain begins with entry 1, or, where older entries were let go, with an entry that carries over what they said.

use contract::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::record::Record;

/// What the first line names as its predecessor.
pub(super) const FIRST_PREV: &str = "0000000000000000000000000000000000000000000000000000000000000000";

const NOT_NEXT: &str = "it does not follow the line before, something was removed, inserted or exchanged";

/// One record with its place in the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// From 1, without gaps.
    pub seq: u64,
    /// When it was written, by the actuator's clock.
    pub at: Timestamp,
    /// Hash of the line before.
    pub prev: String,
    /// What happened.
    pub record: Record,
}

#[derive(Serialize, Deserialize)]
struct Line {
    hash: String,
    entry: Box<RawValue>,
}

/// The first broken link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainFault {
    /// Line, from 1.
    pub line: usize,
    /// What is broken.
    pub why: String,
}

/// A ledger that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain {
    /// In order.
    pub entries: Vec<Entry>,
    /// Hash of the last line, what the next one names.
    pub head: String,
    /// Where the whole lines of the text read last end; anything behind is a line that a crash tore.
    pub whole_bytes: u64,
    /// Number of the next entry; `None` before the first.
    next_seq: Option<u64>,
}

impl Default for Chain {
    fn default() -> Self {
        Self { entries: Vec::new(), head: FIRST_PREV.to_owned(), whole_bytes: 0, next_seq: None }
    }
}

impl Chain {
    /// Number of the entry that comes next.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.next_seq.unwrap_or(1)
    }

    /// Reads on, in the text of the next file.
    ///
    /// # Errors
    /// The first line that does not follow from the one before.
    pub fn follow(&mut self, bytes: &[u8]) -> Result<(), ChainFault> {
        self.whole_bytes = 0;
        for (idx, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
            if line.last() != Some(&b'\n') {
                break;
            }
            let (entry, hash) = link(line, self).map_err(|why| ChainFault { line: idx + 1, why })?;
            self.next_seq = Some(entry.seq + 1);
            self.entries.push(entry);
            self.head = hash;
            self.whole_bytes += line.len() as u64;
        }
        Ok(())
    }
}

fn hash_of(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// A line with its line break, and its hash.
pub(super) fn line_of(entry: &Entry) -> (String, String) {
    let text = serde_json::to_string(entry).expect("strings, numbers and lists always serialise");
    let hash = hash_of(&text);
    (format!("{{\"hash\":\"{hash}\",\"entry\":{text}}}\n"), hash)
}

/// Reads and verifies a ledger of one file.
///
/// # Errors
/// The first line that does not follow from the one before.
pub fn read_chain(bytes: &[u8]) -> Result<Chain, ChainFault> {
    let mut chain = Chain::default();
    chain.follow(bytes)?;
    Ok(chain)
}

/// A line that is read alone: number and text of its entry, and its hash. `before` is the hash of the line before, if
/// that is known.
pub(super) fn link_of(line: &[u8], before: Option<&str>) -> Result<(u64, Box<RawValue>, String), String> {
    #[derive(Deserialize)]
    struct Place {
        seq: u64,
        prev: String,
    }
    let (line, hash) = checked(line)?;
    let place: Place = serde_json::from_str(line.entry.get()).map_err(|e| format!("cannot be read: {e}"))?;
    if before.is_some_and(|before| before != place.prev) {
        return Err(NOT_NEXT.to_owned());
    }
    Ok((place.seq, line.entry, hash))
}

/// A line whose hash is that of its text.
fn checked(line: &[u8]) -> Result<(Line, String), String> {
    let line: Line = serde_json::from_slice(line).map_err(|e| format!("is not a line of a ledger: {e}"))?;
    let hash = hash_of(line.entry.get());
    if hash != line.hash {
        return Err("its text was changed, the hash does not match".to_owned());
    }
    Ok((line, hash))
}

fn link(line: &[u8], before: &Chain) -> Result<(Entry, String), String> {
    let (line, hash) = checked(line)?;
    let entry: Entry = serde_json::from_str(line.entry.get()).map_err(|e| format!("cannot be read: {e}"))?;
    if before.next_seq.is_none() && matches!(entry.record, Record::Carried { .. }) {
        return Ok((entry, hash));
    }
    if entry.prev != before.head {
        return Err(NOT_NEXT.to_owned());
    }
    let expected = before.next_seq();
    if entry.seq != expected {
        return Err(format!("its seq is {}, must be {expected}", entry.seq));
    }
    Ok((entry, hash))
}
