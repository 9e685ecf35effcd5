//! Which arms a service runs: a new one is a change, noticed from the telemetry even if nobody announced it.
//!
//! What it does not do: compare arms, or decide which of them is the stable one.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::record::{NANOS_PER_SEC, UnixNanos};
use serde::{Deserialize, Serialize};

use crate::features::{Arm, FeatureRows, PresenceRow, ServiceKey};

/// An arm that is not seen for so long is forgotten; the same arm later is a new one.
const REMEMBERED: UnixNanos = 7 * 86_400 * NANOS_PER_SEC;
/// Arms that show up so soon after the first sign of their service were there before we looked.
const FIRST_LOOK: UnixNanos = 30 * NANOS_PER_SEC;
/// An arm is gone after so many export intervals without a sign, within the bounds below.
const GONE_INTERVALS: i64 = 3;
const GONE_MIN: UnixNanos = 15 * NANOS_PER_SEC;
const GONE_MAX: UnixNanos = 180 * NANOS_PER_SEC;
/// Arms remembered per service.
const ARMS_MAX: usize = 32;
/// Services remembered.
const SERVICES_MAX: usize = 20_000;

/// How an arm came to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ArmStep {
    /// There when we first looked: nothing is known to have changed.
    First,
    /// A version not seen before.
    NewVersion,
    /// A known version with another pod template or revision: configuration, resources, environment.
    ConfigOnly,
    /// An arm that was replaced, was gone, and is back.
    Return,
}

/// A service was seen with an arm that it did not run before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArmSeen {
    /// Whose arm.
    pub service: ServiceKey,
    /// Which.
    pub arm: Arm,
    /// Event time of its first sign this time.
    pub first_at: UnixNanos,
    /// How it came.
    pub step: ArmStep,
    /// The arms seen before, the one that came last first.
    pub previous: Vec<Arm>,
}

/// What the pods of one arm show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    arm: Arm,
    first_at: UnixNanos,
    last_at: UnixNanos,
    export_interval: UnixNanos,
}

impl Known {
    fn of(row: &PresenceRow) -> Self {
        Self {
            arm: row.subject.arm.clone(),
            first_at: row.first_at,
            last_at: row.last_at,
            export_interval: row.export_interval,
        }
    }

    fn is_gone_at(&self, at: UnixNanos) -> bool {
        let silence = (GONE_INTERVALS * self.export_interval).clamp(GONE_MIN, GONE_MAX);
        at - self.last_at > silence
    }

    fn merge(&mut self, sign: &Self) {
        self.last_at = self.last_at.max(sign.last_at);
        self.export_interval = self.export_interval.max(sign.export_interval);
        for (known, told) in [
            (&mut self.arm.version, &sign.arm.version),
            (&mut self.arm.template_hash, &sign.arm.template_hash),
            (&mut self.arm.revision, &sign.arm.revision),
        ] {
            if known.is_empty() {
                *known = Arc::clone(told);
            }
        }
    }
}

/// Whether they can be the same arm: nothing that both tell differs.
fn is_same(a: &Arm, b: &Arm) -> bool {
    let agree = |a: &str, b: &str| a.is_empty() || b.is_empty() || a == b;
    agree(&a.version, &b.version)
        && agree(&a.template_hash, &b.template_hash)
        && agree(&a.revision, &b.revision)
}

/// The arms of all services.
///
/// # Invariants
/// The arms of a service stand in the order in which they last came; at most 32 of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ArmRegistry {
    services: BTreeMap<ServiceKey, Vec<Known>>,
    refused: u64,
}

impl ArmRegistry {
    /// Knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Learns from signs of life; gives the arms that came, by service and time.
    pub fn observe(&mut self, rows: &FeatureRows) -> Vec<ArmSeen> {
        let mut signs: Vec<(&ServiceKey, Known)> =
            rows.presence.iter().map(|row| (&row.subject.service, Known::of(row))).collect();
        signs.sort_by(|(a, a_sign), (b, b_sign)| {
            let order = |sign: &Known| (sign.first_at, sign.last_at);
            (a, order(a_sign), &a_sign.arm).cmp(&(b, order(b_sign), &b_sign.arm))
        });
        let seen = signs.into_iter().filter_map(|(service, sign)| self.see(service, sign)).collect();
        let before = rows.upto.saturating_sub(REMEMBERED);
        self.services.retain(|_, arms| {
            arms.retain(|known| known.last_at >= before);
            !arms.is_empty()
        });
        seen
    }

    fn see(&mut self, service: &ServiceKey, sign: Known) -> Option<ArmSeen> {
        let Some(arms) = self.services.get_mut(service) else {
            if self.services.len() >= SERVICES_MAX {
                self.refused = self.refused.saturating_add(1);
                return None;
            }
            let seen = arm_seen(service, &sign, ArmStep::First, &[]);
            self.services.insert(service.clone(), vec![sign]);
            return Some(seen);
        };
        // of several that it could be (it tells little), the one that came last
        if let Some(place) = arms.iter().rposition(|known| is_same(&known.arm, &sign.arm)) {
            return see_again(service, arms, place, &sign);
        }
        let first_look = arms.iter().map(|known| known.first_at).min().unwrap_or(sign.first_at) + FIRST_LOOK;
        let same_version =
            |known: &Known| !sign.arm.version.is_empty() && known.arm.version == sign.arm.version;
        let step = if sign.first_at <= first_look {
            ArmStep::First
        } else if arms.iter().any(same_version) {
            ArmStep::ConfigOnly
        } else {
            ArmStep::NewVersion
        };
        let seen = arm_seen(service, &sign, step, arms);
        if arms.len() >= ARMS_MAX {
            arms.remove(0);
        }
        arms.push(sign);
        Some(seen)
    }

