//! The front door over real sockets, in front of a real log: what each client gets to hear, and what is stored.
#![expect(clippy::unwrap_used, reason = "a test may stop at any surprise")]

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, Bytes};
use engine::decode::DecodeLimits;
use engine::log::{AppendError, Log, LogConfig, NewRecord, OpenLog};
use engine::receive::{Addresses, Append, Checks, ReceiveConfig, Server};
use engine::record::{Compression, Encoding, Record, RecordKind};
use engine::telemetry::{Metric, Telemetry};
use engine::time::clock::{Clock, ClockHand};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use opentelemetry_proto::tonic::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric as OtlpMetric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use tempfile::TempDir;
use tokio::sync::{Notify, Semaphore};
use tonic::codec::{Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Request, Status};

const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
const SPANS: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
const LIMIT: usize = 1 << 20;

/// A front door in front of a log in a temporary directory.
struct Bench {
    server: Server,
    log: OpenLog,
    telemetry: Telemetry,
    _hand: ClockHand,
    _dir: TempDir,
}

impl Bench {
    async fn new() -> Self {
        Self::with(config()).await
    }

    async fn with(config: ReceiveConfig) -> Self {
        let (clock, hand) = Clock::simulated(1_700_000_000_000_000_000);
        let (dir, telemetry) = (TempDir::new().unwrap(), Telemetry::new().unwrap());
        let log = Log::open(LogConfig::new(dir.path()), clock.clone(), &telemetry).unwrap();
        let server = Server::bind(config, log.writer.clone(), checks(), clock, &telemetry).await.unwrap();
        Self { server, log, telemetry, _hand: hand, _dir: dir }
    }

    fn addresses(&self) -> Addresses {
        self.server.addresses()
    }

    /// What is stored, clock records apart.
    async fn stored(&self) -> Vec<Record> {
        let mut reader = self.log.readers.read_from(0).unwrap();
        let mut stored = Vec::new();
        while let Some((_, record)) = reader.try_next().await.unwrap() {
            if record.kind != RecordKind::Clock {
                stored.push(record);
            }
        }
        stored
    }

    fn counted(&self, signal: &str, transport: &str, outcome: &str) -> u64 {
        self.telemetry.counter(Metric::ReceivedRequests, &[signal, transport, outcome]).get()
    }
}

fn config() -> ReceiveConfig {
    let any = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    ReceiveConfig {
        grpc: any,
        http: any,
        tenant: "acme".into(),
        request_bytes_max: LIMIT,
        event_bytes_max: 4_096,
        in_flight_bytes_max: 8 * LIMIT,
        drain_timeout: Duration::from_secs(5),
        ..ReceiveConfig::default()
    }
}

/// The decoder's own check; events must have a type or a context.
fn checks() -> Checks {
    let limits = DecodeLimits { unpacked_bytes_max: LIMIT, ..DecodeLimits::default() };
    let event = |_: RecordKind, body: &[u8]| {
        let event: serde_json::Value = serde_json::from_slice(body).map_err(|e| e.to_string())?;
        let known = event["type"].is_string() || event["context"].is_object();
        if known { Ok(()) } else { Err("neither a CloudEvent nor a CDEvent".to_owned()) }
    };
    Checks::decoding(limits, Arc::new(event))
}

/// So many good log records.
fn logs(n: usize) -> Vec<u8> {
    let record =
        LogRecord { time_unix_nano: 1_700_000_000_000_000_000, severity_number: 9, ..LogRecord::default() };
    let scope = ScopeLogs { log_records: vec![record; n], ..ScopeLogs::default() };
    let resource = ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() };
    ExportLogsServiceRequest { resource_logs: vec![resource] }.encode_to_vec()
}

/// One good span and two without ids.
fn spans() -> Vec<u8> {
    let good = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        start_time_unix_nano: 1_700_000_000_000_000_000,
        end_time_unix_nano: 1_700_000_000_000_000_001,
        ..Span::default()
    };
    let bad = Span { trace_id: Vec::new(), span_id: Vec::new(), ..good.clone() };
    let scope = ScopeSpans { spans: vec![good, bad.clone(), bad], ..ScopeSpans::default() };
    let resource = ResourceSpans { scope_spans: vec![scope], ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![resource] }.encode_to_vec()
}

