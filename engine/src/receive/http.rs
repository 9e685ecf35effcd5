//! OTLP/HTTP, changes and outcomes: one request in, one response out.
//!
//! Promises: the answer to an export is in the encoding of the request, a refusal too.
//! What this module does not do: open sockets.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER,
};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Body;

use crate::receive::budget::{BodyLimits, read_body};
use crate::receive::cloudevents;
use crate::receive::door::{Append, Delivery, Door, Transport};
use crate::receive::fault::Fault;
use crate::receive::reply;
use crate::receive::server::{ReplyBody, full_reply};
use crate::record::{Compression, Encoding, RecordKind};

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";

/// Answers one request.
pub(crate) async fn serve<A, B>(door: Arc<Door<A>>, request: Request<B>) -> Response<ReplyBody>
where
    A: Append,
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let kind = kind_of(request.uri().path());
    // Who speaks protobuf gets protobuf, everybody else can read JSON.
    let media_type = media_type(request.headers());
    let encoding = if media_type == PROTOBUF { Encoding::OtlpProto } else { Encoding::OtlpJson };
    let taken = match kind {
        None => Err(Fault::NotFound(request.uri().path().to_owned())),
        Some(_) if request.method() != Method::POST => Err(Fault::Method { allowed: "POST" }),
        Some(kind @ (RecordKind::Change | RecordKind::Outcome)) => {
            take_event(&door, kind, &media_type, request).await.map(|()| Taken::event())
        }
        Some(kind) => take_otlp(&door, kind, &media_type, request).await,
    };
    match taken {
        Ok(Taken { status, body, outcome }) => {
            door.count(kind, Transport::Http, outcome);
            respond(status, encoding, body)
        }
        Err(fault) => {
            door.count(kind, Transport::Http, fault.answer().outcome);
            refusal(&fault, encoding)
        }
    }
}

/// What is said about a request that was taken.
struct Taken {
    status: StatusCode,
    body: Bytes,
    outcome: &'static str,
}

impl Taken {
    fn event() -> Self {
        Self { status: StatusCode::ACCEPTED, body: Bytes::from_static(b"{}"), outcome: "accepted" }
    }
}

/// What a path takes.
fn kind_of(path: &str) -> Option<RecordKind> {
    match path {
        "/v1/metrics" => Some(RecordKind::Metrics),
        "/v1/logs" => Some(RecordKind::Logs),
        "/v1/traces" => Some(RecordKind::Spans),
        "/v1/changes" => Some(RecordKind::Change),
        "/v1/outcomes" => Some(RecordKind::Outcome),
        _ => None,
    }
}

async fn take_otlp<A, B>(
    door: &Arc<Door<A>>,
    kind: RecordKind,
    media_type: &str,
    request: Request<B>,
) -> Result<Taken, Fault>
where
    A: Append,
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let encoding = match media_type {
        PROTOBUF => Encoding::OtlpProto,
        JSON => Encoding::OtlpJson,
        other => {
            let allowed = "application/x-protobuf or application/json";
            return Err(Fault::MediaType { got: other.to_owned(), allowed });
        }
    };
    let compression = compression_of(request.headers())?;
    let (parts, body) = request.into_parts();
    let limits = door.otlp_limits(0);
    check_length(&parts.headers, limits)?;
    let mut charge = door.charge();
    let body = read_body(body, limits, &mut charge).await?;
    let found =
        door.take_otlp(Delivery { kind, transport: Transport::Http, encoding, compression, body }).await?;
    let outcome = if found.rejected > 0 { "partial" } else { "accepted" };
    Ok(Taken { status: StatusCode::OK, body: reply::success(kind, encoding, &found), outcome })
}

async fn take_event<A, B>(
    door: &Arc<Door<A>>,
    kind: RecordKind,
    media_type: &str,
    request: Request<B>,
) -> Result<(), Fault>
where
    A: Append,
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    if compression_of(request.headers())? != Compression::None {
        return Err(Fault::Packing { got: "a packed body".to_owned(), allowed: "identity" });
    }
    let (parts, body) = request.into_parts();
    let limits = door.event_limits();
    check_length(&parts.headers, limits)?;
    let mut charge = door.charge();
    let body = read_body(body, limits, &mut charge).await?;
    let document = cloudevents::document(media_type, &parts.headers, body)?;
    door.take_event(kind, document).await
}

/// Refuses what says of itself that it is too large, before a byte of it is read.
fn check_length(headers: &HeaderMap, limits: BodyLimits) -> Result<(), Fault> {
    let said =
        headers.get(CONTENT_LENGTH).and_then(|it| it.to_str().ok()).and_then(|it| it.parse::<usize>().ok());
    if said.is_some_and(|len| len > limits.bytes) {
        Err(Fault::TooLarge { limit: limits.bytes })
    } else {
        Ok(())
    }
}

/// The content type without parameters, in lower case.
fn media_type(headers: &HeaderMap) -> String {
    let whole = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    whole.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn compression_of(headers: &HeaderMap) -> Result<Compression, Fault> {
    let Some(value) = headers.get(CONTENT_ENCODING) else { return Ok(Compression::None) };
    match value.to_str().unwrap_or("?").trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(Compression::None),
        "gzip" | "x-gzip" => Ok(Compression::Gzip),
        "zstd" => Ok(Compression::Zstd),
        other => Err(Fault::Packing { got: other.to_owned(), allowed: "gzip, zstd or identity" }),
    }
}

fn respond(status: StatusCode, encoding: Encoding, body: Bytes) -> Response<ReplyBody> {
    let media_type = if encoding == Encoding::OtlpProto { PROTOBUF } else { JSON };
    let mut response = full_reply(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

fn refusal(fault: &Fault, encoding: Encoding) -> Response<ReplyBody> {
    let answer = fault.answer();
    let proto = encoding == Encoding::OtlpProto;
    let body = if proto { reply::status_proto(fault) } else { reply::status_json(fault) };
    let status = StatusCode::from_u16(answer.http).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut response = respond(status, encoding, body);
    let headers = response.headers_mut();
    if let Some(pause) = answer.pause {
        headers.insert(RETRY_AFTER, HeaderValue::from(pause.as_secs()));
    }
    match fault {
        Fault::Method { allowed } => {
            headers.insert(ALLOW, HeaderValue::from_static(allowed));
        }
        Fault::Packing { .. } => {
            headers.insert(
                HeaderName::from_static("accept-encoding"),
                HeaderValue::from_static("gzip, zstd, identity"),
            );
        }
        _ => {}
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: content types and encodings as clients write them. Guarantees: case, blanks and parameters do not
    /// matter; what is not understood is refused.
    #[test]
    fn headers_are_read_as_clients_write_them() {
        let headers =
            |name: HeaderName, value: &'static str| HeaderMap::from_iter([(name, value.parse().unwrap())]);
        assert_eq!(media_type(&headers(CONTENT_TYPE, "Application/JSON ; charset=utf-8")), JSON);
        assert_eq!(media_type(&HeaderMap::new()), "");
        for (value, expected) in [
            ("gzip", Some(Compression::Gzip)),
            ("GZIP", Some(Compression::Gzip)),
            ("zstd", Some(Compression::Zstd)),
            ("identity", Some(Compression::None)),
            ("", Some(Compression::None)),
            ("br", None),
            ("gzip, gzip", None),
        ] {
            assert_eq!(compression_of(&headers(CONTENT_ENCODING, value)).ok(), expected, "{value:?}");
        }
    }
}
