//! Bytes of a segment: its header and the frames of its records.
//!
//! Header (64 B, little endian): magic, version, salt, base offset, base offset and length of the segment before,
//! first arrival stamp, checksum. Frame: length, checksum, offset, durable-before, arrival stamp, kind, encoding,
//! compression, tenant, body.
//!
//! *Durable-before* is the offset up to which everything was synced when the frame was written. A frame that is
//! found after a broken one proves by it whether what broke had been acknowledged. The checksum starts from the
//! segment's salt, so that bytes inside a body cannot pass for a frame.
//!
//! What this module does not do: touch files, or decide what to do about a broken frame.

use std::sync::Arc;

use bytes::Bytes;

use crate::log::NewRecord;
use crate::record::{Compression, Encoding, Record, RecordKind, UnixNanos};

/// Length of [`SegmentHeader`] on disk.
pub(crate) const HEADER_LEN: usize = 64;
/// Length and checksum in front of each frame's payload.
pub(crate) const PREFIX_LEN: usize = 8;
/// Fixed part of a payload: offset, durable-before, stamp, kind, encoding, compression, length of the tenant.
const FIXED_LEN: usize = 28;
/// Longest tenant name.
pub(crate) const TENANT_LEN_MAX: usize = u8::MAX as usize;
const MAGIC: [u8; 8] = *b"bellwlog";
const VERSION: u32 = 1;

/// First bytes of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Start value of the checksums.
    pub(crate) salt: u32,
    /// Offset of the first record.
    pub(crate) base: u64,
    /// Base offset of the segment before; `u64::MAX` if there was none.
    pub(crate) previous_base: u64,
    /// Final length of the segment before.
    pub(crate) previous_len: u64,
    /// Newest arrival stamp when the segment began.
    pub(crate) began_at: UnixNanos,
}

/// A record with what the log adds to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) offset: u64,
    pub(crate) durable_before: u64,
    pub(crate) record: Record,
}

/// Why bytes are not a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoFrame {
    /// The frame needs this many bytes.
    Short(usize),
    /// The bytes are not what was written.
    Broken(&'static str),
}

impl SegmentHeader {
    pub(crate) fn to_bytes(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.salt.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.base.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.previous_base.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.previous_len.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.began_at.to_le_bytes());
        let sum = crc32fast::hash(&bytes[..60]);
        bytes[60..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads a header back; the error says what does not fit.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let Some(bytes) = bytes.first_chunk::<HEADER_LEN>() else {
            return Err(format!("{} bytes instead of a header of {HEADER_LEN}", bytes.len()));
        };
        if bytes[..8] != MAGIC {
            return Err("it does not begin like a segment".to_owned());
        }
        if crc32fast::hash(&bytes[..60]) != u32_at(bytes, 60) {
            return Err("the checksum of the header does not fit".to_owned());
        }
        let version = u32_at(bytes, 8);
        if version != VERSION {
            return Err(format!("it has format version {version}, this program knows {VERSION}"));
        }
        Ok(Self {
            salt: u32_at(bytes, 12),
            base: u64_at(bytes, 16),
            previous_base: u64_at(bytes, 24),
            previous_len: u64_at(bytes, 32),
            began_at: i64::from_le_bytes(u64_at(bytes, 40).to_le_bytes()),
        })
    }
}

/// Where a record stands, as the writer knows it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placement {
    pub(crate) salt: u32,
    pub(crate) offset: u64,
    pub(crate) durable_before: u64,
    pub(crate) arrived_at: UnixNanos,
}

/// Bytes that a record takes on disk.
pub(crate) fn frame_len(record: &NewRecord) -> usize {
    PREFIX_LEN + FIXED_LEN + record.tenant.len() + record.body.len()
}

