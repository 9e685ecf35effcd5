//! Whether a node is healthy: its other pods speak for it. A single canary pod on a sick node must not stop a rollout.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use engine::record::{NANOS_PER_SEC, UnixNanos};
use serde::{Deserialize, Serialize};

const SLOT: UnixNanos = 10 * NANOS_PER_SEC;
const N_SLOTS: usize = 6;
const NODES_MAX: usize = 10_000;
/// Requests of other pods below which a node cannot be called clean.
const REQUESTS_MIN: f64 = 20.0;

/// Requests of control pods on a node: how many, how many bad, how many bad were expected.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct NodeTally {
    /// Requests.
    pub(crate) requests: f64,
    /// Bad ones.
    pub(crate) observed: f64,
    /// Bad ones that the services' own rates lead to expect.
    pub(crate) expected: f64,
}

/// What the other pods on a node say of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum NodeCondition {
    /// They served enough lately, and as they should.
    Clean,
    /// Too little is known of them.
    Unknown,
    /// They served conspicuously badly.
    Sick,
}

/// Tallies of the last minute by node, from control pods of every service.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Nodes {
    by_node: BTreeMap<Arc<str>, VecDeque<(UnixNanos, NodeTally)>>,
}

impl Nodes {
    /// Adds what control pods on `node` showed in a tick that ended at `at`.
    pub(crate) fn add(&mut self, node: &Arc<str>, at: UnixNanos, tally: NodeTally) {
        if node.is_empty() || (self.by_node.len() >= NODES_MAX && !self.by_node.contains_key(node)) {
            return;
        }
        let slots = self.by_node.entry(Arc::clone(node)).or_default();
        let slot_at = at - at.rem_euclid(SLOT);
        if slots.back().is_none_or(|(start, _)| *start < slot_at) {
            slots.push_back((slot_at, NodeTally::default()));
            if slots.len() > N_SLOTS {
                slots.pop_front();
            }
        }
        if let Some((_, sum)) = slots.back_mut() {
            sum.requests += tally.requests;
            sum.observed += tally.observed;
            sum.expected += tally.expected;
        }
    }

    /// What other pods on the node showed of late.
    pub(crate) fn condition(&self, node: &Arc<str>, now: UnixNanos) -> NodeCondition {
        let Some(slots) = self.by_node.get(node) else { return NodeCondition::Unknown };
        let mut sum = NodeTally::default();
        for (_, tally) in slots.iter().filter(|(start, _)| *start + (N_SLOTS as i64 + 1) * SLOT >= now) {
            sum.requests += tally.requests;
            sum.observed += tally.observed;
            sum.expected += tally.expected;
        }
        let slack = 3.0 * libm::sqrt(sum.expected.max(1.0));
        if sum.requests < REQUESTS_MIN {
            NodeCondition::Unknown
        } else if sum.observed <= 2.0 * sum.expected + slack {
            NodeCondition::Clean
        } else {
            NodeCondition::Sick
        }
    }

    /// Forgets nodes without requests.
    pub(crate) fn expire(&mut self, now: UnixNanos) {
        self.by_node
            .retain(|_, slots| slots.back().is_some_and(|(start, _)| start + 300 * NANOS_PER_SEC >= now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: one node serves as expected, one ten times worse. Guarantees: the first is clean, the second sick, and
    /// nothing is known of either once its tallies are old.
    #[test]
    fn a_node_is_clean_only_while_its_other_pods_are() {
        let (good, bad): (Arc<str>, Arc<str>) = ("good".into(), "bad".into());
        let mut nodes = Nodes::default();
        for sec in 0..60 {
            let at = sec * NANOS_PER_SEC;
            nodes.add(&good, at, NodeTally { requests: 10.0, observed: 0.1, expected: 0.1 });
            nodes.add(&bad, at, NodeTally { requests: 10.0, observed: 1.0, expected: 0.1 });
        }
        let now = 60 * NANOS_PER_SEC;
        assert_eq!(nodes.condition(&good, now), NodeCondition::Clean);
        assert_eq!(nodes.condition(&bad, now), NodeCondition::Sick);
        assert_eq!(nodes.condition(&good, now + 600 * NANOS_PER_SEC), NodeCondition::Unknown);
        assert_eq!(nodes.condition(&"unknown".into(), now), NodeCondition::Unknown);
    }
}
