//! The requests that decoding is measured on, and the other side of every ratio: prost.

use std::hint::black_box;

use engine::record::{Record, RecordKind};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

use crate::batches::record;
use crate::bodies;

/// One kind of request.
#[derive(Debug)]
pub struct Case {
    /// As in the tables.
    pub name: &'static str,
    /// The request, as it arrives.
    pub record: Record,
}

/// All of them.
#[must_use]
pub fn cases() -> Vec<Case> {
    use RecordKind::{Logs, Metrics, Spans};
    let case = |name, kind, body| Case { name, record: record(kind, 0, body) };
    vec![
        case("number points, 10 attributes", Metrics, bodies::numbers(10, 0)),
        case("number points, 2 attributes", Metrics, bodies::numbers(2, 0)),
        case("histogram points", Metrics, bodies::histograms(0)),
        case("exponential histogram points", Metrics, bodies::exponentials()),
        case("summary points", Metrics, bodies::summaries()),
        case("spans", Spans, bodies::spans(0)),
        case("spans as an SDK writes them", Spans, bodies::http_spans(0)),
        case("log lines", Logs, bodies::logs(0)),
    ]
}

/// Decodes a request into prost's message structs, and drops them.
///
/// # Panics
/// If prost refuses a body of the benches.
pub fn decode_with_prost(record: &Record) {
    fn decode<M: Message + Default>(body: &[u8]) {
        black_box(M::decode(body).expect("the benches' own bodies are well-formed"));
    }
    match record.kind {
        RecordKind::Metrics => decode::<ExportMetricsServiceRequest>(&record.body),
        RecordKind::Spans => decode::<ExportTraceServiceRequest>(&record.body),
        _ => decode::<ExportLogsServiceRequest>(&record.body),
    }
}
