//! A page of the ledger, read where it lies: what stands before it is neither read nor held.
//!
//! Entries are numbered without gaps and lie in order, so their place is found by halving the file: each look reads the
//! beginning of one line. Promises: entries come as their very text, each checked against its hash and its
//! predecessor on the page; a page holds a few megabytes at the most. What it does not do: verify the chain before the
//! page ([`super::read_ledger`] does), or write.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde_json::value::RawValue;

use super::chain::link_of;
use super::files::{LOOKS_MAX, closed_in};
use super::store::LEDGER_FILE;
use crate::error::{ActuatorError, Result};

/// A page is full with so many bytes, whatever the limit.
const PAGE_BYTES_MAX: usize = 4 << 20;
/// Shorter stretches are read line by line.
const STRETCH_BYTES: u64 = 64 << 10;
/// What stands before the number of an entry, hash included.
const HEAD: (&[u8], usize, &[u8]) = (b"{\"hash\":\"", 64, b"\",\"entry\":{\"seq\":");
/// The longest number.
const DIGITS_MAX: usize = 20;

/// What a reader who has everything up to some entry gets.
#[derive(Debug)]
pub enum Page {
    /// What comes next.
    Entries {
        /// Their text, oldest first.
        entries: Vec<Box<RawValue>>,
        /// The entry after which to go on, if more follow already.
        more_after: Option<u64>,
    },
    /// Entries in between were let go.
    LetGo {
        /// The oldest that is kept.
        first: u64,
    },
    /// There is no such entry yet.
    Beyond {
        /// The newest that there is; 0 before the first.
        newest: u64,
    },
}

/// Reads at most `limit` entries after the one with this number, also while another process writes.
///
/// # Errors
/// [`ActuatorError::LedgerBroken`] names the file, and the line on this page that does not hold,
/// [`ActuatorError::File`] if the disk refuses.
pub fn read_page(data_dir: &Path, after: u64, limit: usize) -> Result<Page> {
    let open = data_dir.join(LEDGER_FILE);
    let mut looks = 0;
    loop {
        let closed = match closed_in(data_dir) {
            Err(ActuatorError::File { source, .. }) if source.kind() == ErrorKind::NotFound => Vec::new(),
            closed => closed?,
        };
        let mut files = closed.clone();
        files.push(open.clone());
        let page = page_of(&files, after, limit);
        looks += 1;
        if looks == LOOKS_MAX || closed_in(data_dir).is_ok_and(|now| now == closed) {
            return page;
        }
    }
}

fn page_of(files: &[PathBuf], after: u64, limit: usize) -> Result<Page> {
    let mut begun: Vec<(u64, Lines)> = Vec::new();
    for path in files {
        if let Some(lines) = Lines::open(path)?
            && let Some(first) = lines.seq_at(0)?
        {
            begun.push((first, lines));
        }
    }
    let Some(first) = begun.first().map(|(first, _)| *first) else {
        let none = Page::Entries { entries: Vec::new(), more_after: None };
        return Ok(if after == 0 { none } else { Page::Beyond { newest: 0 } });
    };
    if after > 0 && after + 1 < first {
        return Ok(Page::LetGo { first });
    }
    let place = begun.partition_point(|(first, _)| *first <= after).saturating_sub(1);
    let mut reading = Reading { after, limit, newest: 0, entries: Vec::new(), bytes: 0, head: None };
    for (_, lines) in begun.drain(place..) {
        if lines.read_on(&mut reading)? {
            return Ok(Page::Entries { more_after: Some(reading.newest), entries: reading.entries });
        }
    }
    if reading.newest < after {
        return Ok(Page::Beyond { newest: reading.newest });
    }
    Ok(Page::Entries { entries: reading.entries, more_after: None })
}

/// A page that is being read.
struct Reading {
    after: u64,
    limit: usize,
    /// Number of the entry read last, on the page or before it.
    newest: u64,
    entries: Vec<Box<RawValue>>,
    bytes: usize,
    /// Hash of the line before, if it is on the page.
    head: Option<String>,
}

impl Reading {
    fn is_full(&self) -> bool {
        self.entries.len() >= self.limit || self.bytes >= PAGE_BYTES_MAX
    }
}

/// The lines of one file.
struct Lines {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Lines {
    /// `None` if there is no such file.
    fn open(path: &Path) -> Result<Option<Self>> {
        let opened = File::open(path).and_then(|file| Ok((file.metadata()?.len(), file)));
        match opened {
            Ok((bytes, file)) => Ok(Some(Self { path: path.to_owned(), file, bytes })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unreadable(path)(error)),
        }
    }

    fn from(&self, at: u64) -> Result<BufReader<&File>> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(at)).map_err(unreadable(&self.path))?;
        Ok(BufReader::new(file))
    }

    /// Number of the entry whose line begins there; `None` behind the last whole line.
    fn seq_at(&self, at: u64) -> Result<Option<u64>> {
        let mut begin = Vec::new();
        let wanted = (HEAD.0.len() + HEAD.1 + HEAD.2.len() + DIGITS_MAX) as u64;
        self.from(at)?.take(wanted).read_to_end(&mut begin).map_err(unreadable(&self.path))?;
        // a line shorter than this is torn, or none of a ledger, which reading it will tell
        Ok(seq_of(&begin))
    }

    /// Where the next line begins after some place.
    fn line_after(&self, at: u64) -> Result<u64> {
        let mut rest = self.from(at)?;
        let skipped = rest.skip_until(b'\n').map_err(unreadable(&self.path))?;
        Ok(at + skipped as u64)
    }

    /// The beginning of a line at or before the first entry behind `after`, and not far from it.
    fn near(&self, after: u64) -> Result<u64> {
        let (mut low, mut high) = (0, self.bytes);
        while high - low > STRETCH_BYTES {
            let middle = low + (high - low) / 2;
            let line = self.line_after(middle)?;
            match if line < high { self.seq_at(line)? } else { None } {
                Some(seq) if seq <= after => low = line,
                _ => high = middle,
            }
        }
        Ok(low)
    }

    /// Adds what comes behind; whether the page is full and more is there.
    fn read_on(&self, reading: &mut Reading) -> Result<bool> {
        let mut rest = self.from(self.near(reading.after)?)?;
        let mut line = Vec::new();
        loop {
            line.clear();
            rest.read_until(b'\n', &mut line).map_err(unreadable(&self.path))?;
            if line.last() != Some(&b'\n') {
                return Ok(false);
            }
            match seq_of(&line) {
                Some(seq) if seq <= reading.after => reading.newest = seq,
                _ if reading.is_full() => return Ok(true),
                _ => self.add(&line, reading)?,
            }
        }
    }

    fn add(&self, line: &[u8], reading: &mut Reading) -> Result<()> {
        let broken = |why: String| ActuatorError::LedgerBroken {
            path: self.path.clone(),
            line: reading.entries.len() + 1,
            why: format!("{why} (counted from behind entry {})", reading.after),
        };
        let (seq, entry, hash) = link_of(line, reading.head.as_deref()).map_err(broken)?;
        reading.bytes += line.len();
        reading.entries.push(entry);
        (reading.newest, reading.head) = (seq, Some(hash));
        Ok(())
    }
}

/// The number that a line begins with.
fn seq_of(line: &[u8]) -> Option<u64> {
    let rest = line.strip_prefix(HEAD.0)?.get(HEAD.1..)?.strip_prefix(HEAD.2)?;
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    std::str::from_utf8(rest.get(..digits)?).ok()?.parse().ok()
}

fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> ActuatorError {
    let path = path.to_owned();
    move |source| ActuatorError::File { doing: "read ledger", path, source }
}
