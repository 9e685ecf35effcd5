//! Malformed bytes: whatever prost refuses is refused.
//!
//! The judge is prost over the published messages, so that also what the engine has no use for (descriptions,
//! exemplars, schema addresses, the content of events) must be what it says it is. Deliberate differences: the engine
//! refuses more than prost, namely values nested deeper than its limit, groups, and a part that may stand once and
//! stands twice.

use engine::decode::{DecodeError, DecodeLimits, WireFault, inspect};
use engine::record::{Compression, Encoding, RecordKind};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest as Logs;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest as Metrics;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest as Spans;
use proptest::prelude::*;
use prost::Message;

use super::decode;
use super::generate::{self, Reals};

/// Decodes broken bytes with both; whether they were refused.
fn judge<M: Message + Default>(kind: RecordKind, body: &[u8]) -> bool {
    let (judge, ours) = (M::decode(body), decode(kind, Encoding::OtlpProto, body.to_vec()));
    match (&judge, &ours) {
        (Err(e), Ok(_)) => panic!("prost refuses ({e}), the engine does not: {body:02x?}"),
        (Ok(_), Err(DecodeError::Malformed { fault, .. })) => {
            let more = matches!(fault, WireFault::Depth | WireFault::WireType | WireFault::Repeated);
            assert!(more, "{fault}: {body:02x?}");
        }
        (_, Err(e)) => assert!(matches!(e, DecodeError::Malformed { .. }), "{e}"),
        (Ok(_), Ok(_)) => {}
    }
    let limits = DecodeLimits::default();
    let seen = inspect(kind, Encoding::OtlpProto, Compression::None, body, &limits);
    assert_eq!(seen.map(|_| ()), ours.map(|_| ()));
    judge.is_err()
}

/// Cuts the body off everywhere, then flips bytes.
fn harm<M: Message + Default>(kind: RecordKind, body: &[u8], flips: &[(prop::sample::Index, u8)]) {
    for at in 0..body.len() {
        judge::<M>(kind, &body[..at]);
    }
    let mut broken = body.to_vec();
    for (at, flip) in flips {
        if !body.is_empty() {
            let at = at.index(body.len());
            broken[at] ^= flip;
            judge::<M>(kind, &broken);
            // alone, and on top of the others
            let mut once = body.to_vec();
            once[at] ^= flip;
            judge::<M>(kind, &once);
        }
    }
}

fn flips() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    prop::collection::vec((any::<prop::sample::Index>(), 1u8..), 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Scenario: requests cut off at every byte, and with bytes flipped, one alone and several together.
    /// Guarantees: no panic; what prost refuses is refused; what only the engine refuses has one of three reasons.
    #[test]
    fn broken_metrics_are_refused(request in generate::metrics(Reals::All), flips in flips()) {
        harm::<Metrics>(RecordKind::Metrics, &request.encode_to_vec(), &flips);
    }

    /// Scenario and guarantees: as for metrics.
    #[test]
    fn broken_spans_are_refused(request in generate::spans(Reals::All), flips in flips()) {
        harm::<Spans>(RecordKind::Spans, &request.encode_to_vec(), &flips);
    }

    /// Scenario and guarantees: as for metrics.
    #[test]
    fn broken_logs_are_refused(request in generate::logs(Reals::All), flips in flips()) {
        harm::<Logs>(RecordKind::Logs, &request.encode_to_vec(), &flips);
    }

    /// Scenario: bytes of no message at all. Guarantees: no panic in any encoding.
    #[test]
    fn noise_is_refused_or_skipped(noise in prop::collection::vec(any::<u8>(), 0..64)) {
        judge::<Metrics>(RecordKind::Metrics, &noise);
        judge::<Spans>(RecordKind::Spans, &noise);
        judge::<Logs>(RecordKind::Logs, &noise);
        for kind in [RecordKind::Metrics, RecordKind::Spans, RecordKind::Logs] {
            decode(kind, Encoding::OtlpJson, noise.clone()).ok();
        }
    }
}

