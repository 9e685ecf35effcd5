//! Which resource of which pod runs out when: one forecast per pod and resource, handed on from pod to pod of a workload.
//!
//! A new pod takes over the history of the oldest one known, so that its start is no news; a restart ends all trends. A
//! resource whose limit nobody reports is not forecast. What it does not do: word what stands (`exhaustion_wording`).

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::record::{NANOS_PER_SEC, UnixNanos};
use models::exhaustion::{Exhaustion, ExhaustionModel, ExhaustionParams, ExhaustionValidParams};
use serde::{Deserialize, Serialize};

use super::finding::Suspect;
use crate::features::{Arm, FeatureRows, ResourceRow, ResourceSignal, ServiceKey, Subject};

/// Forecasts at the most; about 6 KB each.
const SERIES_MAX: usize = 4096;
/// Versions remembered of each resource of a service.
const ARMS_MAX: usize = 4;
/// A pod that is silent for so long is forgotten.
const FORGET: UnixNanos = 3_600 * NANOS_PER_SEC;
/// A version is new for a day.
const NEW: UnixNanos = 86_400 * NANOS_PER_SEC;
/// Fewer samples do not show that a version does not leak.
const INNOCENT_SAMPLES: u64 = 60;
/// One resource of one pod.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Watched {
    subject: Arc<Subject>,
    model: ExhaustionModel,
    last_at: UnixNanos,
    limit: f64,
}

/// What one version of a service showed of one resource.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ArmRecord {
    arm: Arm,
    first_at: UnixNanos,
    samples: u64,
    leaked: bool,
}

type PodKey = (ServiceKey, ResourceSignal, Arc<str>);
type KindKey = (ServiceKey, ResourceSignal);

/// All forecasts.
///
/// # Invariants
/// At most [`SERIES_MAX`] series, as many histories, and [`ARMS_MAX`] versions of each resource of a service.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ExhaustionWatch {
    series: BTreeMap<PodKey, Watched>,
    arms: BTreeMap<KindKey, Vec<ArmRecord>>,
    histories: BTreeMap<KindKey, ExhaustionModel>,
    restarts: BTreeMap<(ServiceKey, Arc<str>), f64>,
    /// Series that found no room.
    pub(crate) refused: u64,
}

/// A resource that runs out.
#[derive(Debug, Clone)]
pub(crate) struct RunningOut {
    pub(crate) subject: Arc<Subject>,
    pub(crate) signal: ResourceSignal,
    pub(crate) ahead: Exhaustion,
    pub(crate) limit: f64,
    /// Newest sample.
    pub(crate) at: UnixNanos,
    /// Pods of the same version whose resource runs out too, itself included, and all that are watched.
    pub(crate) pods: (usize, usize),
    /// The version, if it is new and the one before did not leak.
    pub(crate) suspect: Option<Suspect>,
}

fn params() -> ExhaustionValidParams {
    ExhaustionParams::default().check().expect("the defaults are checked by a test")
}

/// Whether a signal is one that can run out.
const fn runs_out(signal: ResourceSignal) -> bool {
    !matches!(signal, ResourceSignal::Cpu | ResourceSignal::Restarts | ResourceSignal::PoolPending)
}

impl ExhaustionWatch {
    /// Takes in the resources of a tick.
    pub(crate) fn on_rows(&mut self, rows: &FeatureRows) {
        for row in &rows.resources {
            if row.signal == ResourceSignal::Restarts {
                self.on_restarts(row);
            } else if runs_out(row.signal) {
                self.on_value(row);
            }
        }
        self.forget(rows.upto);
    }

    fn on_restarts(&mut self, row: &ResourceRow) {
        let pod = (row.subject.service.clone(), Arc::clone(&row.subject.pod.id));
        let before = self.restarts.insert(pod, row.value);
        if before.is_none_or(|before| row.value <= before) {
            return;
        }
        let own = self.series.iter_mut().filter(|(key, _)| key.0 == row.subject.service);
        own.filter(|(key, _)| key.2 == row.subject.pod.id).for_each(|(_, watched)| watched.model.restarted());
    }

    fn on_value(&mut self, row: &ResourceRow) {
        let Some(limit) = row.limit else { return };
        let kind = (row.subject.service.clone(), row.signal);
        let key = (kind.0.clone(), row.signal, Arc::clone(&row.subject.pod.id));
        if !self.series.contains_key(&key) && !self.begin(&key, row) {
            return;
        }
        let Some(watched) = self.series.get_mut(&key) else { return };
        watched.model.learn(row.at, row.value, Some(limit));
        watched.last_at = watched.last_at.max(row.at);
        watched.limit = limit;
        let leaks = watched.model.exhaustion().is_some();
        let arms = self.arms.entry(kind).or_default();
        if let Some(record) = arms.iter_mut().find(|record| record.arm == row.subject.arm) {
            record.samples += 1;
            record.leaked |= leaks;
            return;
        }
        if arms.len() == ARMS_MAX {
            arms.remove(0);
        }
        let arm = row.subject.arm.clone();
        arms.push(ArmRecord { arm, first_at: row.at, samples: 1, leaked: leaks });
    }

