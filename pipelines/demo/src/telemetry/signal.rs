//! Spans and lines in OTLP.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as OtlpKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};

use super::attribute::{body, number, scope, text};
use crate::shop::{LineFact, Operation, SERVICES, SpanFact, SpanKind, operation_of};

/// Spans of one pod.
pub(crate) fn encode_spans(resource: Resource, spans: &[SpanFact]) -> ExportTraceServiceRequest {
    let spans = spans.iter().map(span).collect();
    let scope_spans = vec![ScopeSpans { scope: Some(scope("shop.http")), spans, ..ScopeSpans::default() }];
    let resource_spans =
        vec![ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() }];
    ExportTraceServiceRequest { resource_spans }
}

/// Lines of one pod.
pub(crate) fn encode_lines(resource: Resource, lines: &[LineFact]) -> ExportLogsServiceRequest {
    let service = lines.first().map_or(0, |line| operation_of(line.operation).service);
    let logger = SERVICES.get(service).map_or("shop", |spec| spec.logger);
    let log_records = lines.iter().map(line).collect();
    let scope_logs = vec![ScopeLogs { scope: Some(scope(logger)), log_records, ..ScopeLogs::default() }];
    let resource_logs =
        vec![ResourceLogs { resource: Some(resource), scope_logs, ..ResourceLogs::default() }];
    ExportLogsServiceRequest { resource_logs }
}

fn span(fact: &SpanFact) -> Span {
    let operation = operation_of(fact.operation);
    let mut attributes = vec![text("http.request.method", operation.method)];
    if fact.kind == SpanKind::Server {
        attributes.push(text("http.route", operation.route));
    } else {
        let callee = SERVICES.get(operation.service).map_or("unknown", |spec| spec.name);
        attributes.push(text("server.address", callee));
        attributes.push(number("server.port", 8080));
        attributes.push(text("url.template", operation.route));
    }
    if fact.status > 0 {
        attributes.push(number("http.response.status_code", i64::from(fact.status)));
    }
    if is_failure(fact.status) {
        attributes.push(text("error.type", error_type(fact.status)));
    }
    let code = if is_failure(fact.status) { StatusCode::Error } else { StatusCode::Unset };
    let kind = if fact.kind == SpanKind::Server { OtlpKind::Server } else { OtlpKind::Client };
    Span {
        trace_id: fact.trace_id.to_vec(),
        span_id: fact.span_id.to_vec(),
        parent_span_id: fact.parent_id.map(|id| id.to_vec()).unwrap_or_default(),
        name: format!("{} {}", operation.method, operation.route),
        kind: kind as i32,
        start_time_unix_nano: fact.start_at.max(0) as u64,
        end_time_unix_nano: fact.end_at.max(0) as u64,
        attributes,
        status: Some(Status { code: code as i32, message: String::new() }),
        ..Span::default()
    }
}

fn line(fact: &LineFact) -> LogRecord {
    let operation = operation_of(fact.operation);
    let (severity_number, severity_text) = if fact.is_error { (17, "ERROR") } else { (9, "INFO") };
    LogRecord {
        time_unix_nano: fact.at.max(0) as u64,
        observed_time_unix_nano: fact.at.max(0) as u64,
        severity_number,
        severity_text: severity_text.to_owned(),
        body: Some(body(&fact.text)),
        attributes: code_location(operation, fact.is_error).to_vec(),
        trace_id: fact.trace_id.to_vec(),
        span_id: fact.span_id.to_vec(),
        flags: 1,
        ..LogRecord::default()
    }
}

fn code_location(
    operation: &Operation,
    is_error: bool,
) -> [opentelemetry_proto::tonic::common::v1::KeyValue; 2] {
    let old = SERVICES.get(operation.service).is_some_and(|spec| spec.old_names);
    let (function, line) =
        if old { ("code.function", "code.lineno") } else { ("code.function.name", "code.line.number") };
    let first = 40 + 7 * operation.function.len() as i64;
    [text(function, operation.function), number(line, if is_error { first + 18 } else { first })]
}

pub(crate) const fn is_failure(status: u16) -> bool {
    status == 0 || status >= 500
}

pub(crate) fn error_type(status: u16) -> String {
    if status == 0 { "connection_refused".to_owned() } else { status.to_string() }
}
