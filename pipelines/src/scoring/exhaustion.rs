//! Which resource of which pod runs out when: one forecast per pod and resource, handed on from pod to pod of a workload.
//!
//! A new pod takes over the history of the oldest one known, so that its start is no news; a restart ends all trends, and a
//! kill for want of memory takes back what led to it. A resource whose limit nobody reports is not forecast, except memory
//! once processes of the service were killed: then their last use stands for the limit, for every pod of it. What it does not do: word what stands (`exhaustion_wording`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::record::{NANOS_PER_SEC, UnixNanos};
use models::exhaustion::{
    Exhaustion, ExhaustionModel, ExhaustionParams, ExhaustionValidParams, KillSource, LastRun, LearnedLimit,
    LimitEstimate,
};
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
/// A restart of a process that used so much of its reported limit was a kill.
const NEARLY_FULL: f64 = 0.9;

/// One resource of one pod.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Watched {
    subject: Arc<Subject>,
    model: ExhaustionModel,
    last_at: UnixNanos,
    limit: f64,
    /// Where the limit comes from, if nobody reports it.
    learned: Option<LimitEstimate>,
    /// What the process used since it started; of memory only.
    run: LastRun,
}

/// What one version of a service showed of one resource.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ArmRecord {
    arm: Arm,
    first_at: UnixNanos,
    samples: u64,
    /// When a pod of it was last warned of.
    warned_at: Option<UnixNanos>,
}

type PodKey = (ServiceKey, ResourceSignal, Arc<str>);
type KindKey = (ServiceKey, ResourceSignal);
type Pod = (ServiceKey, Arc<str>);

/// All forecasts.
///
/// # Invariants
/// At most [`SERIES_MAX`] series, as many histories and learned limits, and [`ARMS_MAX`] versions of each resource of a service.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct ExhaustionWatch {
    series: BTreeMap<PodKey, Watched>,
    arms: BTreeMap<KindKey, Vec<ArmRecord>>,
    histories: BTreeMap<KindKey, ExhaustionModel>,
    restarts: BTreeMap<Pod, f64>,
    /// Restarts after kills for want of memory.
    kills: BTreeMap<Pod, f64>,
    /// Memory limits of services that report none.
    limits: BTreeMap<ServiceKey, LearnedLimit>,
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
    /// What is known of the limit, if nobody reports it.
    pub(crate) learned: Option<LimitEstimate>,
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
    use ResourceSignal::{Cpu, OomKills, PoolPending, Restarts};
    !matches!(signal, Cpu | OomKills | PoolPending | Restarts)
}

impl ExhaustionWatch {
    /// Takes in the resources of a tick.
    pub(crate) fn on_rows(&mut self, rows: &FeatureRows) {
        let killed = self.killed(rows);
        for row in &rows.resources {
            if row.signal == ResourceSignal::Restarts {
                self.on_restarts(row, &killed);
            } else if runs_out(row.signal) {
                self.on_value(row);
            }
        }
        self.forget(rows.upto);
    }

    /// Pods with a kill for want of memory that was not told before.
    fn killed(&mut self, rows: &FeatureRows) -> BTreeSet<Pod> {
        let mut killed = BTreeSet::new();
        for row in rows.resources.iter().filter(|row| row.signal == ResourceSignal::OomKills) {
            let pod = pod_of(row);
            let before = self.kills.insert(pod.clone(), row.value);
            if before.is_none_or(|before| row.value > before) {
                killed.insert(pod);
            }
        }
        killed
    }

    fn on_restarts(&mut self, row: &ResourceRow, killed: &BTreeSet<Pod>) {
        let pod = pod_of(row);
        let source = if killed.contains(&pod) { KillSource::Told } else { KillSource::Inferred };
        let before = self.restarts.insert(pod, row.value);
        // the first count that is seen may be of long ago
        if before.is_none_or(|before| row.value <= before) {
            return;
        }
        let service = &row.subject.service;
        let own = self.series.iter_mut().filter(|(key, _)| key.0 == *service && key.2 == row.subject.pod.id);
        for ((_, signal, _), watched) in own {
            if *signal != ResourceSignal::Memory {
                watched.model.restarted();
                continue;
            }
            if self.limits.len() < SERIES_MAX || self.limits.contains_key(service) {
                self.limits.entry(service.clone()).or_default().killed(&watched.run, source);
            }
            watched.end_of_memory(source);
        }
    }

