//! The messages that are sent back, as protobuf and as JSON.
//!
//! Promises: nothing is set on full success. What this module does not do: choose a status.

use bytes::Bytes;
use prost::Message;
use serde_json::json;

use crate::receive::check::Found;
use crate::receive::fault::{Fault, bounded};
use crate::record::{Encoding, RecordKind};

/// Any of the three `Export*ServiceResponse`s; on the wire they are alike.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<AnyMessage>,
}

#[derive(Clone, PartialEq, Message)]
struct AnyMessage {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<Delay>,
}

#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct Delay {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
struct BadRequest {
    #[prost(message, repeated, tag = "1")]
    field_violations: Vec<FieldViolation>,
}

#[derive(Clone, PartialEq, Message)]
struct FieldViolation {
    #[prost(string, tag = "1")]
    field: String,
    #[prost(string, tag = "2")]
    description: String,
}

const RETRY_INFO: &str = "type.googleapis.com/google.rpc.RetryInfo";
const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";
/// What a bad body is called in [`BadRequest`].
const FIELD: &str = "body";

/// The answer to an export that was taken, at least in part.
pub(crate) fn success(kind: RecordKind, encoding: Encoding, found: &Found) -> Bytes {
    let partial = found.rejected > 0 || !found.message.is_empty();
    let message = bounded(found.message.clone());
    if encoding == Encoding::OtlpProto {
        let rejected = i64::try_from(found.rejected).unwrap_or(i64::MAX);
        let partial_success = partial.then_some(PartialSuccess { rejected, error_message: message });
        return ExportResponse { partial_success }.encode_to_vec().into();
    }
    if !partial {
        return Bytes::from_static(b"{}");
    }
    let rejected = match kind {
        RecordKind::Metrics => "rejectedDataPoints",
        RecordKind::Logs => "rejectedLogRecords",
        _ => "rejectedSpans",
    };
    // 64-bit numbers are strings in the JSON mapping of protobuf.
    json!({"partialSuccess": {rejected: found.rejected.to_string(), "errorMessage": message}})
        .to_string()
        .into()
}

/// The `google.rpc.Status` of a fault as protobuf.
pub(crate) fn status_proto(fault: &Fault) -> Bytes {
    let answer = fault.answer();
    let mut details = Vec::new();
    if let Some(pause) = answer.pause {
        let seconds = i64::try_from(pause.as_secs()).unwrap_or(i64::MAX);
        let nanos = i32::try_from(pause.subsec_nanos()).unwrap_or(0);
        let info = RetryInfo { retry_delay: Some(Delay { seconds, nanos }) };
        details.push(AnyMessage { type_url: RETRY_INFO.to_owned(), value: info.encode_to_vec() });
    }
    if answer.grpc == tonic::Code::InvalidArgument {
        let violation = FieldViolation { field: FIELD.to_owned(), description: fault.text() };
        let request = BadRequest { field_violations: vec![violation] };
        details.push(AnyMessage { type_url: BAD_REQUEST.to_owned(), value: request.encode_to_vec() });
    }
    RpcStatus { code: answer.grpc as i32, message: fault.text(), details }.encode_to_vec().into()
}

/// The `google.rpc.Status` of a fault as JSON.
pub(crate) fn status_json(fault: &Fault) -> Bytes {
    let answer = fault.answer();
    let mut details = Vec::new();
    if let Some(pause) = answer.pause {
        details.push(json!({"@type": RETRY_INFO, "retryDelay": format!("{}s", pause.as_secs())}));
    }
    if answer.grpc == tonic::Code::InvalidArgument {
        let violation = json!({"field": FIELD, "description": fault.text()});
        details.push(json!({"@type": BAD_REQUEST, "fieldViolations": [violation]}));
    }
    json!({"code": answer.grpc as i32, "message": fault.text(), "details": details}).to_string().into()
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceResponse;
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;

    use super::*;

    /// Scenario: full success, a warning and a rejection for each signal. Guarantees: the official messages read
    /// what was meant, and full success is empty.
    #[test]
    fn the_official_messages_read_our_answers() {
        let found = Found { accepted: 1, rejected: 3, message: "three are bad".to_owned() };
        let bytes = success(RecordKind::Metrics, Encoding::OtlpProto, &found);
        let partial = ExportMetricsServiceResponse::decode(bytes).unwrap().partial_success.unwrap();
        assert_eq!((partial.rejected_data_points, partial.error_message.as_str()), (3, "three are bad"));
        let bytes = success(RecordKind::Logs, Encoding::OtlpProto, &found);
        assert_eq!(
            ExportLogsServiceResponse::decode(bytes).unwrap().partial_success.unwrap().rejected_log_records,
            3
        );
        let bytes = success(RecordKind::Spans, Encoding::OtlpProto, &found);
        assert_eq!(
            ExportTraceServiceResponse::decode(bytes).unwrap().partial_success.unwrap().rejected_spans,
            3
        );
        assert_eq!(
            success(RecordKind::Spans, Encoding::OtlpJson, &found),
            r#"{"partialSuccess":{"errorMessage":"three are bad","rejectedSpans":"3"}}"#
        );
        assert!(success(RecordKind::Logs, Encoding::OtlpProto, &Found::default()).is_empty());
        assert_eq!(success(RecordKind::Logs, Encoding::OtlpJson, &Found::default()), "{}");
    }

    /// Scenario: the status of each sort of fault. Guarantees: a pause comes as `RetryInfo`, bad data as
    /// `BadRequest`, and a request that is too large carries neither.
    #[test]
    fn a_status_says_whether_to_try_again() {
        let urls = |fault: &Fault| -> Vec<String> {
            let status = RpcStatus::decode(status_proto(fault)).unwrap();
            assert_eq!(status.message, fault.to_string());
            status.details.into_iter().map(|detail| detail.type_url).collect()
        };
        assert_eq!(urls(&Fault::Pressure), [RETRY_INFO]);
        assert_eq!(urls(&Fault::Undecodable("x".into())), [BAD_REQUEST]);
        assert!(urls(&Fault::TooLarge { limit: 5 }).is_empty());
        let json: serde_json::Value = serde_json::from_slice(&status_json(&Fault::Pressure)).unwrap();
        assert_eq!(
            (json["code"].as_i64(), json["details"][0]["retryDelay"].as_str()),
            (Some(14), Some("1s"))
        );
    }
}
