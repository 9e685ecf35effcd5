//! The calls between services.

use std::collections::{BTreeMap, BTreeSet};

use engine::record::{NANOS_PER_SEC, UnixNanos};
use serde::{Deserialize, Serialize};

use crate::features::{EdgeRow, ServiceKey};

/// An edge that was not called for so long is forgotten.
const EXPIRY: UnixNanos = 3_600 * NANOS_PER_SEC;
/// Edges known at a time.
const EDGES_MAX: usize = 50_000;

/// Caller to callee, with the time of the last call.
///
/// # Invariants
/// `callers` is the mirror of `callees`; at most `edges_max` edges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallGraph {
    callees: BTreeMap<ServiceKey, BTreeMap<ServiceKey, UnixNanos>>,
    callers: BTreeMap<ServiceKey, BTreeSet<ServiceKey>>,
    n_edges: usize,
    edges_max: usize,
    refused: u64,
}

impl Default for CallGraph {
    fn default() -> Self {
        Self::new(EDGES_MAX)
    }
}

impl CallGraph {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(edges_max: usize) -> Self {
        Self { callees: BTreeMap::new(), callers: BTreeMap::new(), n_edges: 0, edges_max, refused: 0 }
    }

    /// Learns from edge rows, and forgets what was not called for an hour before `upto`.
    pub fn observe(&mut self, edges: &[EdgeRow], upto: UnixNanos) {
        for edge in edges {
            self.see(&edge.caller.service, &edge.callee, edge.end_at);
        }
        self.forget(upto.saturating_sub(EXPIRY));
    }

    fn see(&mut self, caller: &ServiceKey, callee: &ServiceKey, at: UnixNanos) {
        if let Some(last) = self.callees.get_mut(caller).and_then(|callees| callees.get_mut(callee)) {
            *last = at.max(*last);
            return;
        }
        if self.n_edges >= self.edges_max {
            self.refused = self.refused.saturating_add(1);
            return;
        }
        self.n_edges += 1;
        self.callees.entry(caller.clone()).or_default().insert(callee.clone(), at);
        self.callers.entry(callee.clone()).or_default().insert(caller.clone());
    }

    fn forget(&mut self, before: UnixNanos) {
        let mut gone = Vec::new();
        for (caller, callees) in &mut self.callees {
            callees.retain(|callee, last| {
                let stays = *last >= before;
                if !stays {
                    gone.push((caller.clone(), callee.clone()));
                }
                stays
            });
        }
        self.n_edges -= gone.len();
        for (caller, callee) in gone {
            if let Some(callers) = self.callers.get_mut(&callee) {
                callers.remove(&caller);
            }
        }
        self.callees.retain(|_, callees| !callees.is_empty());
        self.callers.retain(|_, callers| !callers.is_empty());
    }

    /// Who the service calls, in the order of the keys.
    #[must_use]
    pub fn callees(&self, service: &ServiceKey) -> Vec<ServiceKey> {
        self.callees.get(service).map(|callees| callees.keys().cloned().collect()).unwrap_or_default()
    }

    /// Who calls the service, in the order of the keys.
    #[must_use]
    pub fn callers(&self, service: &ServiceKey) -> Vec<ServiceKey> {
        self.callers.get(service).map(|callers| callers.iter().cloned().collect()).unwrap_or_default()
    }

    /// How many edges are known.
    #[must_use]
    pub fn n_edges(&self) -> usize {
        self.n_edges
    }

    /// Calls whose edge found no room.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::features::{Arm, Pod, Subject};

    fn edge(caller: &str, callee: &str, end_at: UnixNanos) -> EdgeRow {
        let none: Arc<str> = "".into();
        let arm =
            Arm { version: Arc::clone(&none), template_hash: Arc::clone(&none), revision: Arc::clone(&none) };
        let pod = Pod { id: Arc::clone(&none), name: Arc::clone(&none), node: none };
        EdgeRow {
            caller: Arc::new(Subject { service: ServiceKey::named(caller), arm, pod }),
            callee: ServiceKey::named(callee),
            callee_arm: None,
            start_at: end_at - 1,
            end_at,
            calls: 1,
            failures: 0,
            client_us_sum: 0,
            matched: 0,
            gap_us_sum: 0,
        }
    }

    /// Scenario: a chain with a side branch. Guarantees: callees and callers of each.
    #[test]
    fn neighbours_are_found_in_both_directions() {
        let mut graph = CallGraph::default();
        graph.observe(&[edge("web", "cart", 5), edge("cart", "db", 5), edge("stock", "db", 5)], 5);
        assert_eq!(graph.callees(&ServiceKey::named("cart")), [ServiceKey::named("db")]);
        assert_eq!(
            graph.callers(&ServiceKey::named("db")),
            [ServiceKey::named("cart"), ServiceKey::named("stock")]
        );
    }

    /// Scenario: an edge that is not called any more, and more edges than there is room for. Guarantees: it is
    /// forgotten in both directions, makes room, and what found none is counted.
    #[test]
    fn edges_expire_and_are_bounded() {
        let mut graph = CallGraph::new(1);
        graph.observe(&[edge("web", "cart", 5), edge("web", "stock", 6)], 6);
        assert_eq!((graph.n_edges(), graph.refused()), (1, 1));
        graph.observe(&[], 6 + EXPIRY);
        assert_eq!((graph.n_edges(), graph.callers(&ServiceKey::named("cart")).len()), (0, 0));
        graph.observe(&[edge("web", "stock", 7 + EXPIRY)], 7 + EXPIRY);
        assert_eq!(graph.callees(&ServiceKey::named("web")), [ServiceKey::named("stock")]);
    }
}
