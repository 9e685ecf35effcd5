//! OTLP JSON: the same columns as the protobuf of the same message, and the liberties that senders take.

use engine::decode::DecodeError;
use engine::record::{Encoding, RecordKind};
use proptest::prelude::*;
use prost::Message;
use serde::Serialize;

use super::generate::{self, Reals};
use super::{decode, expect, told};

fn same(kind: RecordKind, message: &(impl Message + Serialize)) {
    let (binary, binary_drops) = decode(kind, Encoding::OtlpProto, message.encode_to_vec()).unwrap();
    let (json, json_drops) = decode(kind, Encoding::OtlpJson, serde_json::to_vec(message).unwrap()).unwrap();
    assert_eq!(told(&json.payload, json_drops.by_reason), told(&binary.payload, binary_drops.by_reason));
    assert_eq!(expect::ids(&json.payload), expect::ids(&binary.payload));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Scenario: a random metrics request, written by prost and, in JSON, by serde.
    /// Guarantees: the same rows, identities and counts of what was set aside.
    #[test]
    fn json_metrics_are_the_same(request in generate::metrics(Reals::Finite)) {
        same(RecordKind::Metrics, &request);
    }

    /// Scenario and guarantees: as for metrics.
    #[test]
    fn json_spans_are_the_same(request in generate::spans(Reals::Finite)) {
        same(RecordKind::Spans, &request);
    }

    /// Scenario and guarantees: as for metrics.
    #[test]
    fn json_logs_are_the_same(request in generate::logs(Reals::Finite)) {
        same(RecordKind::Logs, &request);
    }
}

fn rows(kind: RecordKind, text: &str) -> Vec<String> {
    let (batch, drops) = decode(kind, Encoding::OtlpJson, text.as_bytes().to_vec()).unwrap();
    assert_eq!(drops.total(), 0, "{:?}", drops.by_reason);
    expect::rows(&batch.payload)
}

/// Scenario: requests written twice: as the specification has it, and with every liberty that senders take (numbers
/// for texts and the reverse, names of enumerations, snake_case, unknown fields, nulls). Guarantees: the same rows.
#[test]
fn liberties_change_nothing() {
    for (kind, n_rows, strict, free) in [
        (
            RecordKind::Metrics,
            4,
            include_str!("../../../testdata/otlp/metrics.json"),
            include_str!("../../../testdata/otlp/metrics-free.json"),
        ),
        (
            RecordKind::Spans,
            1,
            include_str!("../../../testdata/otlp/spans.json"),
            include_str!("../../../testdata/otlp/spans-free.json"),
        ),
        (
            RecordKind::Logs,
            1,
            include_str!("../../../testdata/otlp/logs.json"),
            include_str!("../../../testdata/otlp/logs-free.json"),
        ),
    ] {
        let strict = rows(kind, strict);
        assert_eq!(strict.len(), n_rows);
        assert_eq!(rows(kind, free), strict);
    }
}

/// Scenario: the hand-written log record. Guarantees: what a reader sees in the file is what the row says.
#[test]
fn a_log_record_reads_as_written() {
    let rows = rows(RecordKind::Logs, include_str!("../../../testdata/otlp/logs.json"));
    for word in ["9007199254740993", "\"cart.Service\"", " 18 ", "checkout failed", "code.lineno\", Int(42)"]
    {
        assert!(rows[0].contains(word), "{word}: {}", rows[0]);
    }
}

/// Scenario: JSON that is wrong in one place. Guarantees: refused, with the path to the place and what it must be,
/// and without repeating more than a little of the body.
#[test]
fn an_error_names_the_place() {
    let span =
        |fields: &str| format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{fields}}}]}}]}}]}}"#);
    let long = "z".repeat(100_000);
    for (text, place) in [
        (
            span(r#""traceId":"0g""#),
            "resourceSpans: scopeSpans: spans: traceId: must be an even number of hex digits, is \"0g\"",
        ),
        (span(r#""spanId":"abc""#), "spanId: must be an even number of hex digits, is \"abc\""),
        (span(&format!(r#""traceId":"{long}""#)), "traceId: must be an even number of hex digits"),
        (span(r#""startTimeUnixNano":"soon""#), "startTimeUnixNano: must be a whole number, is \"soon\""),
        (span(r#""endTimeUnixNano":1.5"#), "endTimeUnixNano: must be a whole number, is 1.5"),
        (span(r#""kind":"SPAN_KIND_SERVICE""#), "kind: \"SPAN_KIND_SERVICE\" is not a known name"),
        (span(r#""name":7"#), "name: must be text"),
        (span(r#""attributes":{"a":1}"#), "attributes: must be a list"),
        (span(&format!(r#""attributes":["{long}"]"#)), "attributes: expected an object, found \"zzz"),
        (
            span(r#""attributes":[{"key":"a","value":{"doubleValue":"much"}}]"#),
            "doubleValue: must be a number, is \"much\"",
        ),
        (span(r#""attributes":[{"key":"a","value":{"bytesValue":"?"}}]"#), "bytesValue: must be base64"),
        ("[1]".to_owned(), "expected an object, found a list"),
        ("{\"resourceSpans\":".to_owned(), "EOF while parsing"),
    ] {
        match decode(RecordKind::Spans, Encoding::OtlpJson, text.into_bytes()) {
            Err(DecodeError::Json { what: "trace request", why }) => {
                assert!(why.contains(place) && why.len() < 300, "{why:.300}");
            }
            other => panic!("{place}: {other:?}"),
        }
    }
}

/// Scenario: a value nested a hundred lists deep. Guarantees: refused, no panic.
#[test]
fn deep_json_is_refused() {
    let value = format!("{}{{}}{}", r#"{"arrayValue":{"values":["#.repeat(100), "]}}".repeat(100));
    let text = format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"body":{value}}}]}}]}}]}}"#);
    let result = decode(RecordKind::Logs, Encoding::OtlpJson, text.into_bytes());
    assert!(matches!(result, Err(DecodeError::Json { .. })), "{result:?}");
}