    /// The arms of a service, the one that came last first, with the time it came.
    #[must_use]
    pub fn arms(&self, service: &ServiceKey) -> Vec<(Arm, UnixNanos)> {
        let known = self.services.get(service).into_iter().flatten().rev();
        known.map(|known| (known.arm.clone(), known.first_at)).collect()
    }

    /// Signs of services that found no room.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

/// A sign of a known arm: a return if its pods were gone and another arm came since.
fn see_again(service: &ServiceKey, arms: &mut Vec<Known>, place: usize, sign: &Known) -> Option<ArmSeen> {
    let is_newest = place + 1 == arms.len();
    let known = arms.get_mut(place)?;
    let is_back = !is_newest && known.is_gone_at(sign.first_at);
    known.merge(sign);
    if !is_back {
        return None;
    }
    known.first_at = sign.first_at;
    let back = arms.remove(place);
    let seen = arm_seen(service, &back, ArmStep::Return, arms);
    arms.push(back);
    Some(seen)
}

fn arm_seen(service: &ServiceKey, sign: &Known, step: ArmStep, before: &[Known]) -> ArmSeen {
    ArmSeen {
        service: service.clone(),
        arm: sign.arm.clone(),
        first_at: sign.first_at,
        step,
        previous: before.iter().rev().map(|known| known.arm.clone()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{Pod, Subject};

    const SEC: UnixNanos = NANOS_PER_SEC;

    fn sign(arm: [&str; 2], pod: &str, first_sec: i64, last_sec: i64) -> PresenceRow {
        let none: Arc<str> = "".into();
        let service = ServiceKey {
            tenant: Arc::clone(&none),
            cluster: Arc::clone(&none),
            environment: Arc::clone(&none),
            namespace: Arc::clone(&none),
            service: "cart".into(),
        };
        let [version, hash] = arm;
        let arm = Arm { version: version.into(), template_hash: hash.into(), revision: Arc::clone(&none) };
        let pod = Pod { id: pod.into(), name: Arc::clone(&none), node: none };
        PresenceRow {
            subject: Arc::new(Subject { service, arm, pod }),
            first_at: first_sec * SEC,
            last_at: last_sec * SEC,
            last_request_at: None,
            export_interval: 5 * SEC,
            restarts: None,
        }
    }

    /// Feeds rows one step each and gives what came.
    fn steps(signs: &[PresenceRow]) -> Vec<(ArmStep, String, i64, usize)> {
        let mut registry = ArmRegistry::new();
        let mut all = Vec::new();
        for sign in signs {
            let rows =
                FeatureRows { upto: sign.last_at, presence: vec![sign.clone()], ..FeatureRows::default() };
            all.extend(registry.observe(&rows));
        }
        all.into_iter()
            .map(|seen| {
                let name = format!("{}/{}", seen.arm.version, seen.arm.template_hash);
                (seen.step, name, seen.first_at / SEC, seen.previous.len())
            })
            .collect()
    }

    /// Scenario: a rollout, then a change of configuration only, then back to the first version once its pods were
    /// gone. Guarantees: each of them is noticed once, with its time and the arms before it.
    #[test]
    fn rollouts_config_changes_and_returns_are_noticed() {
        let found = steps(&[
            sign(["1", "a"], "p1", 10, 300),
            sign(["1", "a"], "p2", 10, 300),
            sign(["2", "b"], "p3", 290, 400),
            sign(["2", "b"], "p4", 310, 400),
            sign(["2", "c"], "p5", 400, 500),
            sign(["1", "a"], "p6", 500, 600),
            sign(["1", "a"], "p6", 500, 610),
        ]);
        let expected = [
            (ArmStep::First, "1/a".to_owned(), 10, 0),
            (ArmStep::NewVersion, "2/b".to_owned(), 290, 1),
            (ArmStep::ConfigOnly, "2/c".to_owned(), 400, 2),
            (ArmStep::Return, "1/a".to_owned(), 500, 2),
        ];
        assert_eq!(found, expected);
    }

    /// Scenario: two arms that both ran when we first looked; a pod of the older arm that joins while it still
    /// serves; signals that tell only part of the arm; a gap in everything. Guarantees: none of these is a change.
    #[test]
    fn scaling_gaps_and_partial_identities_are_no_change() {
        let found = steps(&[
            sign(["1", "a"], "p1", 10, 100),
            sign(["2", "b"], "p2", 20, 100),
            sign(["1", "a"], "p3", 101, 110),
            sign(["2", ""], "p2", 102, 110),
            sign(["", ""], "p2", 103, 110),
            sign(["2", "b"], "p2", 1_000, 1_010),
        ]);
        let told: Vec<ArmStep> = found.iter().map(|step| step.0).collect();
        assert_eq!(told, [ArmStep::First, ArmStep::First]);
    }
}