    /// Starts to watch a series; false if there is no room.
    fn begin(&mut self, key: &PodKey, row: &ResourceRow) -> bool {
        if self.series.len() >= SERIES_MAX {
            self.refused += 1;
            return false;
        }
        let siblings = self.series.range((key.0.clone(), key.1, Arc::from(""))..);
        let siblings = siblings.take_while(|(other, _)| other.0 == key.0 && other.1 == key.1);
        let oldest = siblings.map(|(_, watched)| &watched.model).max_by_key(|model| model.samples());
        let history = self.histories.get(&(key.0.clone(), key.1));
        let known = oldest.into_iter().chain(history).max_by_key(|model| model.samples());
        let model = known.map_or_else(|| ExhaustionModel::new(&params()), ExhaustionModel::successor);
        let subject = Arc::clone(&row.subject);
        let watched = Watched { subject, model, last_at: row.at, limit: row.limit.unwrap_or_default() };
        self.series.insert(key.clone(), watched);
        true
    }

    fn forget(&mut self, now: UnixNanos) {
        let gone: Vec<PodKey> = self
            .series
            .iter()
            .filter(|(_, watched)| watched.last_at.saturating_add(FORGET) < now)
            .map(|(key, _)| key.clone())
            .collect();
        for key in gone {
            let Some(watched) = self.series.remove(&key) else { continue };
            self.restarts.remove(&(key.0.clone(), Arc::clone(&key.2)));
            let kind = (key.0, key.1);
            let known = self.histories.get(&kind).map_or(0, ExhaustionModel::samples);
            let has_room = self.histories.len() < SERIES_MAX || self.histories.contains_key(&kind);
            if has_room && watched.model.samples() >= known {
                self.histories.insert(kind, watched.model.successor());
            }
        }
    }

    /// The nearest exhaustion of each service, strict ones first.
    pub(crate) fn standing(&self, now: UnixNanos) -> Vec<RunningOut> {
        let mut nearest: BTreeMap<&ServiceKey, RunningOut> = BTreeMap::new();
        for ((service, signal, _), watched) in &self.series {
            let Some((ahead, limit)) = watched.ahead(now) else { continue };
            let running_out = RunningOut {
                subject: Arc::clone(&watched.subject),
                signal: *signal,
                ahead,
                limit,
                at: watched.last_at,
                pods: self.alike(service, *signal, &watched.subject.arm, now),
                suspect: self.suspect(service, *signal, &watched.subject.arm, now),
            };
            let rank = |r: &RunningOut| (r.suspect.is_some(), r.ahead.certainty, -r.ahead.left_secs);
            if nearest.get(service).is_none_or(|known| rank(&running_out) > rank(known)) {
                nearest.insert(service, running_out);
            }
        }
        nearest.into_values().collect()
    }

    fn alike(
        &self,
        service: &ServiceKey,
        signal: ResourceSignal,
        arm: &Arm,
        now: UnixNanos,
    ) -> (usize, usize) {
        let own = self.series.range((service.clone(), signal, Arc::from(""))..);
        let own = own.take_while(|(key, _)| key.0 == *service && key.1 == signal);
        let own: Vec<&Watched> =
            own.map(|(_, watched)| watched).filter(|watched| watched.subject.arm == *arm).collect();
        (own.iter().filter(|watched| watched.ahead(now).is_some()).count(), own.len())
    }

    /// The arm, if it is new and the one before was watched and did not leak.
    fn suspect(
        &self,
        service: &ServiceKey,
        signal: ResourceSignal,
        arm: &Arm,
        now: UnixNanos,
    ) -> Option<Suspect> {
        let arms = self.arms.get(&(service.clone(), signal))?;
        let own = arms.iter().find(|record| record.arm == *arm)?;
        let before = arms.iter().filter(|record| record.first_at < own.first_at);
        let before = before.max_by_key(|record| record.first_at)?;
        let is_newest = arms.iter().all(|record| record.first_at <= own.first_at);
        let is_guilty = is_newest
            && own.first_at.saturating_add(NEW) >= now
            && before.samples >= INNOCENT_SAMPLES
            && !before.leaked;
        is_guilty.then(|| Suspect { arm: arm.clone(), stable: before.arm.clone(), first_at: own.first_at })
    }
}

