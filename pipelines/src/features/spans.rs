//! What one span says: a request served, a call made, or nothing that counts here.

use std::sync::Arc;

use engine::batch::{RawAttributes, RawValue, SpanKind, SpanRow, SpanStatus};

use super::meaning::is_server_fault;
use super::shared::Names;

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

/// What of a span's attributes counts, found in one walk over them: new names before old ones.
struct Told<'a> {
    http_status: [Option<RawValue<'a>>; 2],
    grpc_status: [Option<RawValue<'a>>; 2],
    route: Option<&'a str>,
    rpc_service: Option<&'a str>,
    rpc_method: Option<&'a str>,
    peer: Option<&'a str>,
    address: Option<&'a str>,
    system: Option<&'a str>,
}

impl<'a> Told<'a> {
    fn by(attributes: RawAttributes<'a>) -> Self {
        let [
            code,
            old_code,
            grpc,
            old_grpc,
            route,
            service,
            method,
            peer,
            address,
            old_address,
            db,
            old_db,
            mq,
        ] = attributes.pick([
            "http.response.status_code",
            "http.status_code",
            "rpc.response.status_code",
            "rpc.grpc.status_code",
            "http.route",
            "rpc.service",
            "rpc.method",
            "peer.service",
            "server.address",
            "net.peer.name",
            "db.system.name",
            "db.system",
            "messaging.system",
        ]);
        Self {
            http_status: [code, old_code],
            grpc_status: [grpc, old_grpc],
            route: first_text([route]),
            rpc_service: first_text([service]),
            rpc_method: first_text([method]),
            peer: first_text([peer]),
            address: first_text([address, old_address]),
            system: first_text([db, old_db, mq]),
        }
    }
}

/// The first that is a text and not empty.
pub(crate) fn first_text<'a, const N: usize>(values: [Option<RawValue<'a>>; N]) -> Option<&'a str> {
    values.into_iter().flatten().filter_map(RawValue::text).find(|text| !text.is_empty())
}

fn first_int<const N: usize>(values: [Option<RawValue<'_>>; N]) -> Option<i64> {
    values.into_iter().flatten().find_map(RawValue::int)
}

/// Reads a span; `None` for the kinds that are no side of a call.
pub(crate) fn counted(row: &SpanRow<'_>, names: &mut Names) -> Option<CountedSpan> {
    let told = match row.kind {
        SpanKind::Unspecified | SpanKind::Internal | SpanKind::Producer => return None,
        SpanKind::Server | SpanKind::Consumer | SpanKind::Client => Told::by(row.attributes),
    };
    let side = if row.kind == SpanKind::Client {
        let (callee, namespace) = callee_of(&told);
        Side::Client { callee: names.shared(callee), namespace: names.shared(namespace) }
    } else {
        Side::Server { operation: operation_of(row, &told, names) }
    };
    let duration_us = u64::try_from(row.end_at.saturating_sub(row.start_at)).unwrap_or(0) / 1_000;
    Some(CountedSpan { side, duration_us, is_error: has_failed(row, &told), n: stands_for(row) })
}

fn has_failed(row: &SpanRow<'_>, told: &Told<'_>) -> bool {
    if row.status == SpanStatus::Error || first_int(told.http_status).is_some_and(|code| code >= 500) {
        return true;
    }
    match first_text(told.grpc_status) {
        Some(name) => is_server_fault(name),
        None => first_int(told.grpc_status).is_some_and(|code| is_server_fault(&code.to_string())),
    }
}

fn operation_of(row: &SpanRow<'_>, told: &Told<'_>, names: &mut Names) -> Arc<str> {
    match (told.route, told.rpc_service, told.rpc_method) {
        (Some(route), ..) => names.shared(route),
        (_, Some(service), Some(method)) => names.shared(&format!("{service}/{method}")),
        (_, _, Some(method)) => names.shared(method),
        _ => names.shared(row.name),
    }
}

/// Service and namespace, as far as the span tells them.
fn callee_of<'a>(told: &Told<'a>) -> (&'a str, &'a str) {
    if let Some(peer) = told.peer {
        return (peer, "");
    }
    if let Some(address) = told.address {
        return cluster_name(address);
    }
    (told.system.or(told.rpc_service).unwrap_or_default(), "")
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
