//! The replicas of a service against each other, once a minute.
//!
//! How unlike the others the oddest replica is becomes one more series of the service (`models::siblings`), so that it is
//! said within the same budget, and only where it is unusual for this service. Young pods and those of a version under
//! comparison are left out. What it does not do: judge the number.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::record::{NANOS_PER_SEC, UnixNanos};
use models::siblings::{
    MAX_REPLICAS, ReplicaGroup, ReplicaScore, SiblingDetector, SiblingParams, replica_groups,
};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::name::{Point, SeriesName};
use super::wording::number;
use crate::features::{Arm, CallRow, ResourceRow, ResourceSignal, Subject};

const ROUND: UnixNanos = 60 * NANOS_PER_SEC;
/// A younger pod still warms up.
const YOUNG: UnixNanos = 180 * NANOS_PER_SEC;
/// A pod that says nothing for so long is gone.
const GONE: UnixNanos = 300 * NANOS_PER_SEC;
/// Cells of this length are seconds, of which empty ones are not told.
const SECONDS: UnixNanos = 3 * NANOS_PER_SEC / 2;
/// A usual difference between siblings that are alike, as a part of the usual value.
const ALIKE: f64 = 0.05;
/// Decades from which it is worth to ask whether others are like the oddest.
const ASKED_DECADES: f64 = 1.0;
/// Fewer requests say nothing about shares and durations.
const REQUESTS_MIN: u64 = 20;

const METRICS: [&str; 8] = [
    "request rate",
    "error share",
    "mean latency",
    "processor use",
    "memory",
    "heap",
    "file descriptors",
    "threads",
];
/// Metrics that come from requests; the rest are resources.
const OF_REQUESTS: usize = 3;

/// One replica and its open round.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Replica {
    name: Arc<str>,
    arm: Arm,
    first_at: UnixNanos,
    last_at: UnixNanos,
    requests: u64,
    errors: u64,
    duration_us: u64,
    covered: UnixNanos,
    levels: [Option<f64>; METRICS.len() - OF_REQUESTS],
}

/// The oddest replica of the last round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Odd {
    name: Arc<str>,
    metric: usize,
    value: f64,
    usual: f64,
    /// Other replicas that are as it is: then they are a camp (other nodes, a shard), and no stray.
    alike: usize,
}

/// The replicas of one service.
///
/// # Invariants
/// At most [`MAX_REPLICAS`] pods.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SiblingWatch {
    detector: SiblingDetector,
    pods: BTreeMap<Arc<str>, Replica>,
    opened_at: UnixNanos,
    oddest: Option<Odd>,
}

impl Default for SiblingWatch {
    fn default() -> Self {
        let params = SiblingParams::default().check().expect("the defaults are checked by a test");
        Self {
            detector: SiblingDetector::new(&params, METRICS.len()),
            pods: BTreeMap::new(),
            opened_at: 0,
            oddest: None,
        }
    }
}

impl SiblingWatch {
    /// Takes in requests of a pod.
    pub(crate) fn on_call(&mut self, row: &CallRow) {
        if let Some(replica) = self.replica(&row.subject, row.end_at) {
            replica.requests += row.requests;
            replica.errors += row.errors;
            replica.duration_us = replica.duration_us.saturating_add(row.duration_us_sum);
            if row.end_at - row.start_at > SECONDS {
                replica.covered += row.end_at - row.start_at;
            }
        }
    }

    /// Takes in a resource of a pod.
    pub(crate) fn on_resource(&mut self, row: &ResourceRow) {
        let place = match row.signal {
            ResourceSignal::Cpu => 0,
            ResourceSignal::Memory => 1,
            ResourceSignal::Heap => 2,
            ResourceSignal::FileDescriptors => 3,
            ResourceSignal::Threads => 4,
            _ => return,
        };
        // a pod is a replica once it serves
        if let Some(replica) = self.pods.get_mut(&row.subject.pod.id) {
            replica.last_at = replica.last_at.max(row.at);
            replica.levels[place] = Some(row.value);
        }
    }

