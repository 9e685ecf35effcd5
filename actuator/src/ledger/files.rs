//! The files of a ledger: closed ones, each named after its first entry, and the open one that is written to.
//!
//! Reading only: [`super::store`] writes. A process that reads while another one writes sees a whole chain, because it
//! looks again when a file was closed meanwhile.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use contract::Timestamp;

use super::chain::Chain;
use super::store::LEDGER_FILE;
use crate::error::{ActuatorError, Result};

const BEGINS: &str = "ledger-";
const ENDS: &str = ".jsonl";
/// How often a reader looks again.
pub(super) const LOOKS_MAX: usize = 10;

/// How much of a ledger is kept. What decisions rest on is carried over into every file, so that no decision changes
/// when the oldest file is let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Bytes of all files; the open one stays whatever its size.
    pub bytes_max: u64,
    /// Age of the newest entry of a file.
    pub secs_max: u64,
}

/// A file that nothing is written to any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Closed {
    pub(super) path: PathBuf,
    pub(super) bytes: u64,
    /// When its last entry was written.
    pub(super) last_at: Timestamp,
}

impl Retention {
    /// Whether a file of so many bytes (without what was carried over), whose first entry was written then, is closed.
    pub(super) fn closes(self, bytes: u64, first_at: Timestamp, now: Timestamp) -> bool {
        bytes > self.bytes_max / 8 || now.secs_since(first_at) > self.secs_max as f64 / 8.0
    }

    /// How many of the oldest closed files may go.
    pub(super) fn surplus(self, closed: &[Closed], open_bytes: u64, now: Timestamp) -> usize {
        let mut total = closed.iter().map(|file| file.bytes).sum::<u64>() + open_bytes;
        let too_old = |file: &Closed| now.secs_since(file.last_at) > self.secs_max as f64;
        let mut n_surplus = 0;
        for file in closed {
            if total <= self.bytes_max && !too_old(file) {
                break;
            }
            total -= file.bytes;
            n_surplus += 1;
        }
        n_surplus
    }
}

/// The name of a closed file whose first entry has this number.
pub(super) fn name_of(first_seq: u64) -> String {
    format!("{BEGINS}{first_seq:012}{ENDS}")
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> ActuatorError {
    let path = path.to_owned();
    move |source| ActuatorError::File { doing: "read ledger", path, source }
}

/// The closed files of a directory, oldest first.
pub(super) fn closed_in(data_dir: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(data_dir).map_err(unreadable(data_dir))? {
        let name = entry.map_err(unreadable(data_dir))?.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix(BEGINS).and_then(|rest| rest.strip_suffix(ENDS));
        if let Some(first_seq) = number.and_then(|digits| digits.parse::<u64>().ok()) {
            found.push((first_seq, data_dir.join(name)));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// Adds the lines of one file to a chain.
///
/// # Errors
/// [`ActuatorError::LedgerBroken`] names the file and the first broken line.
pub(super) fn follow(chain: &mut Chain, path: &Path, bytes: &[u8]) -> Result<()> {
    chain.follow(bytes).map_err(|fault| ActuatorError::LedgerBroken {
        path: path.to_owned(),
        line: fault.line,
        why: fault.why,
    })
}

/// Adds a closed file, which has no torn line: it was whole when it was closed.
pub(super) fn follow_closed(chain: &mut Chain, path: &Path) -> Result<u64> {
    let bytes = std::fs::read(path).map_err(unreadable(path))?;
    follow(chain, path, &bytes)?;
    if chain.whole_bytes < bytes.len() as u64 {
        let line = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
        let why = "it is cut off, though the file was closed".to_owned();
        return Err(ActuatorError::LedgerBroken { path: path.to_owned(), line, why });
    }
    Ok(bytes.len() as u64)
}

/// Reads and verifies what is kept of the ledger in a directory, also while another process writes it.
///
/// # Errors
/// [`ActuatorError::LedgerBroken`] for the first broken link, [`ActuatorError::File`] if there is no ledger or the disk
/// refuses.
pub fn read_ledger(data_dir: &Path) -> Result<Chain> {
    let open = data_dir.join(LEDGER_FILE);
    let mut looks = 0;
    loop {
        let closed = closed_in(data_dir)?;
        let read = read_once(&closed, &open);
        looks += 1;
        if looks == LOOKS_MAX || closed_in(data_dir)? == closed {
            return read;
        }
    }
}

fn read_once(closed: &[PathBuf], open: &Path) -> Result<Chain> {
    let mut chain = Chain::default();
    for path in closed {
        follow_closed(&mut chain, path)?;
    }
    match std::fs::read(open) {
        // between two files, or before the first entry of the first
        Err(error) if error.kind() == ErrorKind::NotFound && !closed.is_empty() => {}
        read => follow(&mut chain, open, &read.map_err(unreadable(open))?)?,
    }
    Ok(chain)
}
