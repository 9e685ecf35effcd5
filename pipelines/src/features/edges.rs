//! Calls between services: client spans joined with the server spans whose parents they are.
//!
//! Per edge and window sums and counts are kept, because they add up along a call tree where percentiles do not.
//! Promises: a client span counts once, joined or not; which server spans a window sees depends on event time only
//! (those that ended before the window closed). What it does not do: guess calls from logs or metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::record::UnixNanos;
use serde::{Deserialize, Serialize};

use super::counts::{Count, FeatureCounts};
use super::identity::Who;
use super::keyed::Keyed;
use super::meaning::OTHER;
use super::params::{FeatureParams, nanos_of, second_of};
use super::row::{Arm, EdgeRow, ServiceKey};

/// Digest of tenant and trace id, and the client's span id.
pub(crate) type SpanKey = (u128, [u8; 8]);

/// The caller's half.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ClientHalf {
    pub(crate) caller: Who,
    pub(crate) end_at: UnixNanos,
    pub(crate) duration_us: u64,
    pub(crate) n: u64,
    pub(crate) failed: bool,
    /// Who it says it called; empty if it does not.
    pub(crate) told_callee: Arc<str>,
    pub(crate) told_namespace: Arc<str>,
}

/// The callee's half.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ServerHalf {
    pub(crate) callee: Who,
    pub(crate) span_id: [u8; 8],
    pub(crate) end_at: UnixNanos,
    pub(crate) duration_us: u64,
}

type EdgeKey = (Who, ServiceKey, Option<Arm>);

#[derive(Debug, Clone, Copy, Default)]
struct EdgeSums {
    calls: u64,
    failures: u64,
    client_us_sum: u64,
    matched: u64,
    gap_us_sum: u64,
}

impl EdgeSums {
    fn add(&mut self, client: &ClientHalf, server: Option<&ServerHalf>) {
        let times = |us: u64| us.saturating_mul(client.n);
        self.calls = self.calls.saturating_add(client.n);
        self.failures = self.failures.saturating_add(if client.failed { client.n } else { 0 });
        self.client_us_sum = self.client_us_sum.saturating_add(times(client.duration_us));
        if let Some(server) = server {
            self.matched = self.matched.saturating_add(client.n);
            let gap = client.duration_us.saturating_sub(server.duration_us);
            self.gap_us_sum = self.gap_us_sum.saturating_add(times(gap));
        }
    }
}

/// Spans that wait for their other half.
///
/// # Invariants
/// At most `halves_max` client halves and as many server halves.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Edges {
    /// By first second of the window.
    clients: BTreeMap<i64, Keyed<SpanKey, ClientHalf>>,
    n_clients: usize,
    servers: Keyed<SpanKey, Vec<ServerHalf>>,
    n_servers: usize,
}

impl Edges {
    pub(crate) fn add_client(
        &mut self,
        key: SpanKey,
        half: ClientHalf,
        params: &FeatureParams,
        counts: &mut FeatureCounts,
    ) {
        if self.n_clients >= params.halves_max {
            counts.add(Count::HalvesOverflow, 1);
            return;
        }
        let second = second_of(half.end_at);
        let window = second - second.rem_euclid(params.window_secs);
        if self.clients.entry(window).or_default().insert(key, half).is_none() {
            self.n_clients += 1;
        }
    }

    pub(crate) fn add_server(
        &mut self,
        key: SpanKey,
        half: ServerHalf,
        params: &FeatureParams,
        counts: &mut FeatureCounts,
    ) {
        if self.n_servers >= params.halves_max {
            counts.add(Count::HalvesOverflow, 1);
            return;
        }
        self.servers.of(key, || Vec::with_capacity(1)).push(half);
        self.n_servers += 1;
    }

    /// The second whose closing closes the oldest window.
    pub(crate) fn due(&self, params: &FeatureParams) -> Option<i64> {
        let (window, _) = self.clients.first_key_value()?;
        Some(window + params.window_secs + params.join_grace_secs - 1)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.n_clients == 0 && self.n_servers == 0
    }

