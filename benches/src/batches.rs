//! Decoded requests of one kind, second by second.

use engine::batch::Batch;
use engine::decode::{DecodeLimits, Decoder};
use engine::operator::Progress;
use engine::record::{Compression, Encoding, NANOS_PER_SEC, Record, RecordKind};

use crate::bodies::AT;

/// A request that arrives `secs` after [`AT`].
#[must_use]
pub fn record(kind: RecordKind, secs: u64, body: Vec<u8>) -> Record {
    Record {
        tenant: "shop".into(),
        arrived_at: arrival(secs),
        kind,
        encoding: Encoding::OtlpProto,
        compression: Compression::None,
        body: body.into(),
    }
}

fn arrival(secs: u64) -> i64 {
    AT as i64 + secs as i64 * NANOS_PER_SEC + NANOS_PER_SEC / 2
}

/// One batch for each of the first `secs` seconds.
///
/// # Panics
/// If a body of the benches cannot be decoded.
pub fn by_second(kind: RecordKind, secs: u64, body: impl Fn(u64) -> Vec<u8>) -> Vec<Batch> {
    let mut decoder = Decoder::new(DecodeLimits::default());
    let mut batch = |sec| {
        let decoded = decoder.decode(&record(kind, sec, body(sec)));
        decoded.expect("the benches' own bodies are well-formed").0
    };
    (0..secs).map(&mut batch).collect()
}

/// Everything before the second `secs` is complete.
#[must_use]
pub fn progress(secs: u64) -> Progress {
    Progress { watermark: AT as i64 + secs as i64 * NANOS_PER_SEC, log_clock: arrival(secs) }
}