/// Hands bytes through as they are.
#[derive(Clone, Copy)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;
    fn encoder(&mut self) -> Self {
        *self
    }
    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn encode(&mut self, item: Bytes, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        to.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;
    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

/// One unary call with tonic's own client.
async fn call(
    at: Option<SocketAddr>,
    path: &'static str,
    packed: Option<CompressionEncoding>,
    body: impl Into<Bytes>,
) -> Result<Bytes, Status> {
    let channel = tonic::transport::Channel::from_shared(format!("http://{}", at.unwrap())).unwrap();
    let mut client = tonic::client::Grpc::new(channel.connect().await.unwrap());
    if let Some(encoding) = packed {
        client = client.send_compressed(encoding);
    }
    client.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static(path);
    client.unary(Request::new(body.into()), path, Raw).await.map(tonic::Response::into_inner)
}

struct Heard {
    status: u16,
    headers: http::HeaderMap,
    body: Bytes,
}

impl Heard {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |it| it.to_str().unwrap())
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// One HTTP request with hyper's client.
async fn send(
    at: Option<SocketAddr>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Heard {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let mut request = http::Request::builder().method(method).uri(format!("http://{}{path}", at.unwrap()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = client.request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Heard { status: parts.status.as_u16(), headers: parts.headers, body }
}

const PROTO: (&str, &str) = ("content-type", "application/x-protobuf");
const JSON: (&str, &str) = ("content-type", "application/json");

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// Scenario: a tonic client exports plain, with gzip and with zstd. Guarantees: an empty answer each time, and the
/// log holds the bodies packed as they came, under the tenant of the settings.
#[tokio::test]
async fn grpc_bodies_are_stored_as_received() {
    let bench = Bench::new().await;
    let plain = logs(40);
    for packed in [None, Some(CompressionEncoding::Gzip), Some(CompressionEncoding::Zstd)] {
        let reply = call(bench.addresses().grpc, LOGS, packed, plain.clone()).await.unwrap();
        assert_eq!(ExportLogsServiceResponse::decode(reply).unwrap().partial_success, None);
    }
    let stored = bench.stored().await;
    let packings: Vec<_> = stored.iter().map(|it| it.compression).collect();
    assert_eq!(packings, [Compression::None, Compression::Gzip, Compression::Zstd]);
    assert_eq!(stored[0].body, plain);
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&stored[1].body[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain);
    assert_eq!(zstd::decode_all(&stored[2].body[..]).unwrap(), plain);
    for record in stored {
        assert_eq!(
            (&*record.tenant, record.kind, record.encoding),
            ("acme", RecordKind::Logs, Encoding::OtlpProto)
        );
    }
    assert_eq!(bench.counted("logs", "grpc", "accepted"), 3);
}

/// Scenario: the same over HTTP in protobuf and JSON, with each packing. Guarantees: 200 in the encoding of the
/// request, bodies stored as they came.
#[tokio::test]
async fn http_bodies_are_stored_as_received() {
    let bench = Bench::new().await;
    let proto = logs(1);
    let json = serde_json::json!({"resourceLogs": [{"scopeLogs": [{"logRecords": [
        {"timeUnixNano": "1700000000000000000", "severityNumber": 9, "body": {"stringValue": "x"}}
    ]}]}]});
    let json = serde_json::to_vec(&json).unwrap();
    let http = bench.addresses().http;
    let heard = send(http, "POST", "/v1/logs", &[PROTO], proto.clone()).await;
    assert_eq!((heard.status, heard.header("content-type"), &heard.body[..]), (200, PROTO.1, &b""[..]));
    let heard = send(http, "POST", "/v1/logs", &[JSON, ("content-encoding", "gzip")], gzip(&json)).await;
    assert_eq!((heard.status, heard.header("content-type"), &heard.body[..]), (200, JSON.1, &b"{}"[..]));
    let packed = zstd::encode_all(&proto[..], 3).unwrap();
    let heard = send(http, "POST", "/v1/logs", &[PROTO, ("content-encoding", "zstd")], packed.clone()).await;
    assert_eq!(heard.status, 200);
    let stored = bench.stored().await;
    let seen: Vec<_> = stored.iter().map(|it| (it.encoding, it.compression, it.body.to_vec())).collect();
    assert_eq!(
        seen,
        [
            (Encoding::OtlpProto, Compression::None, proto),
            (Encoding::OtlpJson, Compression::Gzip, gzip(&json)),
            (Encoding::OtlpProto, Compression::Zstd, packed),
        ]
    );
}

/// Scenario: a request of which a part cannot be used. Guarantees: success with the number and the reason, in both
/// protocols and encodings, and the request is stored.
#[tokio::test]
async fn partial_success_says_what_was_rejected() {
    let bench = Bench::new().await;
    let reply = call(bench.addresses().grpc, SPANS, None, spans()).await.unwrap();
    let heard = send(bench.addresses().http, "POST", "/v1/traces", &[PROTO], spans()).await;
    assert_eq!(heard.status, 200);
    for bytes in [reply, heard.body] {
        let partial = ExportTraceServiceResponse::decode(bytes).unwrap().partial_success.unwrap();
        assert_eq!(partial.rejected_spans, 2);
        assert!(!partial.error_message.is_empty());
    }
    assert_eq!(bench.stored().await.len(), 2);
    assert_eq!(
        (bench.counted("spans", "grpc", "partial"), bench.counted("spans", "http", "partial")),
        (1, 1)
    );
}

/// One gauge point.
fn metrics() -> Vec<u8> {
    let point = NumberDataPoint {
        time_unix_nano: 1_700_000_000_000_000_000,
        value: Some(number_data_point::Value::AsInt(1)),
        ..NumberDataPoint::default()
    };
    let data = Some(metric::Data::Gauge(Gauge { data_points: vec![point] }));
    let metric = OtlpMetric { name: "queue.length".to_owned(), data, ..OtlpMetric::default() };
    let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
    let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![resource] }.encode_to_vec()
}

/// Scenario: every signal over both protocols, with a gzip body for each; and the same in JSON where a part cannot be
/// used. Guarantees: all are stored under their kind; the JSON answer counts what was rejected as the specification
/// writes 64-bit numbers.
#[tokio::test]
async fn every_signal_has_its_two_doors() {
    let bench = Bench::new().await;
    let Addresses { grpc, http } = bench.addresses();
    let packed_as = Some(CompressionEncoding::Gzip);
    for (rpc, path, body) in
        [(METRICS, "/v1/metrics", metrics()), (LOGS, "/v1/logs", logs(1)), (SPANS, "/v1/traces", spans())]
    {
        call(grpc, rpc, packed_as, body.clone()).await.unwrap();
        let packed = [PROTO, ("content-encoding", "gzip")];
        assert_eq!(send(http, "POST", path, &packed, gzip(&body)).await.status, 200);
    }
    let two = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"a","gauge":{"dataPoints":[
        {"timeUnixNano":"1700000000000000000","asInt":"1"},{"asInt":"1"}]}}]}]}]}"#;
    let heard = send(http, "POST", "/v1/metrics", &[JSON], two).await;
    let partial = &heard.json()["partialSuccess"];
    assert_eq!((heard.status, partial["rejectedDataPoints"].as_str()), (200, Some("1")));
    assert!(partial["errorMessage"].as_str().unwrap().contains("point_without_time"));
    let kinds: Vec<RecordKind> = bench.stored().await.iter().map(|record| record.kind).collect();
    let [metrics, logs, spans] = [RecordKind::Metrics, RecordKind::Logs, RecordKind::Spans];
    assert_eq!(kinds, [metrics, metrics, logs, logs, spans, spans, metrics]);
}