    /// Closes the round that is over; how odd the oddest replica is.
    pub(crate) fn close(&mut self, upto: UnixNanos, suspect: Option<&Arm>) -> Option<Point> {
        if self.opened_at == 0 {
            self.opened_at = upto;
        }
        let length = upto - self.opened_at;
        if length < ROUND {
            return None;
        }
        self.opened_at = upto;
        let is_grown = |replica: &&Replica| {
            upto - replica.first_at >= YOUNG && suspect.is_none_or(|arm| *arm != replica.arm)
        };
        let grown: Vec<&Replica> = self.pods.values().filter(is_grown).collect();
        let rows: Vec<(u64, [f64; METRICS.len()])> =
            grown.iter().map(|replica| (xxh3_64(replica.name.as_bytes()), replica.metrics(length))).collect();
        let oddest = self.detector.observe(&rows).first().copied();
        self.oddest = oddest.and_then(|score| odd(&score, &grown, &rows));
        self.pods.retain(|_, replica| replica.last_at.saturating_add(GONE) >= upto);
        self.pods.values_mut().for_each(Replica::begin);
        oddest.map(|score| Point { name: SeriesName::Siblings, at: upto, value: score.decades })
    }

    /// Which replica, and what about it.
    pub(crate) fn note(&self) -> Option<String> {
        let odd = self.oddest.as_ref()?;
        let (metric, value, usual) = (METRICS[odd.metric], number(odd.value), number(odd.usual));
        Some(match odd.alike {
            0 => format!("{} stands out by its {metric} ({value}, its siblings {usual})", odd.name),
            alike => format!(
                "{} and {alike} more like it stand out by their {metric} ({value}, the others {usual})",
                odd.name
            ),
        })
    }

    fn replica(&mut self, subject: &Subject, at: UnixNanos) -> Option<&mut Replica> {
        let id = &subject.pod.id;
        if !self.pods.contains_key(id) {
            if self.pods.len() >= MAX_REPLICAS {
                return None;
            }
            let name = if subject.pod.name.is_empty() { id } else { &subject.pod.name };
            self.pods.insert(Arc::clone(id), Replica::new(name, &subject.arm, at));
        }
        let replica = self.pods.get_mut(id)?;
        replica.last_at = replica.last_at.max(at);
        Some(replica)
    }
}

fn odd(score: &ReplicaScore, grown: &[&Replica], rows: &[(u64, [f64; METRICS.len()])]) -> Option<Odd> {
    let place = rows.iter().position(|(replica, _)| *replica == score.replica)?;
    let mut others: Vec<f64> = rows.iter().map(|(_, metrics)| metrics[score.metric]).collect();
    let all: Vec<[f64; 1]> = others.iter().map(|&value| [value]).collect();
    let value = others.swap_remove(place);
    others.retain(|value| value.is_finite());
    others.sort_unstable_by(f64::total_cmp);
    let usual = *others.get(others.len() / 2)?;
    let alike = if score.decades < ASKED_DECADES { 0 } else { alike(&all, place, usual) };
    Some(Odd { name: Arc::clone(&grown[place].name), metric: score.metric, value, usual, alike })
}

/// How many others are in the group of this one, unless it is the group of most.
fn alike(all: &[[f64; 1]], place: usize, usual: f64) -> usize {
    let groups = replica_groups(all, &[ALIKE * usual.abs()]);
    let own = groups.get(place).copied().unwrap_or(ReplicaGroup::Stray);
    let members = groups.iter().filter(|group| **group == own).count();
    if own == ReplicaGroup::Stray || 2 * members > all.len() { 0 } else { members - 1 }
}

impl Replica {
    fn new(name: &Arc<str>, arm: &Arm, at: UnixNanos) -> Self {
        Self {
            name: Arc::clone(name),
            arm: arm.clone(),
            first_at: at,
            last_at: at,
            requests: 0,
            errors: 0,
            duration_us: 0,
            covered: 0,
            levels: [None; METRICS.len() - OF_REQUESTS],
        }
    }

    fn begin(&mut self) {
        (self.requests, self.errors, self.duration_us, self.covered) = (0, 0, 0, 0);
        self.levels = [None; METRICS.len() - OF_REQUESTS];
    }

