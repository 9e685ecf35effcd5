//! One OTLP/gRPC call with a message that is encoded already.
//!
//! Promises: which answers ask for patience follows the OTLP specification. It does not retry by itself.

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use super::Attempt;
use crate::telemetry::SignalKind;

/// A connection that is opened when it is first used, and again when it broke.
pub(super) fn channel(engine: std::net::SocketAddr) -> Option<Channel> {
    Endpoint::from_shared(format!("http://{engine}")).ok().map(|endpoint| endpoint.connect_lazy())
}

/// Sends one message.
pub(super) async fn call(channel: Channel, kind: SignalKind, message: Bytes) -> Attempt {
    let mut grpc = Grpc::new(channel);
    if grpc.ready().await.is_err() {
        return Attempt::Later(None);
    }
    let path = PathAndQuery::from_static(method(kind));
    match grpc.unary(Request::new(message), path, Encoded).await {
        Ok(_) => Attempt::Accepted,
        Err(status) => judge(&status),
    }
}

const fn method(kind: SignalKind) -> &'static str {
    match kind {
        SignalKind::Traces => "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        SignalKind::Logs => "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        SignalKind::Metrics => "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
    }
}

fn judge(status: &Status) -> Attempt {
    let is_patience = match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => true,
        // Only with RetryInfo; without it the request is too large for ever.
        Code::ResourceExhausted => !status.details().is_empty(),
        _ => false,
    };
    if is_patience { Attempt::Later(None) } else { Attempt::Refused }
}

/// Messages are bytes on this side: the telemetry encoded them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoded;

impl Codec for Encoded {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Encoded {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Encoded {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: every status code.
    /// Guarantees: exactly those that the OTLP specification names ask for patience.
    #[test]
    fn patience_follows_the_specification() {
        let patient: Vec<Code> = (1..=16)
            .map(Code::from_i32)
            .filter(|code| judge(&Status::new(*code, "")) != Attempt::Refused)
            .collect();
        let expected = [
            Code::Cancelled,
            Code::DeadlineExceeded,
            Code::Aborted,
            Code::OutOfRange,
            Code::Unavailable,
            Code::DataLoss,
        ];
        assert_eq!(patient.len(), expected.len());
        assert!(expected.iter().all(|code| patient.contains(code)));
        let with_info = Status::with_details(Code::ResourceExhausted, "", Bytes::from_static(b"x"));
        assert_eq!(judge(&with_info), Attempt::Later(None));
    }
}