fn nest(number: u32, inner: &[u8]) -> Vec<u8> {
    let mut field = Vec::new();
    prost::encoding::bytes::encode(number, &inner.to_vec(), &mut field);
    field
}

/// Scenario: one fault each. Guarantees: it is called by its name, also where a point is set aside anyway.
#[test]
fn every_fault_has_its_name() {
    let point = |rest: &[u8]| nest(1, &nest(2, &nest(2, &[nest(1, b"m"), nest(5, &nest(1, rest))].concat())));
    let attribute = |value: &[u8]| point(&nest(7, &[nest(1, b"k"), nest(2, value)].concat()));
    let deep = |n: usize| attribute(&(0..n).fold(nest(1, b"x"), |inner, _| nest(5, &nest(1, &inner))));
    let twice = point(&nest(7, &[nest(2, b""), nest(2, b"")].concat()));
    let two_keys = point(&nest(7, &[nest(1, b"\xff"), nest(1, b"k")].concat()));
    // who speaks, in two pieces: a field may not begin in one and end in the other
    let torn = nest(1, &[nest(1, &[0x61]), nest(1, &nest(1, &nest(1, b"k123")))].concat());
    for (body, expected) in [
        (torn, Some(WireFault::Truncated)),
        (two_keys, Some(WireFault::Repeated)),
        (vec![0x0a, 5, 1], Some(WireFault::Truncated)),
        (vec![0x40, 0xff], Some(WireFault::Truncated)),
        ([&[0x40][..], &[0xff; 10]].concat(), Some(WireFault::Varint)),
        (vec![0x00, 0x00], Some(WireFault::Tag)),
        // a varint where the request's list should be, and where a point's time should be
        (vec![0x08, 0x01], Some(WireFault::WireType)),
        (point(&[0x18, 0x01]), Some(WireFault::WireType)),
        (vec![0x0b], Some(WireFault::WireType)),
        (attribute(&nest(1, b"\xff")), Some(WireFault::Utf8)),
        (twice, Some(WireFault::Repeated)),
        (deep(31), None),
        (deep(32), Some(WireFault::Depth)),
        (deep(5_000), Some(WireFault::Depth)),
    ] {
        let result = decode(RecordKind::Metrics, Encoding::OtlpProto, body.clone());
        let fault = match result {
            Ok(_) => None,
            Err(DecodeError::Malformed { what: "metrics request", fault }) => Some(fault),
            Err(other) => panic!("{other}"),
        };
        assert_eq!(fault, expected, "{:02x?}", &body[..body.len().min(40)]);
    }
}

/// Scenario: a request with fields that no version of the protocol has, of every wire type, at every level.
/// Guarantees: they are skipped; the log record beside them is read.
#[test]
fn unknown_fields_are_skipped() {
    // numbers 100 to 103 as varint, fixed64, bytes and fixed32
    let unknown = [
        &[0xa0, 0x06, 0x96, 0x01][..],
        &[0xa9, 0x06, 1, 2, 3, 4, 5, 6, 7, 8],
        &[0xb2, 0x06, 2, 0xff, 0xfe],
        &[0xbd, 0x06, 1, 2, 3, 4],
    ]
    .concat();
    let with = |fields: &[u8]| [&unknown[..], fields, &unknown].concat();
    let line = with(&[&[0x09][..], &5u64.to_le_bytes(), &nest(12, b"opened")].concat());
    let body = with(&nest(1, &with(&nest(2, &with(&nest(2, &line))))));
    let (batch, drops) = decode(RecordKind::Logs, Encoding::OtlpProto, body).unwrap();
    let rows = super::expect::rows(&batch.payload);
    assert!(rows.len() == 1 && rows[0].contains("opened") && drops.total() == 0, "{rows:?}");
}
