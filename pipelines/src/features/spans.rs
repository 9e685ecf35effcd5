//! What one span says: a request served, a call made, or nothing that counts here.

use std::sync::Arc;

use engine::batch::{SpanKind, SpanRow, SpanStatus};

use super::meaning::is_server_fault;
use super::raw::{RawValue, pick};

/// The most spans that one span may stand for.
const WEIGHT_MAX: f64 = 1_000_000.0;

/// A span that counts.
#[derive(Debug, Clone)]
pub(crate) struct CountedSpan {
    pub(crate) side: Side,
    pub(crate) duration_us: u64,
    pub(crate) is_error: bool,
    /// How many spans it stands for.
    pub(crate) n: u64,
}

/// Which side of a call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Side {
    /// Served, by operation.
    Server { operation: Arc<str> },
    /// Called, by what the span says of the callee.
    Client { callee: Arc<str>, namespace: Arc<str> },
}

/// Reads a span; `None` for the kinds that are no side of a call.
pub(crate) fn counted(row: &SpanRow<'_>) -> Option<CountedSpan> {
    let (side, code, grpc) = match row.kind {
        SpanKind::Server | SpanKind::Consumer => server_side(row),
        SpanKind::Client => client_side(row),
        SpanKind::Unspecified | SpanKind::Internal | SpanKind::Producer => return None,
    };
    let failed_code = code.and_then(RawValue::as_int).is_some_and(|code| code >= 500);
    let failed_grpc = match grpc {
        Some(RawValue::Text(name)) => is_server_fault(name),
        Some(RawValue::Int(number)) => is_server_fault(&number.to_string()),
        None => false,
    };
    let duration_us = u64::try_from(row.end_at.saturating_sub(row.start_at)).unwrap_or(0) / 1_000;
    Some(CountedSpan {
        side,
        duration_us,
        is_error: row.status == SpanStatus::Error || failed_code || failed_grpc,
        n: stands_for(row),
    })
}

fn server_side<'a>(row: &SpanRow<'a>) -> (Side, Option<RawValue<'a>>, Option<RawValue<'a>>) {
    let keys = [
        "http.route",
        "rpc.service",
        "rpc.method",
        "http.response.status_code",
        "http.status_code",
        "rpc.response.status_code",
        "rpc.grpc.status_code",
    ];
    let [route, service, method, code, old_code, grpc, old_grpc] = pick(row.attributes, &keys);
    let text = |value: Option<RawValue<'a>>| value.and_then(RawValue::as_text);
    let operation = match (text(route), text(service), text(method)) {
        (Some(route), ..) => route.into(),
        (_, Some(service), Some(method)) => format!("{service}/{method}").into(),
        (_, _, Some(method)) => method.into(),
        _ => row.name.into(),
    };
    (Side::Server { operation }, code.or(old_code), grpc.or(old_grpc))
}

fn client_side<'a>(row: &SpanRow<'a>) -> (Side, Option<RawValue<'a>>, Option<RawValue<'a>>) {
    let keys = [
        "peer.service",
        "server.address",
        "net.peer.name",
        "db.system.name",
        "db.system",
        "messaging.system",
        "rpc.service",
        "http.response.status_code",
        "http.status_code",
        "rpc.response.status_code",
        "rpc.grpc.status_code",
    ];
    let [peer, address, old_address, db, old_db, messaging, rpc, code, old_code, grpc, old_grpc] =
        pick(row.attributes, &keys);
    let text = |value: Option<RawValue<'a>>| value.and_then(RawValue::as_text);
    let (callee, namespace) = match (text(peer), text(address).or(text(old_address))) {
        (Some(peer), _) => (peer, ""),
        (None, Some(address)) => cluster_name(address),
        (None, None) => {
            let named = [db, old_db, messaging, rpc].into_iter().find_map(text);
            (named.unwrap_or_default(), "")
        }
    };
    let side = Side::Client { callee: callee.into(), namespace: namespace.into() };
    (side, code.or(old_code), grpc.or(old_grpc))
}

/// `cart.shop.svc.cluster.local` is the service `cart` in the namespace `shop`; any other address is its own name.
fn cluster_name(address: &str) -> (&str, &str) {
    let mut parts = address.split('.');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(service), Some(namespace), Some("svc")) => (service, namespace),
        _ => (address, ""),
    }
}

/// Its sampling weight as a whole number: the fraction is decided by the trace id, so that sums are right on average
/// and every span of a trace, wherever it is counted, stands for the same number.
fn stands_for(row: &SpanRow<'_>) -> u64 {
    let weight = row.sampling_weight;
    if !weight.is_finite() || weight <= 1.0 {
        return 1;
    }
    let weight = weight.min(WEIGHT_MAX);
    let whole = libm::floor(weight);
    let chance = xxhash_rust::xxh3::xxh3_64(&row.trace_id) as f64 / u64::MAX as f64;
    whole as u64 + u64::from(chance < weight - whole)
}