    /// The limit of a row's resource: reported, or of memory learned.
    fn limit_of(&mut self, row: &ResourceRow) -> (Option<f64>, Option<LimitEstimate>) {
        let learns = row.limit.is_none() && row.signal == ResourceSignal::Memory;
        let Some(known) = self.limits.get_mut(&row.subject.service).filter(|_| learns) else {
            return (row.limit, None);
        };
        known.survived(row.value);
        let learned = known.estimate();
        (learned.map(|learned| learned.limit), learned)
    }

    fn on_value(&mut self, row: &ResourceRow) {
        let (limit, learned) = self.limit_of(row);
        // how much a process used at its end has to be known before there is a limit
        if limit.is_none() && row.signal != ResourceSignal::Memory {
            return;
        }
        let kind = (row.subject.service.clone(), row.signal);
        let key = (kind.0.clone(), row.signal, Arc::clone(&row.subject.pod.id));
        if !self.series.contains_key(&key) && !self.begin(&key, row) {
            return;
        }
        self.turn_to(&key, row);
        let Some(watched) = self.series.get_mut(&key) else { return };
        watched.last_at = watched.last_at.max(row.at);
        if row.signal == ResourceSignal::Memory {
            watched.run.sample(row.value);
        }
        let Some(limit) = limit else { return };
        watched.model.learn(row.at, row.value, Some(limit));
        (watched.limit, watched.learned) = (limit, learned);
        let warned_at = watched.model.exhaustion().map(|_| row.at);
        let arms = self.arms.entry(kind).or_default();
        if let Some(record) = arms.iter_mut().find(|record| record.arm == row.subject.arm) {
            record.samples += 1;
            record.warned_at = warned_at.or(record.warned_at);
            return;
        }
        if arms.len() == ARMS_MAX {
            arms.remove(0);
        }
        let arm = row.subject.arm.clone();
        arms.push(ArmRecord { arm, first_at: row.at, samples: 1, warned_at });
    }

    /// Follows a pod that says something else of its version than before. What somebody knew of it before it spoke was no
    /// version of its own; another version under the same name is another process.
    fn turn_to(&mut self, key: &PodKey, row: &ResourceRow) {
        let Some(watched) = self.series.get_mut(key) else { return };
        if watched.subject.arm == row.subject.arm {
            return;
        }
        let before = std::mem::replace(&mut watched.subject, Arc::clone(&row.subject));
        if !before.arm.is_part_of(&row.subject.arm) {
            watched.model.restarted();
            watched.run.restarted();
        } else if let Some(arms) = self.arms.get_mut(&(key.0.clone(), key.1)) {
            arms.retain(|record| record.arm != before.arm);
        }
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
        let (limit, run) = (row.limit.unwrap_or_default(), LastRun::default());
        let watched = Watched { subject, model, last_at: row.at, limit, learned: None, run };
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
            let pod = (key.0.clone(), Arc::clone(&key.2));
            self.restarts.remove(&pod);
            self.kills.remove(&pod);
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
                learned: watched.learned,
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

    /// The arm, if it is new and the one before was watched and did not leak: a warning that has been over for a day is none.
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
            && before.warned_at.is_none_or(|at| at.saturating_add(NEW) < own.first_at);
        is_guilty.then(|| Suspect { arm: arm.clone(), stable: before.arm.clone(), first_at: own.first_at })
    }
}

fn pod_of(row: &ResourceRow) -> Pod {
    (row.subject.service.clone(), Arc::clone(&row.subject.pod.id))
}

impl Watched {
    /// The process ended, and it is about its memory.
    fn end_of_memory(&mut self, source: KillSource) {
        let was_full = self.limit > 0.0 && self.run.last() >= NEARLY_FULL * self.limit;
        if source == KillSource::Told || was_full {
            self.model.killed();
        } else {
            self.model.restarted();
        }
        self.run.restarted();
    }

    /// What is ahead, and the limit, unless the pod has fallen silent.
    fn ahead(&self, now: UnixNanos) -> Option<(Exhaustion, f64)> {
        let mut ahead = self.model.exhaustion()?;
        if let Some(learned) = self.learned {
            // the limit may lie higher than what is known of it
            ahead.latest_secs += (learned.highest / learned.limit - 1.0) / ahead.rise_per_sec.max(1e-12);
        }
        // a pod that stopped reporting runs out of nothing any more
        let silent_secs = now.saturating_sub(self.last_at) as f64 / 1e9;
        let is_heard = silent_secs <= (ahead.span_secs / 4.0).max(30.0);
        is_heard.then_some((ahead, self.limit))
    }
}

#[cfg(test)]
#[path = "exhaustion_tests.rs"]
mod tests;
