//! Malformed bytes: whatever prost refuses is refused.
//!
//! Deliberate differences. Fields that the engine never reads (descriptions, exemplars, versions, schema URLs, the
//! content of events) are skipped by their length, so the judge here is prost over the same messages with only the
//! fields that are read. The engine refuses more than prost: values nested deeper than its limit, groups, and a value
//! or a metric's content that stands twice.

use engine::decode::{DecodeError, DecodeLimits, WireFault, inspect};
use engine::record::{Compression, Encoding, RecordKind};
use proptest::prelude::*;
use prost::Message;

use super::decode;
use super::generate::{self, Reals};

macro_rules! messages {
    ($($name:ident { $($(#[$field_meta:meta])* $field:ident: $kind:ty,)* })*) => {
        $(#[derive(Clone, PartialEq, Message)]
        struct $name { $($(#[$field_meta])* $field: $kind,)* })*
    };
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum OneValue {
    #[prost(string, tag = "1")]
    Text(String),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(int64, tag = "3")]
    Int(i64),
    #[prost(double, tag = "4")]
    Float(f64),
    #[prost(message, tag = "5")]
    List(List),
    #[prost(message, tag = "6")]
    Map(Attributes),
    #[prost(bytes, tag = "7")]
    Bytes(Vec<u8>),
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum OneNumber {
    #[prost(double, tag = "4")]
    Float(f64),
    #[prost(sfixed64, tag = "6")]
    Int(i64),
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum OneMetric {
    #[prost(message, tag = "5")]
    Gauge(Gauge),
    #[prost(message, tag = "7")]
    Sum(Sum),
    #[prost(message, tag = "9")]
    Histogram(Histogram),
    #[prost(message, tag = "10")]
    Exponential(Exponential),
    #[prost(message, tag = "11")]
    Summary(Summary),
}

messages! {
    Any { #[prost(oneof = "OneValue", tags = "1, 2, 3, 4, 5, 6, 7")] value: Option<OneValue>, }
    List { #[prost(message, repeated, tag = "1")] values: Vec<Any>, }
    Pair { #[prost(string, tag = "1")] key: String, #[prost(message, optional, tag = "2")] value: Option<Any>, }
    Attributes { #[prost(message, repeated, tag = "1")] pairs: Vec<Pair>, }
    Scope { #[prost(string, tag = "1")] name: String, }
    NumberPoint {
        #[prost(fixed64, tag = "2")] start: u64,
        #[prost(fixed64, tag = "3")] at: u64,
        #[prost(oneof = "OneNumber", tags = "4, 6")] value: Option<OneNumber>,
        #[prost(message, repeated, tag = "7")] attributes: Vec<Pair>,
        #[prost(uint32, tag = "8")] flags: u32,
    }
    HistogramPoint {
        #[prost(fixed64, tag = "2")] start: u64,
        #[prost(fixed64, tag = "3")] at: u64,
        #[prost(fixed64, tag = "4")] count: u64,
        #[prost(double, tag = "5")] sum: f64,
        #[prost(fixed64, repeated, tag = "6")] counts: Vec<u64>,
        #[prost(double, repeated, tag = "7")] bounds: Vec<f64>,
        #[prost(message, repeated, tag = "9")] attributes: Vec<Pair>,
        #[prost(uint32, tag = "10")] flags: u32,
        #[prost(double, tag = "11")] min: f64,
        #[prost(double, tag = "12")] max: f64,
    }
    Buckets {
        #[prost(sint32, tag = "1")] offset: i32,
        #[prost(uint64, repeated, tag = "2")] counts: Vec<u64>,
    }
    ExponentialPoint {
        #[prost(message, repeated, tag = "1")] attributes: Vec<Pair>,
        #[prost(fixed64, tag = "2")] start: u64,
        #[prost(fixed64, tag = "3")] at: u64,
        #[prost(fixed64, tag = "4")] count: u64,
        #[prost(double, tag = "5")] sum: f64,
        #[prost(sint32, tag = "6")] scale: i32,
        #[prost(fixed64, tag = "7")] zero: u64,
        #[prost(message, optional, tag = "8")] positive: Option<Buckets>,
        #[prost(message, optional, tag = "9")] negative: Option<Buckets>,
        #[prost(uint32, tag = "10")] flags: u32,
        #[prost(double, tag = "12")] min: f64,
        #[prost(double, tag = "13")] max: f64,
    }
    Quantile { #[prost(double, tag = "1")] quantile: f64, #[prost(double, tag = "2")] value: f64, }
    SummaryPoint {
        #[prost(fixed64, tag = "2")] start: u64,
        #[prost(fixed64, tag = "3")] at: u64,
        #[prost(fixed64, tag = "4")] count: u64,
        #[prost(double, tag = "5")] sum: f64,
        #[prost(message, repeated, tag = "6")] quantiles: Vec<Quantile>,
        #[prost(message, repeated, tag = "7")] attributes: Vec<Pair>,
        #[prost(uint32, tag = "8")] flags: u32,
    }
    Gauge { #[prost(message, repeated, tag = "1")] points: Vec<NumberPoint>, }
    Sum {
        #[prost(message, repeated, tag = "1")] points: Vec<NumberPoint>,
        #[prost(int32, tag = "2")] temporality: i32,
        #[prost(bool, tag = "3")] monotonic: bool,
    }
    Histogram {
        #[prost(message, repeated, tag = "1")] points: Vec<HistogramPoint>,
        #[prost(int32, tag = "2")] temporality: i32,
    }
    Exponential {
        #[prost(message, repeated, tag = "1")] points: Vec<ExponentialPoint>,
        #[prost(int32, tag = "2")] temporality: i32,
    }
    Summary { #[prost(message, repeated, tag = "1")] points: Vec<SummaryPoint>, }
    Metric {
        #[prost(string, tag = "1")] name: String,
        #[prost(string, tag = "3")] unit: String,
        #[prost(oneof = "OneMetric", tags = "5, 7, 9, 10, 11")] data: Option<OneMetric>,
    }
    ScopeMetrics {
        #[prost(message, optional, tag = "1")] scope: Option<Scope>,
        #[prost(message, repeated, tag = "2")] metrics: Vec<Metric>,
    }
    ResourceMetrics {
        #[prost(message, optional, tag = "1")] resource: Option<Attributes>,
        #[prost(message, repeated, tag = "2")] scoped: Vec<ScopeMetrics>,
    }
    Metrics { #[prost(message, repeated, tag = "1")] resourced: Vec<ResourceMetrics>, }
    Event {}
    Link {
        #[prost(bytes = "vec", tag = "1")] trace_id: Vec<u8>,
        #[prost(bytes = "vec", tag = "2")] span_id: Vec<u8>,
    }
    Status { #[prost(int32, tag = "3")] code: i32, }
    Span {
        #[prost(bytes = "vec", tag = "1")] trace_id: Vec<u8>,
        #[prost(bytes = "vec", tag = "2")] span_id: Vec<u8>,
        #[prost(string, tag = "3")] trace_state: String,
        #[prost(bytes = "vec", tag = "4")] parent_id: Vec<u8>,
        #[prost(string, tag = "5")] name: String,
        #[prost(int32, tag = "6")] kind: i32,
        #[prost(fixed64, tag = "7")] start: u64,
        #[prost(fixed64, tag = "8")] end: u64,
        #[prost(message, repeated, tag = "9")] attributes: Vec<Pair>,
        #[prost(message, repeated, tag = "11")] events: Vec<Event>,
        #[prost(message, repeated, tag = "13")] links: Vec<Link>,
        #[prost(message, optional, tag = "15")] status: Option<Status>,
    }
    ScopeSpans { #[prost(message, repeated, tag = "2")] spans: Vec<Span>, }
    ResourceSpans {
        #[prost(message, optional, tag = "1")] resource: Option<Attributes>,
        #[prost(message, repeated, tag = "2")] scoped: Vec<ScopeSpans>,
    }
    Spans { #[prost(message, repeated, tag = "1")] resourced: Vec<ResourceSpans>, }
    Line {
        #[prost(fixed64, tag = "1")] at: u64,
        #[prost(int32, tag = "2")] severity: i32,
        #[prost(message, optional, tag = "5")] body: Option<Any>,
        #[prost(message, repeated, tag = "6")] attributes: Vec<Pair>,
        #[prost(bytes = "vec", tag = "9")] trace_id: Vec<u8>,
        #[prost(bytes = "vec", tag = "10")] span_id: Vec<u8>,
        #[prost(fixed64, tag = "11")] observed: u64,
        #[prost(string, tag = "12")] event_name: String,
    }
    ScopeLogs {
        #[prost(message, optional, tag = "1")] scope: Option<Scope>,
        #[prost(message, repeated, tag = "2")] lines: Vec<Line>,
    }
    ResourceLogs {
        #[prost(message, optional, tag = "1")] resource: Option<Attributes>,
        #[prost(message, repeated, tag = "2")] scoped: Vec<ScopeLogs>,
    }
    Logs { #[prost(message, repeated, tag = "1")] resourced: Vec<ResourceLogs>, }
}

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
    for (body, expected) in [
        (vec![0x0a, 5, 1], Some(WireFault::Truncated)),
        (vec![0x08, 0xff], Some(WireFault::Truncated)),
        ([&[0x08][..], &[0xff; 10]].concat(), Some(WireFault::Varint)),
        (vec![0x00, 0x00], Some(WireFault::Tag)),
        (vec![0x08, 0x01], Some(WireFault::WireType)),
        (vec![0x0b], Some(WireFault::WireType)),
        (attribute(&nest(1, b"\xff")), Some(WireFault::Utf8)),
        (twice, Some(WireFault::Repeated)),
        (deep(31), None),
        (deep(32), Some(WireFault::Depth)),
        (deep(5_000), Some(WireFault::Depth)),
    ] {
        // a varint where the request's list should be is the one case in which field 1 has another wire type
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