impl Watched {
    /// What is ahead, and the limit, unless the pod has fallen silent.
    fn ahead(&self, now: UnixNanos) -> Option<(Exhaustion, f64)> {
        let ahead = self.model.exhaustion()?;
        // a pod that stopped reporting runs out of nothing any more
        let silent_secs = now.saturating_sub(self.last_at) as f64 / 1e9;
        let is_heard = silent_secs <= (ahead.span_secs / 4.0).max(30.0);
        is_heard.then_some((ahead, self.limit))
    }
}

#[cfg(test)]
mod tests {
    use contract::Level;

    use super::super::exhaustion_wording::finding;
    use super::*;
    use crate::features::Pod;

    const LIMIT: f64 = 512e6;

    fn row(version: &str, pod: &str, second: i64, level: f64) -> ResourceRow {
        let text = Arc::<str>::from;
        let service = ServiceKey {
            tenant: text("t"),
            cluster: text(""),
            environment: text("prod"),
            namespace: text("shop"),
            service: text("cart"),
        };
        let arm = Arm { version: text(version), template_hash: text(version), revision: text("") };
        let pod = Pod { id: text(pod), name: text(pod), node: text("n") };
        ResourceRow {
            subject: Arc::new(Subject { service, arm, pod }),
            signal: ResourceSignal::Memory,
            at: second * NANOS_PER_SEC,
            value: level * LIMIT,
            limit: Some(LIMIT),
        }
    }

    /// Two pods of v1 for 600 s; from 300 s on also one of v2, which leaks. `v1` gives v1's level.
    fn release(v1: impl Fn(i64) -> f64) -> (ExhaustionWatch, Option<RunningOut>) {
        let mut watch = ExhaustionWatch::default();
        let mut seen = None;
        for second in 0..600_i64 {
            let mut resources = vec![row("v1", "a", second, v1(second)), row("v1", "b", second, v1(second))];
            if second >= 300 {
                resources.push(row("v2", "c", second, 0.3 + 0.0022 * (second - 300) as f64));
            }
            let upto = (second + 1) * NANOS_PER_SEC;
            watch.on_rows(&FeatureRows { upto, resources, ..FeatureRows::default() });
            seen = watch.standing(upto).pop().or(seen);
        }
        (watch, seen)
    }

    /// Scenario: a new version leaks beside two pods of the old one that do not.
    /// Guarantees: the new version is suspected and the finding asks for `act`, with a forecast of when its memory is full;
    /// the saved state goes on to say the same.
    #[test]
    fn a_new_version_that_leaks_is_suspected() {
        let (watch, seen) = release(|_| 0.4);
        let found = finding(&seen.unwrap(), None);
        assert_eq!(found.level, Level::Act, "{found:?}");
        let suspect = found.suspect.unwrap();
        assert_eq!((suspect.arm.name(), suspect.stable.name()), ("v2", "v1"));
        let forecast = found.forecast.unwrap();
        assert_eq!(forecast.resource, "memory");
        let left_secs = (forecast.exhausts_at.unix_nanos() - found.at) as f64 / 1e9;
        assert!((5.0..80.0).contains(&left_secs), "{left_secs}");
        let bytes = postcard::to_stdvec(&watch).unwrap();
        let again: ExhaustionWatch = postcard::from_bytes(&bytes).unwrap();
        let upto = 600 * NANOS_PER_SEC;
        assert_eq!(format!("{:?}", again.standing(upto)), format!("{:?}", watch.standing(upto)));
    }

    /// Scenario: the old version leaks as the new one does.
    /// Guarantees: it is an alert about the service, and no version is suspected.
    #[test]
    fn a_leak_of_both_versions_blames_none() {
        let (_, seen) = release(|second| 0.2 + 0.0013 * second as f64);
        let found = finding(&seen.unwrap(), None);
        assert_eq!((found.level, found.suspect), (Level::Alert, None));
    }

    /// Scenario: the pods of a new version warm up steeply to the level of the old one. Guarantees: nothing is said.
    #[test]
    fn a_warm_up_to_the_usual_level_is_no_news() {
        let mut watch = ExhaustionWatch::default();
        for second in 0..600_i64 {
            let young = (0.1 + 0.01 * (second - 300) as f64).clamp(0.1, 0.8);
            let mut resources = vec![row("v1", "a", second, 0.8)];
            if second >= 300 {
                resources.push(row("v2", "b", second, young));
            }
            let upto = (second + 1) * NANOS_PER_SEC;
            watch.on_rows(&FeatureRows { upto, resources, ..FeatureRows::default() });
            assert!(watch.standing(upto).is_empty(), "{second}");
        }
    }
}