/// Appends the frame of `record` to `out`. The tenant's length was checked before.
pub(crate) fn encode(record: &NewRecord, place: Placement, out: &mut Vec<u8>) {
    let start = out.len();
    let payload_len = u32::try_from(frame_len(record) - PREFIX_LEN).unwrap_or(u32::MAX);
    out.extend_from_slice(&payload_len.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&place.offset.to_le_bytes());
    out.extend_from_slice(&place.durable_before.to_le_bytes());
    out.extend_from_slice(&place.arrived_at.to_le_bytes());
    let tenant_len = u8::try_from(record.tenant.len()).unwrap_or(u8::MAX);
    out.extend_from_slice(&[record.kind as u8, record.encoding as u8, record.compression as u8, tenant_len]);
    out.extend_from_slice(record.tenant.as_bytes());
    out.extend_from_slice(&record.body);
    let sum = checksum(place.salt, &out[start..start + 4], &out[start + PREFIX_LEN..]);
    out[start + 4..start + PREFIX_LEN].copy_from_slice(&sum.to_le_bytes());
}

/// Length of the frame that begins here, if its length could be one.
pub(crate) fn claimed_len(bytes: &[u8]) -> Result<usize, NoFrame> {
    if bytes.len() < 4 {
        return Err(NoFrame::Short(PREFIX_LEN + FIXED_LEN));
    }
    let payload_len = u32_at(bytes, 0) as usize;
    if payload_len < FIXED_LEN {
        return Err(NoFrame::Broken("the length is too small"));
    }
    Ok(PREFIX_LEN + payload_len)
}

/// Reads the frame at the start of `bytes`, and its length on disk.
pub(crate) fn parse(salt: u32, bytes: &Bytes, tenants: &mut Tenants) -> Result<(Frame, usize), NoFrame> {
    let len = claimed_len(bytes)?;
    if bytes.len() < len {
        return Err(NoFrame::Short(len));
    }
    check(salt, &bytes[..len])?;
    let payload = &bytes[PREFIX_LEN..len];
    let (Some(kind), Some(encoding), Some(compression)) =
        (kind_of(payload[24]), encoding_of(payload[25]), compression_of(payload[26]))
    else {
        return Err(NoFrame::Broken("the kind, encoding or compression is unknown"));
    };
    let body_at = FIXED_LEN + usize::from(payload[27]);
    let Some(tenant) = payload.get(FIXED_LEN..body_at).and_then(|name| std::str::from_utf8(name).ok()) else {
        return Err(NoFrame::Broken("the tenant does not fit"));
    };
    let record = Record {
        tenant: tenants.intern(tenant),
        arrived_at: i64::from_le_bytes(u64_at(payload, 16).to_le_bytes()),
        kind,
        encoding,
        compression,
        body: bytes.slice(PREFIX_LEN + body_at..len),
    };
    Ok((Frame { offset: u64_at(payload, 0), durable_before: u64_at(payload, 8), record }, len))
}

/// Whether a frame could begin here whose offset lies in `offsets`; cheap, before the checksum is asked.
pub(crate) fn plausible(bytes: &[u8], offsets: &std::ops::Range<u64>) -> bool {
    let Ok(len) = claimed_len(bytes) else { return false };
    bytes.len() >= len
        && offsets.contains(&u64_at(bytes, PREFIX_LEN))
        && kind_of(bytes[PREFIX_LEN + 24]).is_some()
        && encoding_of(bytes[PREFIX_LEN + 25]).is_some()
        && compression_of(bytes[PREFIX_LEN + 26]).is_some()
}

fn check(salt: u32, frame: &[u8]) -> Result<(), NoFrame> {
    if checksum(salt, &frame[..4], &frame[PREFIX_LEN..]) == u32_at(frame, 4) {
        Ok(())
    } else {
        Err(NoFrame::Broken("the checksum does not fit"))
    }
}

fn checksum(salt: u32, len: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(salt);
    hasher.update(len);
    hasher.update(payload);
    hasher.finalize()
}

