//! Samples of records that could not be used, kept for a person to look at.
//!
//! At least once: after a crash a sample may stand twice; partition and offset tell. What this module does not do:
//! choose samples ([`crate::runtime`] does), or try again.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::EngineError;
use crate::record::{RecordKind, UnixNanos};

/// A record that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// Whose data it is.
    pub tenant: String,
    /// Input partition.
    pub partition: String,
    /// Its offset there.
    pub offset: u64,
    /// Its arrival stamp.
    pub arrived_at: UnixNanos,
    /// What it was meant to hold.
    pub kind: RecordKind,
    /// Why, in one word; the counter has it as a label.
    pub reason: String,
    /// Why, in words.
    pub detail: String,
    /// Size of the body.
    pub body_bytes: usize,
    /// The beginning of the body, in hexadecimal digits.
    pub body_start: String,
}

/// Takes samples.
pub trait DeadLetters: Send {
    /// Keeps these.
    fn put(&mut self, letters: &[DeadLetter]) -> impl Future<Output = Result<(), EngineError>> + Send;
}

/// Keeps nothing; the counters still count.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoDeadLetters;

impl DeadLetters for NoDeadLetters {
    async fn put(&mut self, _letters: &[DeadLetter]) -> Result<(), EngineError> {
        Ok(())
    }
}

/// Samples as lines of JSON in a file; when it is full it becomes `<name>.old` and a new one begins.
#[derive(Debug)]
pub struct DeadLetterFile {
    path: PathBuf,
    bytes_max: u64,
    file: File,
    bytes: u64,
}

impl DeadLetterFile {
    /// Opens or makes the file; it and its predecessor have at most `bytes_max` bytes each.
    ///
    /// # Errors
    /// [`EngineError::File`] when the disk refuses.
    pub fn open(path: &Path, bytes_max: u64) -> Result<Self, EngineError> {
        let fault = |source| EngineError::File { action: "open", path: path.to_owned(), source };
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(fault)?;
        let file = File::options().create(true).append(true).open(path).map_err(fault)?;
        let bytes = file.metadata().map_err(fault)?.len();
        Ok(Self { path: path.to_owned(), bytes_max, file, bytes })
    }

    /// What a file holds; lines that were torn are passed over.
    ///
    /// # Errors
    /// [`EngineError::File`] when the disk refuses.
    pub fn read(path: &Path) -> Result<Vec<DeadLetter>, EngineError> {
        let fault = |source| EngineError::File { action: "read", path: path.to_owned(), source };
        let lines = BufReader::new(File::open(path).map_err(fault)?).lines();
        let lines: Result<Vec<String>, _> = lines.collect();
        Ok(lines.map_err(fault)?.iter().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }

    fn turn_over(&mut self) -> Result<(), EngineError> {
        let fault = |source| EngineError::File { action: "rename", path: self.path.clone(), source };
        std::fs::rename(&self.path, self.path.with_extension("old")).map_err(fault)?;
        *self = Self::open(&self.path, self.bytes_max)?;
        Ok(())
    }
}

impl DeadLetters for DeadLetterFile {
    async fn put(&mut self, letters: &[DeadLetter]) -> Result<(), EngineError> {
        for letter in letters {
            let mut line = serde_json::to_vec(letter).map_err(|error| {
                EngineError::Invariant(format!("a dead letter cannot be written: {error}"))
            })?;
            line.push(b'\n');
            if self.bytes > 0 && self.bytes + line.len() as u64 > self.bytes_max {
                self.turn_over()?;
            }
            let fault = |source| EngineError::File { action: "append to", path: self.path.clone(), source };
            self.file.write_all(&line).map_err(fault)?;
            self.bytes += line.len() as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: many samples into a small file. Guarantees: the newest are there, both files stay within the bound.
    #[tokio::test]
    async fn the_file_is_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("dead-letters.jsonl");
        let mut file = DeadLetterFile::open(&path, 1_000).unwrap();
        for offset in 0..50 {
            let letter = DeadLetter {
                tenant: "t".to_owned(),
                partition: "log".to_owned(),
                offset,
                arrived_at: 1,
                kind: RecordKind::Spans,
                reason: "malformed".to_owned(),
                detail: "tag 0".to_owned(),
                body_bytes: 3,
                body_start: "00ff00".to_owned(),
            };
            file.put(&[letter]).await.unwrap();
        }
        assert_eq!(DeadLetterFile::read(&path).unwrap().last().map(|letter| letter.offset), Some(49));
        for name in ["dead-letters.jsonl", "dead-letters.old"] {
            assert!(std::fs::metadata(dir.path().join(name)).unwrap().len() <= 1_000);
        }
    }
}
