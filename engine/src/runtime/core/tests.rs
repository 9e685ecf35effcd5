use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;

use super::*;
use crate::decode::{DecodeLimits, Decoder};
use crate::operator::Chain;
use crate::record::{Compression, Encoding, Record};

const AT: i64 = 1_700_000_000_000_000_000;

fn core(telemetry: &Telemetry) -> Core<Decoder, Chain> {
    let config = CoreConfig { dead_letters_per_minute: 3, ..CoreConfig::default() };
    let parts = (Decoder::new(DecodeLimits::default()), Chain::default());
    Core::restore(config, parts, None, telemetry).unwrap()
}

fn received(offset: u64, arrived_at: i64, body: Vec<u8>) -> Received {
    let record = Record {
        tenant: "shop".into(),
        arrived_at,
        kind: RecordKind::Spans,
        encoding: Encoding::OtlpProto,
        compression: Compression::None,
        body: body.into(),
    };
    Received { partition: "log".into(), next_offset: offset + 1, record }
}

/// One good span, `n_endless` that never end, one without an id.
fn spans(n_endless: usize) -> Vec<u8> {
    let good = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        start_time_unix_nano: AT as u64,
        end_time_unix_nano: AT as u64 + 1,
        ..Span::default()
    };
    let endless = Span { end_time_unix_nano: 0, ..good.clone() };
    let nameless = Span { span_id: vec![], ..good.clone() };
    let mut spans = vec![good];
    spans.extend(vec![endless; n_endless]);
    spans.push(nameless);
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..Default::default() }] }
        .encode_to_vec()
}

/// Scenario: a request of which one span can be used and three cannot; then a record that is no request at all.
/// Guarantees: every span that is set aside is counted under its reason by the lane itself; one of them goes to the
/// dead letters, with the place of the record and the bytes of the item.
#[test]
fn items_that_cannot_be_used_are_counted_and_sampled() {
    let telemetry = Telemetry::new().unwrap();
    let mut core = core(&telemetry);
    let mut letter = |offset: u64, body: Vec<u8>| {
        core.take(&received(offset, AT, body)).unwrap().dead_letter.expect("a sample was taken")
    };
    let first = letter(40, spans(2));
    assert_eq!((&*first.reason, first.offset), ("span_time_invalid", 40));
    // the item's own bytes: the trace id comes first
    assert!(first.body_start.starts_with(&format!("0a10{}", "01".repeat(16))), "{}", first.body_start);
    assert_eq!(letter(41, b"\x0a\xff".to_vec()).reason, "malformed");

    let dropped = |reason| telemetry.dropped("decode", reason).get();
    assert_eq!(["span_time_invalid", "span_id_invalid", "malformed"].map(dropped), [2, 1, 1]);
    assert_eq!(telemetry.counter(Metric::Rows, &["spans"]).get(), 1);
}