/// Gives equal tenant names one allocation. Remembers the newest name only: most logs have one.
#[derive(Debug, Default)]
pub(crate) struct Tenants(Option<Arc<str>>);

impl Tenants {
    fn intern(&mut self, name: &str) -> Arc<str> {
        match &self.0 {
            Some(known) if &**known == name => Arc::clone(known),
            _ => {
                let new: Arc<str> = name.into();
                // Clock records have no tenant; they must not push out the one that all others have.
                if !name.is_empty() {
                    self.0 = Some(Arc::clone(&new));
                }
                new
            }
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u32::from_le_bytes(*chunk))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |chunk| u64::from_le_bytes(*chunk))
}

fn kind_of(byte: u8) -> Option<RecordKind> {
    use RecordKind::{Change, Clock, Config, Label, Logs, Metrics, Outcome, Spans};
    [Metrics, Logs, Spans, Change, Outcome, Label, Config, Clock].into_iter().find(|kind| *kind as u8 == byte)
}

fn encoding_of(byte: u8) -> Option<Encoding> {
    [Encoding::OtlpProto, Encoding::OtlpJson, Encoding::Json].into_iter().find(|it| *it as u8 == byte)
}

fn compression_of(byte: u8) -> Option<Compression> {
    [Compression::None, Compression::Gzip, Compression::Zstd].into_iter().find(|it| *it as u8 == byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLACE: Placement = Placement { salt: 7, offset: 41, durable_before: 40, arrived_at: -5 };

    fn record(body: &[u8]) -> NewRecord {
        NewRecord {
            tenant: "acme".into(),
            kind: RecordKind::Spans,
            encoding: Encoding::OtlpProto,
            compression: Compression::Zstd,
            body: Bytes::copy_from_slice(body),
        }
    }

    /// Scenario: a header is written and read, then each byte is changed in turn. Guarantees: it comes back whole,
    /// and no change goes unnoticed.
    #[test]
    fn headers_come_back_and_notice_every_change() {
        let header = SegmentHeader { salt: 9, base: 3, previous_base: 1, previous_len: 99, began_at: -4 };
        let bytes = header.to_bytes();
        assert_eq!(SegmentHeader::parse(&bytes), Ok(header));
        for at in 0..HEADER_LEN {
            let mut changed = bytes;
            changed[at] ^= 0x10;
            assert!(SegmentHeader::parse(&changed).is_err(), "byte {at}");
        }
    }

    proptest! {
        /// Scenario: a frame is written and read, then one bit is turned, or it is cut, or read with another
        /// salt. Guarantees: whole it comes back as it was, otherwise it is refused.
        #[test]
        fn frames_come_back_and_notice_every_change(
            body in prop::collection::vec(any::<u8>(), 0..300),
            at in any::<prop::sample::Index>(),
            bit in 0_u8..8,
        ) {
            let record = record(&body);
            let mut bytes = Vec::new();
            encode(&record, PLACE, &mut bytes);
            prop_assert_eq!(bytes.len(), frame_len(&record));
            let (frame, len) = parse(7, &Bytes::from(bytes.clone()), &mut Tenants::default()).unwrap();
            prop_assert_eq!(len, bytes.len());
            prop_assert_eq!((frame.offset, frame.durable_before, frame.record.arrived_at), (41, 40, -5));
            prop_assert_eq!(&frame.record.body[..], &body[..]);
            prop_assert_eq!(&*frame.record.tenant, "acme");
            prop_assert!(plausible(&bytes, &(41..42)));

            prop_assert!(parse(8, &Bytes::from(bytes.clone()), &mut Tenants::default()).is_err());
            let at = at.index(bytes.len());
            prop_assert!(parse(7, &Bytes::from(bytes[..at].to_vec()), &mut Tenants::default()).is_err());
            bytes[at] ^= 1 << bit;
            prop_assert!(parse(7, &Bytes::from(bytes), &mut Tenants::default()).is_err());
        }
    }
}
