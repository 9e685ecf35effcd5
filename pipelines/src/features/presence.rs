//! Signs of life: which pods speak, since when, how often.
//!
//! What it does not do: call a pod silent; judging does, from these rows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use engine::record::{NANOS_PER_SEC, UnixNanos};
use serde::{Deserialize, Serialize};

use super::counts::{Count, FeatureCounts};
use super::identity::Who;
use super::row::PresenceRow;

/// Differences between exports that are kept.
const INTERVALS_MAX: usize = 5;
/// Points that are not further apart belong to one export.
const SAME_EXPORT: UnixNanos = NANOS_PER_SEC / 2;

/// What one second showed of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Touch {
    pub(crate) first_at: UnixNanos,
    pub(crate) last_at: UnixNanos,
    pub(crate) last_request_at: Option<UnixNanos>,
    pub(crate) last_export_at: Option<UnixNanos>,
    pub(crate) restarts: Option<u64>,
    pub(crate) pod_uid: Option<u128>,
}

impl Touch {
    pub(crate) fn at(at: UnixNanos) -> Self {
        Self {
            first_at: at,
            last_at: at,
            last_request_at: None,
            last_export_at: None,
            restarts: None,
            pod_uid: None,
        }
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.first_at = self.first_at.min(other.first_at);
        self.last_at = self.last_at.max(other.last_at);
        self.last_request_at = self.last_request_at.max(other.last_request_at);
        self.last_export_at = self.last_export_at.max(other.last_export_at);
        self.restarts = self.restarts.max(other.restarts);
        self.pod_uid = self.pod_uid.max(other.pod_uid);
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct PodLife {
    touch: Touch,
    intervals: VecDeque<UnixNanos>,
    changed: bool,
}

impl PodLife {
    fn learn_export(&mut self, at: UnixNanos) {
        if let Some(before) = self.touch.last_export_at.filter(|before| at - before > SAME_EXPORT) {
            self.intervals.push_back(at - before);
            if self.intervals.len() > INTERVALS_MAX {
                self.intervals.pop_front();
            }
        }
    }

    /// The lower median, so that one missed export does not count.
    fn export_interval(&self) -> UnixNanos {
        let mut sorted: Vec<UnixNanos> = self.intervals.iter().copied().collect();
        sorted.sort_unstable();
        if sorted.len() < 2 { 0 } else { sorted.get((sorted.len() - 1) / 2).copied().unwrap_or(0) }
    }
}

/// All pods that spoke of late.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Presence {
    pods: BTreeMap<Who, PodLife>,
    by_uid: BTreeMap<u128, Who>,
}

impl Presence {
    pub(crate) fn is_empty(&self) -> bool {
        self.pods.is_empty()
    }

    /// Takes in what a closed second showed.
    pub(crate) fn touch(&mut self, who: &Who, touch: &Touch, pods_max: usize, counts: &mut FeatureCounts) {
        if let Some(life) = self.pods.get_mut(who) {
            if let Some(at) = touch.last_export_at {
                life.learn_export(at);
            }
            life.touch.merge(touch);
            life.changed = true;
        } else if self.pods.len() < pods_max {
            let life = PodLife { touch: *touch, intervals: VecDeque::new(), changed: true };
            self.pods.insert(who.clone(), life);
        } else {
            counts.add(Count::PodOverflow, 1);
            return;
        }
        if let Some(uid) = touch.pod_uid {
            self.by_uid.insert(uid, who.clone());
        }
    }

    /// A row came too late to count, but its pod is alive.
    pub(crate) fn touch_late(&mut self, who: &Who, at: UnixNanos) {
        if let Some(life) = self.pods.get_mut(who)
            && at > life.touch.last_at
        {
            life.touch.last_at = at;
            life.changed = true;
        }
    }

    pub(crate) fn served(&mut self, who: &Who, at: UnixNanos) {
        if let Some(life) = self.pods.get_mut(who) {
            life.touch.last_request_at = life.touch.last_request_at.max(Some(at));
            life.changed = true;
        }
    }

    /// Learned export interval; 0 if not known.
    pub(crate) fn export_interval(&self, who: &Who) -> UnixNanos {
        self.pods.get(who).map_or(0, PodLife::export_interval)
    }

    /// The pod that speaks under this uid.
    pub(crate) fn of_uid(&self, uid: u128) -> Option<&Who> {
        self.by_uid.get(&uid)
    }

    /// Rows of the pods that changed, or of all of them.
    pub(crate) fn rows(&mut self, all: bool) -> Vec<PresenceRow> {
        let mut rows = Vec::new();
        for (who, life) in &mut self.pods {
            if all || life.changed {
                life.changed = false;
                rows.push(PresenceRow {
                    subject: Arc::clone(&who.subject),
                    first_at: life.touch.first_at,
                    last_at: life.touch.last_at,
                    last_request_at: life.touch.last_request_at,
                    export_interval: life.export_interval(),
                    restarts: life.touch.restarts,
                });
            }
        }
        rows
    }

    /// Forgets pods without a sign of life since `before`.
    pub(crate) fn forget(&mut self, before: UnixNanos) {
        self.pods.retain(|_, life| life.touch.last_at >= before);
        let pods = &self.pods;
        self.by_uid.retain(|_, who| pods.contains_key(who));
    }
}
