//! The pods that run: what the GitOps stand-in changes and the requests are routed to.
//!
//! # Invariants
//! A pod has one template for life. Pods are kept in order of creation, so routing is the same in every run.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Behaviour, BrokenBuilds, Chance, SECOND, SERVICES, UnixNanos, behaviour_of};

/// Number of a pod, rising with creation.
pub type PodId = u32;

/// Seconds that a crashing container lives before it ends.
const CRASH_AFTER: UnixNanos = 700_000_000;
/// Back-off between two starts, at first; it doubles up to the maximum.
const BACK_OFF: UnixNanos = 2 * SECOND;
/// Memory limit of a container, in parts of what a warm pod uses.
const MEMORY_LIMIT: f64 = 2.0;
/// Longest back-off.
const BACK_OFF_MAX: UnixNanos = 16 * SECOND;

/// What makes a pod what it is; two pods with equal templates are interchangeable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Index of the service.
    pub service: usize,
    /// Image tag.
    pub version: String,
    /// Environment from the manifest.
    pub env: BTreeMap<String, String>,
    /// `pod-template-hash`: a function of the above.
    pub hash: String,
}

/// One pod.
#[derive(Debug, Clone)]
pub struct Pod {
    /// Its number.
    pub id: PodId,
    /// `k8s.pod.name`.
    pub name: String,
    /// `k8s.pod.uid`.
    pub uid: String,
    /// `k8s.node.name`.
    pub node: String,
    /// What it runs.
    pub template: Arc<Template>,
    /// Commit that brought its template.
    pub revision: Arc<str>,
    /// When it was created.
    pub created_at: UnixNanos,
    /// When it takes (or took) its first traffic.
    pub ready_at: UnixNanos,
    /// When it was told to end, if it was.
    pub ended_at: Option<UnixNanos>,
    /// Restarts of its container.
    pub restarts: u32,
    /// How it behaves.
    pub behaviour: Behaviour,
    /// Its own constant deviation from the others, around 1.
    pub speed: f64,
    starts_at: UnixNanos,
}

impl Pod {
    /// Whether requests are routed to it. There is no readiness probe: a running container is ready.
    #[must_use]
    pub fn takes_traffic(&self, now: UnixNanos) -> bool {
        let ended = self.ended_at.is_some_and(|at| at <= now);
        !ended && now >= self.starts_at && now >= self.ready_at
    }

    /// Whether it has been ready long enough to count for a rollout; a crashing pod never is.
    #[must_use]
    pub fn is_available(&self, now: UnixNanos) -> bool {
        !self.behaviour.crashes && self.takes_traffic(now) && now >= self.ready_at + SECOND / 2
    }

    /// Working set of its container, MiB: it warms up in the first minutes, and leaks if its image does. Beyond its limit the
    /// kernel ends the process ([`Fleet::advance`]).
    #[must_use]
    pub fn memory_mib(&self, now: UnixNanos) -> f64 {
        let base = self.base_mib();
        let secs_since = |at: UnixNanos| (now - at).max(0) as f64 / SECOND as f64;
        let age_secs = secs_since(self.ready_at);
        let warm = 0.7 + 0.3 * (1.0 - (-age_secs / 60.0).exp());
        let wave = 1.0 + 0.02 * (age_secs / 17.0 + f64::from(self.id)).sin();
        let leaked = self.behaviour.leak_per_sec * secs_since(self.starts_at) * self.memory_limit_mib();
        base * warm * wave * self.speed + leaked
    }

    /// Limit of its container, MiB.
    #[must_use]
    pub fn memory_limit_mib(&self) -> f64 {
        MEMORY_LIMIT * self.base_mib()
    }

    fn base_mib(&self) -> f64 {
        SERVICES.get(self.template.service).map_or(100.0, |spec| spec.memory_mib)
    }

    /// Whether it was not told to end.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.ended_at.is_none()
    }
}

/// All pods, living and lately ended.
#[derive(Debug)]
pub struct Fleet {
    pods: BTreeMap<PodId, Pod>,
    next: PodId,
    chance: Chance,
    broken: BrokenBuilds,
}

impl Fleet {
    /// No pods yet; `broken` are the images that do not do what they should.
    #[must_use]
    pub fn new(seed: u64, broken: BrokenBuilds) -> Self {
        Self { pods: BTreeMap::new(), next: 1, chance: Chance::new(seed, 23), broken }
    }

    /// Creates a pod; it is ready about a second later, or at once if `warm` (the shop as the demo finds it).
    pub fn create(
        &mut self,
        template: &Arc<Template>,
        revision: &Arc<str>,
        now: UnixNanos,
        warm: bool,
    ) -> PodId {
        let id = self.next;
        self.next += 1;
        let service = SERVICES.get(template.service).map_or("unknown", |service| service.name);
        let start_up = SECOND * 6 / 10 + (self.chance.unit() * 0.6 * SECOND as f64) as UnixNanos;
        let suffix: [u8; 3] = self.chance.bytes();
        let [a, b, c] = suffix;
        let aged = if warm { 3600 * SECOND } else { 0 };
        let ready_at = if warm { now - aged } else { now + start_up };
        let pod = Pod {
            id,
            name: format!("{service}-{}-{a:02x}{b:02x}{c:x}", template.hash),
            uid: uid(self.chance.bytes()),
            node: format!("node-{}", id % 5 + 1),
            template: Arc::clone(template),
            revision: Arc::clone(revision),
            created_at: now - aged,
            ready_at,
            ended_at: None,
            restarts: 0,
            behaviour: behaviour_of(template, &self.broken),
            speed: self.chance.lognormal(0.03),
            starts_at: ready_at,
        };
        self.pods.insert(id, pod);
        id
    }

    /// Tells a pod to end: no new request is routed to it.
    pub fn end(&mut self, id: PodId, now: UnixNanos) {
        if let Some(pod) = self.pods.get_mut(&id) {
            pod.ended_at.get_or_insert(now);
        }
    }

    /// Crashes what crashes or has no memory left, restarts it after its back-off, and forgets pods that ended a minute ago.
    pub fn advance(&mut self, now: UnixNanos) {
        for pod in self.pods.values_mut() {
            let crashes = pod.behaviour.crashes && now >= pod.starts_at + CRASH_AFTER;
            if (crashes || pod.memory_mib(now) >= pod.memory_limit_mib()) && pod.is_alive() {
                let back_off = (BACK_OFF << pod.restarts.min(8)).min(BACK_OFF_MAX);
                pod.restarts += 1;
                pod.starts_at = now + back_off;
            }
        }
        self.pods.retain(|_, pod| pod.ended_at.is_none_or(|at| now < at + 60 * SECOND));
    }

    /// All pods in order of creation.
    pub fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.pods.values()
    }

    /// One pod.
    #[must_use]
    pub fn pod(&self, id: PodId) -> Option<&Pod> {
        self.pods.get(&id)
    }

    /// For each service the pods that take traffic at `now`.
    #[must_use]
    pub fn routes(&self, now: UnixNanos) -> Vec<Vec<&Pod>> {
        let mut routes = vec![Vec::new(); SERVICES.len()];
        for pod in self.pods.values().filter(|pod| pod.takes_traffic(now)) {
            if let Some(route) = routes.get_mut(pod.template.service) {
                route.push(pod);
            }
        }
        routes
    }
}

fn uid(bytes: [u8; 16]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let groups = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    let part = |(from, to): (usize, usize)| hex.get(from..to).unwrap_or_default();
    groups.map(part).join("-")
}