/// Scenario: requests that hold nothing: no bytes, no resource, a resource that says nothing. Guarantees: full
/// success, as a client expects that flushes an empty buffer; nothing is stored.
#[tokio::test]
async fn an_empty_request_is_a_success() {
    let bench = Bench::new().await;
    let Addresses { grpc, http } = bench.addresses();
    for body in [&b""[..], b"\x0a\x00", b"\x0a\x02\x12\x00"] {
        assert!(call(grpc, LOGS, None, body).await.unwrap().is_empty());
        let heard = send(http, "POST", "/v1/logs", &[PROTO], body).await;
        assert_eq!((heard.status, heard.body.len()), (200, 0));
    }
    let heard = send(http, "POST", "/v1/logs", &[JSON], "{}").await;
    assert_eq!((heard.status, &heard.body[..]), (200, &b"{}"[..]));
    assert!(bench.stored().await.is_empty());
}

/// Scenario: a body of exactly the limit, and of one byte more, each plain and packed; the limits that nobody set.
/// Guarantees: what is at the limit after unpacking passes, what is beyond it does not; the default is the 64 MiB that
/// the specification recommends.
#[tokio::test]
async fn the_limit_counts_unpacked_bytes() {
    assert_eq!(ReceiveConfig::default().request_bytes_max, 64 << 20);
    let bench = Bench::new().await;
    let http = bench.addresses().http;
    // field 1 of a request, filled up by an unknown field of the resource's message
    let padded = |len: usize| {
        // two tags of one byte, two lengths of three
        let filler = vec![b'x'; len - 8];
        let mut inner = Vec::new();
        prost::encoding::bytes::encode(15, &filler, &mut inner);
        let mut body = Vec::new();
        prost::encoding::bytes::encode(1, &inner, &mut body);
        body
    };
    for (len, status) in [(LIMIT, 200), (LIMIT + 1, 413)] {
        let body = padded(len);
        assert_eq!(body.len(), len);
        let packed = [PROTO, ("content-encoding", "gzip")];
        assert_eq!(send(http, "POST", "/v1/logs", &packed, gzip(&body)).await.status, status);
        assert_eq!(send(http, "POST", "/v1/logs", &[PROTO], body).await.status, status);
    }
}

