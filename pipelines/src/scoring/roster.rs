//! Who serves: the pods and arms of one service, as the telemetry shows them.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::record::{NANOS_PER_SEC, UnixNanos};
use serde::{Deserialize, Serialize};

use crate::features::{Arm, PresenceRow, ResourceRow, ResourceSignal, Subject};

/// A pod is gone after so many export intervals without a sign of life, within the bounds below.
const GONE_INTERVALS: i64 = 3;
const GONE_MIN: UnixNanos = 15 * NANOS_PER_SEC;
const GONE_MAX: UnixNanos = 180 * NANOS_PER_SEC;
/// A pod that says nothing for so long is forgotten.
const FORGET: UnixNanos = 300 * NANOS_PER_SEC;
/// Pods kept per service.
const PODS_MAX: usize = 2_000;

/// What is known of one pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PodRecord {
    /// Number of the pod, stable while it is known.
    pub(crate) idx: u32,
    /// Its arm.
    pub(crate) arm: Arm,
    /// Its node; empty if not told.
    pub(crate) node: Arc<str>,
    /// First sign of life.
    pub(crate) first_at: UnixNanos,
    /// Newest sign of life.
    pub(crate) last_at: UnixNanos,
    /// Newest request served.
    pub(crate) last_request_at: Option<UnixNanos>,
    /// Container restarts as reported.
    pub(crate) restarts: f64,
    /// Learned time between two of its exports; 0 while unknown.
    pub(crate) export_interval: UnixNanos,
}

impl PodRecord {
    /// Whether it has served within `span`, or within three of its exports if that is longer.
    pub(crate) fn served_lately(&self, span: UnixNanos, now: UnixNanos) -> bool {
        let span = span.max((GONE_INTERVALS * self.export_interval).min(GONE_MAX));
        self.last_request_at.is_some_and(|at| at.saturating_add(span) >= now)
    }

    fn is_alive(&self, now: UnixNanos) -> bool {
        let silence = (GONE_INTERVALS * self.export_interval).clamp(GONE_MIN, GONE_MAX);
        self.last_at.saturating_add(silence) >= now
    }
}

/// The pods of a service by id.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Roster {
    pods: BTreeMap<Arc<str>, PodRecord>,
    next_idx: u32,
    /// Pods that found no room.
    pub(crate) refused: u64,
}

impl Roster {
    /// The record of the subject's pod, made if need be.
    pub(crate) fn pod(&mut self, subject: &Subject, at: UnixNanos) -> Option<&mut PodRecord> {
        if !self.pods.contains_key(&subject.pod.id) {
            if self.pods.len() >= PODS_MAX {
                self.refused += 1;
                return None;
            }
            let record = PodRecord {
                idx: self.next_idx,
                arm: subject.arm.clone(),
                node: Arc::clone(&subject.pod.node),
                first_at: at,
                last_at: at,
                last_request_at: None,
                restarts: 0.0,
                export_interval: 0,
            };
            self.next_idx += 1;
            self.pods.insert(Arc::clone(&subject.pod.id), record);
        }
        self.pods.get_mut(&subject.pod.id)
    }

    /// Takes in signs of life.
    pub(crate) fn on_presence(&mut self, row: &PresenceRow) {
        if let Some(pod) = self.pod(&row.subject, row.first_at) {
            pod.last_at = pod.last_at.max(row.last_at);
            pod.last_request_at = pod.last_request_at.max(row.last_request_at);
            pod.export_interval = row.export_interval;
            if let Some(restarts) = row.restarts {
                pod.restarts = pod.restarts.max(restarts as f64);
            }
        }
    }

    /// Takes in restart counts.
    pub(crate) fn on_resource(&mut self, row: &ResourceRow) {
        if row.signal != ResourceSignal::Restarts {
            return;
        }
        if let Some(pod) = self.pod(&row.subject, row.at) {
            pod.last_at = pod.last_at.max(row.at);
            pod.restarts = pod.restarts.max(row.value);
        }
    }

    /// Forgets pods that have been silent for long.
    pub(crate) fn expire(&mut self, now: UnixNanos) {
        self.pods.retain(|_, pod| pod.last_at.saturating_add(FORGET) >= now);
    }

    /// All pods, by id.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &PodRecord> {
        self.pods.values()
    }

    /// Pods of one arm.
    pub(crate) fn of_arm<'a>(&'a self, arm: &'a Arm) -> impl Iterator<Item = &'a PodRecord> {
        self.iter().filter(move |pod| pod.arm == *arm)
    }

    /// Whether any pod of the arm still gives signs of life.
    pub(crate) fn is_alive(&self, arm: &Arm, now: UnixNanos) -> bool {
        self.of_arm(arm).any(|pod| pod.is_alive(now))
    }

    /// Newest request that any pod of the arm served.
    pub(crate) fn last_request_of(&self, arm: &Arm) -> Option<UnixNanos> {
        self.of_arm(arm).filter_map(|pod| pod.last_request_at).max()
    }

    /// First sign of life of the arm.
    pub(crate) fn first_of(&self, arm: &Arm) -> Option<UnixNanos> {
        self.of_arm(arm).map(|pod| pod.first_at).min()
    }
}