    /// What is known of the round; NaN where nothing is.
    fn metrics(&self, length: UnixNanos) -> [f64; METRICS.len()] {
        let mut metrics = [f64::NAN; METRICS.len()];
        let span = if self.covered > 0 { self.covered } else { length };
        let requests = self.requests as f64;
        metrics[0] = requests * NANOS_PER_SEC as f64 / span as f64;
        if self.requests >= REQUESTS_MIN {
            metrics[1] = self.errors as f64 / requests;
            metrics[2] = self.duration_us as f64 / 1e3 / requests;
        }
        for (metric, level) in metrics[OF_REQUESTS..].iter_mut().zip(&self.levels) {
            *metric = level.unwrap_or(f64::NAN);
        }
        metrics
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{CallSource, LatencySketch, Pod, ServiceKey};

    fn subject(pod: usize) -> Arc<Subject> {
        let arm = Arm { version: "1".into(), template_hash: "".into(), revision: "".into() };
        let name: Arc<str> = format!("cart-{pod}").into();
        let pod = Pod { id: Arc::clone(&name), name, node: "".into() };
        Arc::new(Subject { service: ServiceKey::named("cart"), arm, pod })
    }

    /// Replicas that serve for five hours, exporting every 15 s; then some of them take twice the memory and time. The watch, saved and
    /// restored at every step, and the points by second.
    fn played(pods: usize, odd: &[usize]) -> (SiblingWatch, Vec<(i64, f64)>) {
        let mut watch = SiblingWatch::default();
        let mut draws = models::testkit::Draws::new(4);
        let mut seen = Vec::new();
        for second in (0..18_600).step_by(15) {
            let at = second * NANOS_PER_SEC;
            for pod in 0..pods {
                let factor = if odd.contains(&pod) && second >= 18_000 { 2.0 } else { 1.0 };
                let row = CallRow {
                    subject: subject(pod),
                    operation: "".into(),
                    start_at: at - 15 * NANOS_PER_SEC,
                    end_at: at,
                    source: CallSource::ServerMetrics,
                    requests: 100 + draws.poisson(50.0),
                    errors: 0,
                    duration_us_sum: (2e6 * factor * (1.0 + 0.05 * draws.normal())) as u64,
                    duration: LatencySketch::default(),
                    own: LatencySketch::default(),
                    calls: 0,
                    exemplar_trace_ids: Vec::new(),
                };
                watch.on_call(&row);
                watch.on_resource(&ResourceRow {
                    subject: row.subject,
                    signal: ResourceSignal::Memory,
                    at,
                    value: 3e8 * factor * (1.0 + 0.01 * draws.normal()),
                    limit: None,
                });
            }
            watch = postcard::from_bytes(&postcard::to_stdvec(&watch).unwrap()).unwrap();
            seen.extend(watch.close(at, None).map(|point| (second, point.value)));
        }
        (watch, seen)
    }

    /// Scenario: one of five replicas becomes odd. Guarantees: the oddest is far more odd than ever, and named with what is odd;
    /// the saved state goes on the same.
    #[test]
    fn the_odd_replica_is_named() {
        let (watch, seen) = played(5, &[3]);
        let largest = |from: i64, to: i64| {
            let within = seen.iter().filter(|(second, _)| (from..to).contains(second));
            within.map(|(_, decades)| *decades).fold(0.0, f64::max)
        };
        assert!(seen.len() > 300);
        let (before, after) = (largest(9_000, 18_000), largest(18_000, 18_600));
        assert!(after > 1.3 * before, "{before} then {after}");
        let note = watch.note().unwrap();
        assert!(note.starts_with("cart-3 stands out by its ") && note.contains("its siblings"), "{note}");
    }

    /// Scenario: three of eight replicas become odd in the same way. Guarantees: they are told as three, not as one.
    #[test]
    fn a_camp_is_no_stray() {
        let note = played(8, &[1, 4, 6]).0.note().unwrap();
        assert!(note.contains(" and 2 more like it stand out by their memory"), "{note}");
    }
}