/// Scenario: bodies that are not OTLP, or not packed as they say. Guarantees: `INVALID_ARGUMENT` and 400 with a
/// `google.rpc.Status` in the encoding of the request, nothing stored.
#[tokio::test]
async fn bad_data_is_said_to_be_bad() {
    let bench = Bench::new().await;
    let Addresses { grpc, http } = bench.addresses();
    let status = call(grpc, LOGS, None, &b"\x0a\xff"[..]).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(String::from_utf8_lossy(status.details()).contains("google.rpc.BadRequest"));
    let heard = send(http, "POST", "/v1/logs", &[JSON], r#"{"resourceLogs": [}"#).await;
    assert_eq!((heard.status, heard.json()["code"].as_i64()), (400, Some(3)));
    let heard = send(http, "POST", "/v1/logs", &[PROTO], &b"\x0a\xff"[..]).await;
    assert_eq!((heard.status, heard.header("content-type")), (400, PROTO.1));
    assert_eq!(&heard.body[..2], [8, 3], "a Status message with code 3");
    let heard = send(http, "POST", "/v1/logs", &[PROTO, ("content-encoding", "gzip")], "not gzip").await;
    assert_eq!(heard.status, 400);
    assert!(bench.stored().await.is_empty());
}

/// Scenario: a body above the limit, a gzip bomb that is small on the wire, and a length that promises too much.
/// Guarantees: `RESOURCE_EXHAUSTED` without `RetryInfo`, and 413; nothing stored.
#[tokio::test]
async fn oversize_is_final_packed_or_not() {
    let bench = Bench::new().await;
    let Addresses { grpc, http } = bench.addresses();
    let bomb = vec![0; 64 * LIMIT];
    for (packed, body) in [(None, vec![0; LIMIT + 1]), (Some(CompressionEncoding::Gzip), bomb.clone())] {
        let status = call(grpc, LOGS, packed, body).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(status.message().contains(&format!("larger than {LIMIT} bytes")), "{}", status.message());
        assert!(!String::from_utf8_lossy(status.details()).contains("RetryInfo"));
    }
    let heard = send(http, "POST", "/v1/logs", &[PROTO, ("content-encoding", "gzip")], gzip(&bomb)).await;
    assert_eq!((heard.status, heard.header("retry-after")), (413, ""));
    let heard = send(http, "POST", "/v1/changes", &[JSON], vec![b' '; 5_000]).await;
    assert_eq!((heard.status, heard.json()["code"].as_i64()), (413, Some(8)));
    assert!(bench.stored().await.is_empty());
}

/// Scenario: wrong method, path, content type and packing; profiles. Guarantees: 405 with `Allow`, 404, 415 with what
/// is accepted, and `UNIMPLEMENTED`.
#[tokio::test]
async fn what_is_not_served_is_named() {
    let bench = Bench::new().await;
    let Addresses { grpc, http } = bench.addresses();
    let heard = send(http, "GET", "/v1/logs", &[], "").await;
    assert_eq!((heard.status, heard.header("allow")), (405, "POST"));
    assert_eq!(send(http, "POST", "/v1development/profiles", &[PROTO], "").await.status, 404);
    assert_eq!(send(http, "POST", "/v1/logs", &[("content-type", "text/plain")], "x").await.status, 415);
    assert_eq!(send(http, "POST", "/v1/logs", &[], "x").await.status, 415);
    let heard = send(http, "POST", "/v1/logs", &[PROTO, ("content-encoding", "br")], "x").await;
    assert_eq!((heard.status, heard.header("accept-encoding")), (415, "gzip, zstd, identity"));
    let profiles = "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export";
    assert_eq!(call(grpc, profiles, None, "").await.unwrap_err().code(), Code::Unimplemented);
}

/// Scenario: changes and outcomes in each form. Guarantees: 202 and stored as one JSON document of the right kind;
/// what the check refuses gets its words.
#[tokio::test]
async fn changes_and_outcomes_are_taken() {
    let bench = Bench::new().await;
    let http = bench.addresses().http;
    let event = r#"{"specversion":"1.0","id":"7","source":"/ci","type":"dev.cdevents.service.deployed.0.3.0","data":{}}"#;
    let bare = r#"{"context":{"id":"7"},"subject":{"id":"shop"}}"#;
    let structured = ("content-type", "application/cloudevents+json; charset=UTF-8");
    let binary = [JSON, ("ce-specversion", "1.0"), ("ce-id", "7"), ("ce-source", "/ci"), ("ce-type", "t")];
    assert_eq!(send(http, "POST", "/v1/changes", &[structured], event).await.status, 202);
    assert_eq!(send(http, "POST", "/v1/changes", &[JSON], bare).await.status, 202);
    assert_eq!(send(http, "POST", "/v1/changes", &binary, bare).await.status, 202);
    assert_eq!(send(http, "POST", "/v1/outcomes", &[structured], event).await.status, 202);
    let heard = send(http, "POST", "/v1/changes", &[JSON], r#"{"a":1}"#).await;
    assert_eq!(
        (heard.status, heard.json()["message"].as_str()),
        (400, Some("neither a CloudEvent nor a CDEvent"))
    );
    let stored = bench.stored().await;
    let kinds: Vec<_> = stored.iter().map(|it| (it.kind, it.encoding)).collect();
    let change = (RecordKind::Change, Encoding::Json);
    assert_eq!(kinds, [change, change, change, (RecordKind::Outcome, Encoding::Json)]);
    assert_eq!((&stored[0].body[..], &stored[1].body[..]), (event.as_bytes(), bare.as_bytes()));
    let merged: serde_json::Value = serde_json::from_slice(&stored[2].body).unwrap();
    assert_eq!((&merged["id"], &merged["data"]["subject"]["id"]), (&"7".into(), &"shop".into()));
}

/// Appends that answer as told, or wait at a gate.
#[derive(Clone)]
struct Gate {
    answer: Arc<Mutex<Option<AppendError>>>,
    entered: Arc<Notify>,
    gate: Arc<Semaphore>,
}

impl Gate {
    fn new(open: bool) -> Self {
        let gate = Arc::new(Semaphore::new(if open { 1_000 } else { 0 }));
        Self { answer: Arc::default(), entered: Arc::default(), gate }
    }

    async fn serve(&self, config: ReceiveConfig, telemetry: &Telemetry) -> Server {
        Server::bind(config, self.clone(), checks(), Clock::system(), telemetry).await.unwrap()
    }
}

impl Append for Gate {
    async fn append(&self, _: NewRecord) -> Result<u64, AppendError> {
        self.entered.notify_one();
        self.gate.acquire().await.unwrap().forget();
        self.answer.lock().unwrap().clone().map_or(Ok(0), Err)
    }
}

/// Scenario: the log is full, its disk is full, its disk fails, it is closed. Guarantees: `UNAVAILABLE` with
/// `RetryInfo`, and 429 or 503 with `Retry-After`; never an internal fault.
#[tokio::test]
async fn overload_asks_to_come_back() {
    let (gate, telemetry) = (Gate::new(true), Telemetry::new().unwrap());
    let server = gate.serve(config(), &telemetry).await;
    let Addresses { grpc, http } = server.addresses();
    let body = logs(1);
    for (error, expected) in [
        (AppendError::Full { records: 1, bytes: 1 }, 429),
        (AppendError::NoSpace { dir: "d".into() }, 503),
        (AppendError::Disk("broken".into()), 503),
        (AppendError::Closed, 503),
    ] {
        *gate.answer.lock().unwrap() = Some(error.clone());
        let status = call(grpc, LOGS, None, body.clone()).await.unwrap_err();
        assert_eq!(status.code(), Code::Unavailable, "{error}");
        assert!(String::from_utf8_lossy(status.details()).contains("google.rpc.RetryInfo"), "{error}");
        let heard = send(http, "POST", "/v1/logs", &[PROTO], body.clone()).await;
        assert_eq!(heard.status, expected, "{error}");
        assert!(heard.header("retry-after").parse::<u64>().unwrap() > 0);
    }
}

/// Scenario: requests wait in the log while others come that would not fit in memory. Guarantees: those are asked to
/// come back, and room is given back when the first are done.
#[tokio::test]
async fn memory_in_flight_is_bounded() {
    let (gate, telemetry) = (Gate::new(false), Telemetry::new().unwrap());
    let server = gate.serve(ReceiveConfig { in_flight_bytes_max: LIMIT, ..config() }, &telemetry).await;
    let http = server.addresses().http;
    let body: Bytes = logs(LIMIT / 20).into();
    assert!(body.len() > LIMIT / 2 && body.len() < LIMIT);
    let first = tokio::spawn({
        let body = body.clone();
        async move { send(http, "POST", "/v1/logs", &[PROTO], body).await.status }
    });
    gate.entered.notified().await;
    assert_eq!(send(http, "POST", "/v1/logs", &[PROTO], body.clone()).await.status, 429);
    gate.gate.add_permits(2);
    assert_eq!(first.await.unwrap(), 200);
    assert_eq!(send(http, "POST", "/v1/logs", &[PROTO], body).await.status, 200);
    assert!(telemetry.gauge(Metric::InFlightBytes, &[]).get() < 1.0);
}

/// Scenario: the process stops while requests of both protocols wait to become durable. Guarantees: new connections
/// are refused, the waiting requests get their answers, nothing is cut off.
#[tokio::test]
async fn shutdown_drains_what_is_in_flight() {
    let (gate, telemetry) = (Gate::new(false), Telemetry::new().unwrap());
    let server = gate.serve(config(), &telemetry).await;
    let Addresses { grpc, http } = server.addresses();
    let body = logs(1);
    let by_grpc = tokio::spawn(call(grpc, LOGS, None, body.clone()));
    gate.entered.notified().await;
    let by_http = tokio::spawn(async move { send(http, "POST", "/v1/logs", &[PROTO], body).await.status });
    gate.entered.notified().await;
    let shutdown = tokio::spawn(server.shutdown());
    for at in [grpc, http] {
        while tokio::net::TcpStream::connect(at.unwrap()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }
    gate.gate.add_permits(2);
    assert!(by_grpc.await.unwrap().is_ok());
    assert_eq!(by_http.await.unwrap(), 200);
    assert_eq!(shutdown.await.unwrap(), 0);
}

/// Scenario: a request never becomes durable and the process stops. Guarantees: shutdown ends at its deadline and
/// says how many connections it cut off.
#[tokio::test]
async fn shutdown_does_not_wait_for_ever() {
    let (gate, telemetry) = (Gate::new(false), Telemetry::new().unwrap());
    let server =
        gate.serve(ReceiveConfig { drain_timeout: Duration::from_millis(20), ..config() }, &telemetry).await;
    let grpc = server.addresses().grpc;
    let waiting = tokio::spawn(call(grpc, LOGS, None, logs(1)));
    gate.entered.notified().await;
    assert_eq!(server.shutdown().await, 1);
    assert!(waiting.await.unwrap().is_err());
}

/// Scenario: an address that is taken, and settings that cannot work. Guarantees: the error names the address, or
/// all settings that are wrong.
#[tokio::test]
async fn wrong_settings_are_named() {
    let bench = Bench::new().await;
    let telemetry = Telemetry::new().unwrap();
    let bind = async |config| {
        let bound = Server::bind(config, Gate::new(true), checks(), Clock::system(), &telemetry).await;
        bound.unwrap_err().to_string()
    };
    let taken = bench.addresses().http;
    assert!(bind(ReceiveConfig { http: taken, ..config() }).await.contains(&taken.unwrap().to_string()));
    let wrong = ReceiveConfig { checks_max: 0, in_flight_bytes_max: 5, tenant: "".into(), ..config() };
    let text = bind(wrong).await;
    assert!(["checks_max", "in_flight_bytes_max", "tenant"].iter().all(|name| text.contains(name)), "{text}");
}
