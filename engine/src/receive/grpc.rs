//! OTLP/gRPC: three unary calls, read and answered without a message struct.
//!
//! The five bytes of framing are taken off here and not by a codec, because a codec hands out bodies unpacked, and
//! what is stored is what was received. What this module does not do: open sockets.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use tonic::Status;

use crate::receive::budget::read_body;
use crate::receive::door::{Append, Delivery, Door, Transport};
use crate::receive::fault::Fault;
use crate::receive::reply;
use crate::receive::server::{ReplyBody, full};
use crate::record::{Compression, Encoding, RecordKind};

/// Flag and length in front of a message.
const PREFIX_LEN: usize = 5;
const ALLOWED: &str = "identity,gzip,zstd";

/// Answers one call.
pub(crate) async fn serve<A, B>(door: Arc<Door<A>>, request: Request<B>) -> Response<ReplyBody>
where
    A: Append,
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let kind = kind_of(request.uri().path());
    match take(&door, kind, request).await {
        Ok((reply, outcome)) => {
            door.count(kind, Transport::Grpc, outcome);
            success(reply)
        }
        Err(fault) => {
            door.count(kind, Transport::Grpc, fault.answer().outcome);
            refusal(&fault)
        }
    }
}

/// Which signal a path exports.
fn kind_of(path: &str) -> Option<RecordKind> {
    match path {
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export" => Some(RecordKind::Metrics),
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export" => Some(RecordKind::Logs),
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export" => Some(RecordKind::Spans),
        _ => None,
    }
}

async fn take<A, B>(
    door: &Arc<Door<A>>,
    kind: Option<RecordKind>,
    request: Request<B>,
) -> Result<(Bytes, &'static str), Fault>
where
    A: Append,
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::fmt::Display,
{
    let kind = kind.ok_or_else(|| Fault::NotFound(request.uri().path().to_owned()))?;
    let (parts, body) = request.into_parts();
    if parts.method != Method::POST {
        return Err(Fault::Method { allowed: "POST" });
    }
    let compression = compression_of(&parts.headers)?;
    let limits = door.otlp_limits(PREFIX_LEN);
    let mut charge = door.charge();
    let whole = read_body(body, limits, &mut charge).await?;
    let (packed, body) = unframe(whole, limits.bytes)?;
    let compression = if packed { compression } else { Compression::None };
    let delivery =
        Delivery { kind, transport: Transport::Grpc, encoding: Encoding::OtlpProto, compression, body };
    let found = door.take_otlp(delivery).await?;
    let outcome = if found.rejected > 0 { "partial" } else { "accepted" };
    Ok((reply::success(kind, Encoding::OtlpProto, &found), outcome))
}

/// How packed messages of this call are packed.
fn compression_of(headers: &HeaderMap) -> Result<Compression, Fault> {
    match headers.get("grpc-encoding").map(HeaderValue::as_bytes) {
        None | Some(b"identity") => Ok(Compression::None),
        Some(b"gzip") => Ok(Compression::Gzip),
        Some(b"zstd") => Ok(Compression::Zstd),
        Some(other) => {
            Err(Fault::Packing { got: String::from_utf8_lossy(other).into_owned(), allowed: ALLOWED })
        }
    }
}

/// Takes off the framing of the one message of a unary call: whether it is packed, and the message.
fn unframe(bytes: Bytes, limit: usize) -> Result<(bool, Bytes), Fault> {
    let Some(&[flag, a, b, c, d]) = bytes.first_chunk::<PREFIX_LEN>() else {
        return Err(Fault::Undecodable(format!("a call of {} bytes holds no message", bytes.len())));
    };
    let len = u32::from_be_bytes([a, b, c, d]) as usize;
    if len > limit {
        return Err(Fault::TooLarge { limit });
    }
    let message = bytes.slice(PREFIX_LEN..);
    if flag > 1 || message.len() != len {
        return Err(Fault::Undecodable(format!(
            "the message should have {len} bytes and flag 0 or 1, it has {} bytes and flag {flag}",
            message.len()
        )));
    }
    Ok((flag == 1, message))
}

fn success(reply: Bytes) -> Response<ReplyBody> {
    let mut framed = BytesMut::with_capacity(PREFIX_LEN + reply.len());
    framed.put_u8(0);
    framed.put_u32(u32::try_from(reply.len()).unwrap_or(u32::MAX));
    framed.extend_from_slice(&reply);
    let mut trailers = HeaderMap::new();
    trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static("0"));
    let body = full(framed.freeze()).with_trailers(async move { Some(Ok(trailers)) });
    let mut response = Response::new(body.boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

fn refusal(fault: &Fault) -> Response<ReplyBody> {
    let answer = fault.answer();
    let status = Status::with_details(answer.grpc, fault.text(), reply::status_proto(fault));
    let mut response = status.into_http();
    if matches!(fault, Fault::Packing { .. }) {
        response.headers_mut().insert("grpc-accept-encoding", HeaderValue::from_static(ALLOWED));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: whole, short, long and oversized frames. Guarantees: only a whole one passes, and one that is too
    /// large is called so whatever follows.
    #[test]
    fn framing_is_checked() {
        let unframe = |bytes: &[u8]| unframe(Bytes::copy_from_slice(bytes), 4);
        assert_eq!(unframe(&[0, 0, 0, 0, 0]), Ok((false, Bytes::new())));
        assert_eq!(unframe(&[1, 0, 0, 0, 2, 7, 8]), Ok((true, Bytes::from_static(&[7, 8]))));
        assert_eq!(unframe(&[0, 0, 0, 0, 5]), Err(Fault::TooLarge { limit: 4 }));
        for bad in [&[][..], &[0, 0, 0, 0], &[0, 0, 0, 0, 2, 7], &[0, 0, 0, 0, 1, 7, 8], &[2, 0, 0, 0, 1, 7]]
        {
            assert!(matches!(unframe(bad), Err(Fault::Undecodable(_))), "{bad:?}");
        }
    }
}