    /// Rows of the windows that `second` closes.
    pub(crate) fn close(
        &mut self,
        second: i64,
        params: &FeatureParams,
        counts: &mut FeatureCounts,
    ) -> Vec<EdgeRow> {
        let mut rows = Vec::new();
        while self.due(params).is_some_and(|due| due <= second) {
            let Some((window, clients)) = self.clients.pop_first() else { break };
            self.n_clients -= clients.len();
            let (start_at, end_at) = (nanos_of(window), nanos_of(window + params.window_secs));
            let joinable_before = nanos_of(window + params.window_secs + params.join_grace_secs);
            let sums = self.join(clients, joinable_before, counts);
            rows.extend(bounded(sums, params.callees_max, counts).into_iter().map(
                |((caller, callee, arm), sums)| EdgeRow {
                    caller: caller.subject,
                    callee,
                    callee_arm: arm,
                    start_at,
                    end_at,
                    calls: sums.calls,
                    failures: sums.failures,
                    client_us_sum: sums.client_us_sum,
                    matched: sums.matched,
                    gap_us_sum: sums.gap_us_sum,
                },
            ));
        }
        rows
    }

    fn join(
        &mut self,
        clients: Keyed<SpanKey, ClientHalf>,
        joinable_before: UnixNanos,
        counts: &mut FeatureCounts,
    ) -> BTreeMap<EdgeKey, EdgeSums> {
        let mut sums: BTreeMap<EdgeKey, EdgeSums> = BTreeMap::new();
        for (key, client) in clients.into_unsorted() {
            let answered = self.servers.get(&key).into_iter().flatten();
            let server = answered
                .filter(|half| half.end_at < joinable_before)
                .min_by_key(|half| (half.end_at, half.span_id));
            let edge = match server {
                Some(half) => {
                    let callee = &half.callee.subject;
                    (client.caller.clone(), callee.service.clone(), Some(callee.arm.clone()))
                }
                None => {
                    counts.add(Count::UnmatchedClients, 1);
                    (client.caller.clone(), told_callee(&client), None)
                }
            };
            // a client span that says nothing of whom it called, and that nobody answered, is no edge
            if !edge.1.service.is_empty() {
                sums.entry(edge).or_default().add(&client, server);
            }
        }
        sums
    }

    /// Forgets server halves that ended before.
    pub(crate) fn forget(&mut self, before: UnixNanos) {
        self.servers.retain(|_, halves| {
            halves.retain(|half| half.end_at >= before);
            !halves.is_empty()
        });
        self.n_servers = self.servers.values().map(Vec::len).sum();
    }
}

/// What the client span says, in the caller's own surroundings.
fn told_callee(client: &ClientHalf) -> ServiceKey {
    let caller = &client.caller.subject.service;
    let namespace = if client.told_namespace.is_empty() { &caller.namespace } else { &client.told_namespace };
    ServiceKey {
        namespace: Arc::clone(namespace),
        service: Arc::clone(&client.told_callee),
        ..caller.clone()
    }
}

/// Keeps the most called callees of each caller; the rest is `_other`.
fn bounded(
    sums: BTreeMap<EdgeKey, EdgeSums>,
    callees_max: usize,
    counts: &mut FeatureCounts,
) -> BTreeMap<EdgeKey, EdgeSums> {
    let mut by_caller: BTreeMap<Who, Vec<(EdgeKey, EdgeSums)>> = BTreeMap::new();
    for (key, sum) in sums {
        by_caller.entry(key.0.clone()).or_default().push((key, sum));
    }
    let mut kept: BTreeMap<EdgeKey, EdgeSums> = BTreeMap::new();
    for edges in by_caller.values_mut() {
        edges.sort_by(|(a, a_sum), (b, b_sum)| b_sum.calls.cmp(&a_sum.calls).then_with(|| a.cmp(b)));
        for (place, (key, sum)) in edges.drain(..).enumerate() {
            if place < callees_max {
                kept.insert(key, sum);
                continue;
            }
            counts.add(Count::CalleeOverflow, sum.calls);
            let (caller, callee, _) = key;
            let other = ServiceKey { namespace: "".into(), service: OTHER.into(), ..callee };
            let rest = kept.entry((caller, other, None)).or_default();
            rest.calls = rest.calls.saturating_add(sum.calls);
            rest.failures = rest.failures.saturating_add(sum.failures);
            rest.client_us_sum = rest.client_us_sum.saturating_add(sum.client_us_sum);
            rest.matched = rest.matched.saturating_add(sum.matched);
            rest.gap_us_sum = rest.gap_us_sum.saturating_add(sum.gap_us_sum);
        }
    }
    kept
}
