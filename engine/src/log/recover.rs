//! How the newest segment ends: whole, torn, or damaged. Decided from its bytes.
//!
//! Promises: *torn* is said only if no frame after the broken place proves that the place had been synced.
//! What this module does not do: touch files.
//!
//! Limit: damage of the very last group commit cannot be told from a torn write, because nothing was written after
//! it. The clock records, one a second, keep that group small.

use std::path::PathBuf;

use bytes::Bytes;

use crate::log::frame::{self, HEADER_LEN, NoFrame, SegmentHeader, Tenants};
use crate::record::UnixNanos;

/// A torn end that was cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The file.
    pub path: PathBuf,
    /// Its length now.
    pub at_byte: u64,
    /// How many bytes were cut.
    pub bytes: u64,
    /// Whole records among them, written but never acknowledged.
    pub whole_records: u64,
    /// What was wrong at the cut.
    pub why: String,
}

/// What a segment holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scan {
    /// Offset after the last good record before anything that is broken.
    pub(crate) next_offset: u64,
    /// Where the good bytes end.
    pub(crate) good_len: usize,
    /// Newest arrival stamp.
    pub(crate) newest_at: UnixNanos,
    /// Some (offset, place) pairs, rising.
    pub(crate) index: Vec<(u64, u64)>,
    /// How it ends.
    pub(crate) end: End,
}

/// How a segment ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// With a whole frame.
    Whole,
    /// With bytes that were never acknowledged.
    Torn { whole_records: u64, why: &'static str },
    /// Something that had been synced does not read back.
    Damaged { newest_offset: u64, newest_at: UnixNanos, why: &'static str },
}

/// Distance of two entries of an index.
pub(crate) const INDEX_STEP_BYTES: u64 = 64 << 10;

/// Reads a segment from its header to its end.
pub(crate) fn scan(header: &SegmentHeader, bytes: &Bytes) -> Scan {
    let mut tenants = Tenants::default();
    let mut scan = Scan {
        next_offset: header.base,
        good_len: HEADER_LEN,
        newest_at: header.began_at,
        index: Vec::new(),
        end: End::Whole,
    };
    while scan.good_len < bytes.len() {
        let why = match frame::parse(header.salt, &bytes.slice(scan.good_len..), &mut tenants) {
            Ok((it, len)) if it.offset == scan.next_offset && it.record.arrived_at >= scan.newest_at => {
                index_entry(&mut scan.index, it.offset, scan.good_len as u64);
                scan.next_offset += 1;
                scan.newest_at = it.record.arrived_at;
                scan.good_len += len;
                continue;
            }
            Ok(_) => "a record is out of order",
            Err(NoFrame::Short(_)) => "a record is incomplete",
            Err(NoFrame::Broken(why)) => why,
        };
        scan.end = judge(header.salt, bytes, &scan, why);
        break;
    }
    scan
}

/// Notes a place if it is far enough from the one before.
pub(crate) fn index_entry(index: &mut Vec<(u64, u64)>, offset: u64, at: u64) {
    if index.last().is_none_or(|(_, last)| at - last >= INDEX_STEP_BYTES) {
        index.push((offset, at));
    }
}

/// Looks for whole frames after the broken place and for what they prove.
fn judge(salt: u32, bytes: &Bytes, scan: &Scan, why: &'static str) -> End {
    // An offset further on than this cannot stand in this file: every frame has its length.
    let offsets = scan.next_offset..scan.next_offset + (bytes.len() - scan.good_len) as u64;
    let mut tenants = Tenants::default();
    let (mut whole_records, mut newest_offset, mut newest_at) = (0, scan.next_offset, scan.newest_at);
    let mut proven = false;
    let mut at = scan.good_len;
    while at + frame::PREFIX_LEN < bytes.len() {
        let rest = bytes.slice(at..);
        let found = frame::plausible(&rest, &offsets).then(|| frame::parse(salt, &rest, &mut tenants).ok());
        let Some((it, len)) = found.flatten() else {
            at += 1;
            continue;
        };
        whole_records += 1;
        proven |= it.durable_before > scan.next_offset;
        newest_offset = newest_offset.max(it.offset);
        newest_at = newest_at.max(it.record.arrived_at);
        at += len;
    }
    if proven { End::Damaged { newest_offset, newest_at, why } } else { End::Torn { whole_records, why } }
}
