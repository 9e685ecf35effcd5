//! What one span says: a request served, a call made, or nothing that counts here.

use std::sync::Arc;

use engine::batch::{RawAttributes, SpanKind, SpanRow, SpanStatus};

use super::meaning::is_server_fault;

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
    let side = match row.kind {
        SpanKind::Server | SpanKind::Consumer => Side::Server { operation: operation_of(row) },
        SpanKind::Client => {
            let (callee, namespace) = callee_of(row.attributes);
            Side::Client { callee: callee.into(), namespace: namespace.into() }
        }
        SpanKind::Unspecified | SpanKind::Internal | SpanKind::Producer => return None,
    };
    let duration_us = u64::try_from(row.end_at.saturating_sub(row.start_at)).unwrap_or(0) / 1_000;
    Some(CountedSpan { side, duration_us, is_error: has_failed(row), n: stands_for(row) })
}

fn has_failed(row: &SpanRow<'_>) -> bool {
    if row.status == SpanStatus::Error {
        return true;
    }
    let int_of = |keys: [&str; 2]| keys.into_iter().find_map(|key| row.attributes.int(key));
    if int_of(["http.response.status_code", "http.status_code"]).is_some_and(|code| code >= 500) {
        return true;
    }
    let grpc = ["rpc.response.status_code", "rpc.grpc.status_code"];
    match text_of(row.attributes, &grpc) {
        Some(name) => is_server_fault(name),
        None => int_of(grpc).is_some_and(|code| is_server_fault(&code.to_string())),
    }
}

/// The first of the keys that is a text and not empty.
fn text_of<'a>(attributes: RawAttributes<'a>, keys: &[&str]) -> Option<&'a str> {
    keys.iter().filter_map(|key| attributes.text(key)).find(|text| !text.is_empty())
}

fn operation_of(row: &SpanRow<'_>) -> Arc<str> {
    let text = |key| text_of(row.attributes, &[key]);
    match (text("http.route"), text("rpc.service"), text("rpc.method")) {
        (Some(route), ..) => route.into(),
        (_, Some(service), Some(method)) => format!("{service}/{method}").into(),
        (_, _, Some(method)) => method.into(),
        _ => row.name.into(),
    }
}

/// Service and namespace, as far as the span tells them.
fn callee_of(attributes: RawAttributes<'_>) -> (&str, &str) {
    if let Some(peer) = text_of(attributes, &["peer.service"]) {
        return (peer, "");
    }
    if let Some(address) = text_of(attributes, &["server.address", "net.peer.name"]) {
        return cluster_name(address);
    }
    let named = ["db.system.name", "db.system", "messaging.system", "rpc.service"];
    (text_of(attributes, &named).unwrap_or_default(), "")
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
