//! The chain of segment files, as writer and readers share it.
//!
//! # Invariants
//! Segments are in the order of their offsets and follow each other without a hole, except where damage was skipped
//! on request; the last one is the tail. What this module does not do: read or write records.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::watch;

use crate::error::EngineError;
use crate::log::counters::Counters;
use crate::log::frame::{HEADER_LEN, SegmentHeader};
use crate::log::retention::Sealed;
use crate::log::{LogConfig, OnDamage};

/// Ending of a segment's name.
const SUFFIX: &str = ".segment";

/// A segment file.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) header: SegmentHeader,
    /// Length that readers may see.
    pub(crate) len: u64,
    /// Some (offset, place) pairs, rising; known only for what was written or scanned since the log was opened.
    pub(crate) index: Vec<(u64, u64)>,
}

impl Segment {
    /// Place from which to look for a record.
    pub(crate) fn seek(&self, offset: u64) -> u64 {
        let after = self.index.partition_point(|(it, _)| *it <= offset);
        after.checked_sub(1).map_or(HEADER_LEN as u64, |at| self.index[at].1)
    }
}

/// What writer and readers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) config: LogConfig,
    pub(crate) counters: Counters,
    chain: Mutex<Vec<Segment>>,
    /// Next offset of the log, as readers may see it; told when it moves and when the log is closed.
    pub(crate) next: watch::Sender<Next>,
    /// Everything before it is part of a durable checkpoint.
    committed: AtomicU64,
    needs: Mutex<Vec<Weak<AtomicU64>>>,
    refusal: Mutex<Option<String>>,
}

/// How far the log has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Next {
    pub(crate) offset: u64,
    pub(crate) closed: bool,
}

/// Where a reader finds its next record.
#[derive(Debug, Clone)]
pub(crate) enum Found {
    /// In this segment, from this place on at the earliest, up to this length.
    Here { path: PathBuf, header: SegmentHeader, from: u64, len: u64, end: Option<u64> },
    /// Not written yet.
    NotYet,
    /// Removed; this is the oldest record that is kept.
    Removed { first: u64 },
}

impl Shared {
    pub(crate) fn new(
        config: LogConfig,
        counters: Counters,
        chain: Vec<Segment>,
        next_offset: u64,
    ) -> Arc<Self> {
        Arc::new(Self {
            config,
            counters,
            chain: Mutex::new(chain),
            next: watch::Sender::new(Next { offset: next_offset, closed: false }),
            committed: AtomicU64::new(0),
            needs: Mutex::default(),
            refusal: Mutex::default(),
        })
    }

    pub(crate) fn chain(&self) -> MutexGuard<'_, Vec<Segment>> {
        self.chain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn path(&self, base: u64) -> PathBuf {
        segment_path(&self.config.dir, base)
    }

    /// Oldest offset that is kept.
    pub(crate) fn first_offset(&self) -> u64 {
        self.chain().first().map_or(0, |segment| segment.header.base)
    }

    /// Everything before `offset` is part of a durable checkpoint.
    pub(crate) fn commit(&self, offset: u64) {
        let before = self.committed.fetch_max(offset, Ordering::AcqRel);
        self.counters.committed.set_count(before.max(offset));
    }

    /// Offset from which somebody still needs records.
    pub(crate) fn needed_from(&self) -> u64 {
        let mut needs = self.needs.lock().unwrap_or_else(PoisonError::into_inner);
        needs.retain(|need| need.strong_count() > 0);
        let read = needs.iter().filter_map(Weak::upgrade).map(|need| need.load(Ordering::Acquire)).min();
        self.committed.load(Ordering::Acquire).min(read.unwrap_or(u64::MAX))
    }

    /// Registers a reader that needs everything from the offset in the cell on.
    pub(crate) fn need(&self, from: u64) -> Arc<AtomicU64> {
        let cell = Arc::new(AtomicU64::new(from));
        self.needs.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&cell));
        cell
    }

    pub(crate) fn set_refusal(&self, why: Option<String>) {
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    pub(crate) fn refusal(&self) -> Option<String> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Where the record with this offset is.
    pub(crate) fn find(&self, offset: u64) -> Found {
        let chain = self.chain();
        let after = chain.partition_point(|segment| segment.header.base <= offset);
        let Some(at) = after.checked_sub(1) else {
            return Found::Removed { first: chain.first().map_or(0, |segment| segment.header.base) };
        };
        let segment = &chain[at];
        let end = chain.get(after).map(|following| following.header.base);
        if end.is_none() && offset >= self.next.borrow().offset {
            return Found::NotYet;
        }
        Found::Here {
            path: self.path(segment.header.base),
            header: segment.header,
            from: segment.seek(offset),
            len: segment.len,
            end,
        }
    }

    /// The sealed segments and the size of the tail.
    pub(crate) fn sealed(&self) -> (Vec<Sealed>, u64) {
        let chain = self.chain();
        let sealed = chain.windows(2).map(|pair| Sealed {
            base: pair[0].header.base,
            end: pair[1].header.base,
            bytes: pair[0].len,
            newest_at: pair[1].header.began_at,
        });
        (sealed.collect(), chain.last().map_or(0, |tail| tail.len))
    }

    /// Whether the settings say to go on behind damage.
    pub(crate) fn skips_damage(&self) -> bool {
        self.config.on_damage == OnDamage::SkipSegment
    }
}

pub(crate) fn segment_path(dir: &Path, base: u64) -> PathBuf {
    dir.join(format!("{base:020}{SUFFIX}"))
}

/// What a directory holds.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) segments: Vec<Segment>,
    /// A newest file whose header never became whole: it holds nothing.
    pub(crate) stillborn: Option<PathBuf>,
    /// What is missing or damaged, if the settings say to go on.
    pub(crate) skipped: Option<String>,
}

/// Lists the segments and checks that each follows from the one before.
pub(crate) fn list(config: &LogConfig) -> Result<Listing, EngineError> {
    let mut found = Listing { segments: Vec::new(), stillborn: None, skipped: None };
    let bases = bases(&config.dir)?;
    for (at, &base) in bases.iter().enumerate() {
        let path = segment_path(&config.dir, base);
        let file_error = |action| {
            move |source| EngineError::File { action, path: segment_path(&config.dir, base), source }
        };
        let len = fs::metadata(&path).map_err(file_error("look at"))?.len();
        let mut start = Vec::new();
        let file = fs::File::open(&path).map_err(file_error("open"))?;
        file.take(HEADER_LEN as u64).read_to_end(&mut start).map_err(file_error("read"))?;
        let header = match SegmentHeader::parse(&start) {
            Ok(header) if header.base == base => header,
            // A header is synced before the first record: a short newest file never held one.
            Err(_) if at + 1 == bases.len() && len <= HEADER_LEN as u64 => {
                found.stillborn = Some(path);
                break;
            }
            bad => {
                let why =
                    bad.map_or_else(|why| why, |it| format!("it says that it begins at offset {}", it.base));
                // Behind a lost tail nothing tells which offset comes next.
                if config.on_damage == OnDamage::Refuse || at + 1 == bases.len() {
                    return Err(damaged(&path, why));
                }
                note_skipped(&mut found, &path, why);
                let began_at = found.segments.last().map_or(0, |segment| segment.header.began_at);
                // It stays in the chain with nothing to see, so that a reader counts what it held as damaged.
                let header =
                    SegmentHeader { salt: 0, base, previous_base: u64::MAX, previous_len: 0, began_at };
                found.segments.push(Segment { header, len: HEADER_LEN as u64, index: Vec::new() });
                continue;
            }
        };
        if let Some(fault) = chain_fault(found.segments.last(), &header) {
            if config.on_damage == OnDamage::Refuse {
                return Err(damaged(&path, fault));
            }
            note_skipped(&mut found, &path, fault);
        }
        found.segments.push(Segment { header, len, index: Vec::new() });
    }
    Ok(found)
}

fn note_skipped(found: &mut Listing, path: &Path, fault: String) {
    tracing::error!(path = %path.display(), fault, "damage in the log is skipped, as set");
    found.skipped = Some(format!("{}: {fault}", path.display()));
}

/// What does not fit between a segment and the one before.
fn chain_fault(previous: Option<&Segment>, header: &SegmentHeader) -> Option<String> {
    let previous = previous?;
    if header.previous_base != previous.header.base {
        return Some(format!(
            "the segment before it should begin at offset {}, but the one that is there begins at {}: files are missing",
            header.previous_base, previous.header.base
        ));
    }
    (header.previous_len != previous.len).then(|| {
        format!(
            "the segment before it, from offset {}, should have {} bytes and has {}",
            previous.header.base, header.previous_len, previous.len
        )
    })
}

/// The error for damage, with the ways out.
pub(crate) fn damaged(path: &Path, why: String) -> EngineError {
    EngineError::Damaged {
        what: "log segment",
        place: path.display().to_string(),
        why: format!(
            "{why}; restore the file from a copy, or set on_damage to skip_segment to lose the rest of that segment, counted"
        ),
    }
}

fn bases(dir: &Path) -> Result<Vec<u64>, EngineError> {
    let file_error = |source| EngineError::File { action: "list", path: dir.to_owned(), source };
    let mut bases = Vec::new();
    for entry in fs::read_dir(dir).map_err(file_error)? {
        let name = entry.map_err(file_error)?.file_name();
        let base = name.to_str().and_then(|name| name.strip_suffix(SUFFIX));
        bases.extend(base.and_then(|base| base.parse::<u64>().ok()));
    }
    bases.sort_unstable();
    Ok(bases)
}
