//! The demo's stories through the production lane in virtual time: what the engine decides, without sockets or waiting.
//!
//! The shop, its telemetry and the lane are those of `bellwether demo`; only transport, git and the actuator are left
//! out, which together take about a second. So a change of the tests can be tried on many seeds in little time.
#![expect(clippy::unwrap_used, reason = "a test may stop at any surprise")]
#![expect(clippy::print_stdout, reason = "the seed and the times are shown when a test fails")]

use std::sync::Arc;

use contract::{CloudEvent, Level, RiskEvent, RiskStatus};
use demo::gitops::{Controller, Manifest, Order, Steps, template_hash};
use demo::shop::{Disturbance, Fleet, SECOND, SERVICES, Shop, Template, UnixNanos};
use demo::story::{Change, Cue, Fault, Pace, Story};
use demo::telemetry::{Intervals, Outbox, SignalKind};
use engine::record::RecordKind;
use pipelines::config::read_files;
use pipelines::evaluate::Rig;

const START: UnixNanos = 1_790_000_000 * SECOND;
const TICK: UnixNanos = SECOND / 10;
const TRANSPORT: UnixNanos = SECOND / 100;
/// So much later in a second does each other shop begin.
const SHIFT: UnixNanos = 13 * SECOND / 100;

/// When the engine said what, in seconds after the fault; and what it called for besides.
#[derive(Debug, Default)]
struct Rehearsed {
    service: &'static str,
    alerted_s: Option<f64>,
    acted_s: Option<f64>,
    false_acts: usize,
    by: String,
}

struct Rehearsal {
    story: Story,
    fleet: Fleet,
    controller: Controller,
    manifests: Vec<Manifest>,
    disturbance: Disturbance,
    start: UnixNanos,
    next_cue: usize,
}

impl Rehearsal {
    fn new(story: Story, seed: u64, start: UnixNanos) -> Self {
        let manifest = |service: &demo::shop::Service| Manifest {
            service: service.name.to_owned(),
            version: service.version.to_owned(),
            replicas: service.replicas,
            env: [("UPSTREAM_TIMEOUT_MS".to_owned(), "2000".to_owned())].into(),
        };
        let fleet = Fleet::new(seed, story.broken.clone());
        let manifests: Vec<Manifest> = SERVICES.iter().map(manifest).collect();
        let (controller, disturbance) = (Controller::new(Steps::default()), Disturbance::NONE);
        let mut all = Self { story, fleet, controller, manifests, disturbance, start, next_cue: 0 };
        (0..SERVICES.len()).for_each(|service| all.desire(service));
        all.obey(start, true);
        all
    }

    fn desire(&mut self, service: usize) {
        let manifest = &self.manifests[service];
        let (version, env, hash) = (manifest.version.clone(), manifest.env.clone(), template_hash(manifest));
        let template = Template { service, version, env, hash };
        self.controller.desire(template, manifest.replicas, "0123456789abcdef");
    }

    fn change(&mut self, change: &Change) {
        let manifest = &mut self.manifests[change.service];
        if let Some(version) = &change.version {
            manifest.version.clone_from(version);
        }
        manifest.env.extend(change.setting.clone());
        self.desire(change.service);
    }

    /// Carries cues out; whether a decoy begins.
    fn cue(&mut self, now: UnixNanos) -> bool {
        let mut disturbed = false;
        while let Some((at_secs, cue)) = self.story.cues.get(self.next_cue).cloned() {
            if ((now - self.start) as f64) < at_secs * SECOND as f64 {
                break;
            }
            self.next_cue += 1;
            match cue {
                Cue::Release(change) | Cue::BadChange(change) => self.change(&change),
                Cue::Disturb(disturbance) => {
                    self.disturbance = disturbance;
                    disturbed = true;
                }
            }
        }
        disturbed
    }

    fn obey(&mut self, now: UnixNanos, is_first: bool) {
        for order in self.controller.decide(&self.fleet, now) {
            match order {
                Order::Create { template, revision } => {
                    self.fleet.create(&template, &revision, now, is_first);
                }
                Order::End(id) => self.fleet.end(id, now),
            }
        }
    }
}

fn kind_of(kind: SignalKind) -> RecordKind {
    match kind {
        SignalKind::Traces => RecordKind::Spans,
        SignalKind::Logs => RecordKind::Logs,
        SignalKind::Metrics => RecordKind::Metrics,
    }
}

/// Plays a story until the engine has decided, or to the end.
fn rehearse(fault: Fault, seed: u64, pace: Pace) -> Rehearsed {
    let mut rig = Rig::new(&read_files(&[], &[]).unwrap()).unwrap();
    let story = Story::write(fault, seed, pace);
    let intervals = Intervals::by_spans(export_interval());
    let other = other_shop();
    let (draws, start) = (seed + 1_000 * other, START + other.cast_signed() * SHIFT);
    let (mut shop, mut outbox) = (Shop::new(draws, 200.0, start), Outbox::new(draws, intervals));
    let mut seen = Rehearsed { service: story.service_name(), ..Rehearsed::default() };
    let ends_at_secs = if fault.is_real() { pace.healthy_secs + 60.0 } else { story.ends_at_secs };
    let mut world = Rehearsal::new(story, seed, start);
    let (mut now, mut active_at) = (start, None);
    while ((now - start) as f64) < ends_at_secs * SECOND as f64 && seen.acted_s.is_none() {
        let from = now;
        now += TICK;
        if world.cue(now) {
            active_at.get_or_insert(now);
        }
        world.fleet.advance(now);
        world.obey(now, false);
        let step = shop.step(from, now, &world.fleet, world.disturbance);
        if step.faulty_requests > 0 {
            active_at.get_or_insert(now);
        }
        outbox.take(step, &world.fleet, now);
        for batch in outbox.due(&world.fleet, now) {
            let output = rig.feed_body(now + TRANSPORT, kind_of(batch.kind), batch.message).unwrap();
            for message in output.messages {
                let event: CloudEvent<RiskEvent> = serde_json::from_slice(&message.value).unwrap();
                seen.note(&event.data, fault, active_at.map(|at| (now - at) as f64 / SECOND as f64));
            }
        }
    }
    seen
}

impl Rehearsed {
    fn note(&mut self, risk: &RiskEvent, fault: Fault, since_s: Option<f64>) {
        let level = risk.assessment.level;
        let is_guilty = fault.is_real() && since_s.is_some() && risk.scope.service == self.service;
        if risk.status == RiskStatus::Resolved {
            return;
        }
        if level >= Level::Alert && is_guilty {
            self.alerted_s = self.alerted_s.or(since_s);
        }
        if level == Level::Act && is_guilty {
            self.acted_s = self.acted_s.or(since_s);
            let names: Vec<String> =
                risk.evidence.iter().map(|e| format!("{} {:.2}", e.signal, e.contribution)).collect();
            self.by = names.join(", ");
        }
        if level == Level::Act && !is_guilty {
            self.false_acts += 1;
            self.by = format!("{}: {}", risk.scope.service, risk.explanation);
        }
    }
}

fn rehearse_all(fault: Fault, seeds: std::ops::Range<u64>, pace: Pace) -> Vec<Rehearsed> {
    let next = Arc::new(std::sync::atomic::AtomicU64::new(seeds.start));
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let (next, end) = (Arc::clone(&next), seeds.end);
            std::thread::spawn(move || {
                let take = || next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                std::iter::from_fn(|| Some(take()).filter(|seed| *seed < end))
                    .map(|seed| (seed, rehearse(fault, seed, pace)))
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let mut all: Vec<_> = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
    all.sort_by_key(|(seed, _)| *seed);
    for (seed, run) in &all {
        println!("{} seed {seed}: {run:?}", fault.name());
    }
    all.into_iter().map(|(_, run)| run).collect()
}

/// The seeds of `SEEDS=21..41`, to look at more of them than a test has time for.
#[expect(clippy::disallowed_methods, reason = "which seeds a person looks at is no setting of the product")]
fn other_seeds() -> Option<std::ops::Range<u64>> {
    let text = std::env::var("SEEDS").ok()?;
    let (from, to) = text.split_once("..").unwrap();
    Some(from.parse().unwrap()..to.parse().unwrap())
}

/// The same stories in another shop, with other requests that begin elsewhere in a second: `SHOP=3`.
#[expect(clippy::disallowed_methods, reason = "as for the seeds")]
fn other_shop() -> u64 {
    std::env::var("SHOP").map_or(0, |nth| nth.parse().unwrap())
}

/// Healthy seconds before the fault: as the demo does by default, or `HEALTHY_SECS=150`.
#[expect(clippy::disallowed_methods, reason = "as for the seeds")]
fn pace() -> Pace {
    let healthy_secs = std::env::var("HEALTHY_SECS").map_or(75.0, |secs| secs.parse().unwrap());
    Pace { healthy_secs, decoy_secs: 60.0, leak_secs: 300.0 }
}

/// How often pods export spans: as the demo does by default, or `EXPORT_MS=5000`.
#[expect(clippy::disallowed_methods, reason = "as for the seeds")]
fn export_interval() -> UnixNanos {
    std::env::var("EXPORT_MS").map_or(SECOND, |ms| ms.parse::<UnixNanos>().unwrap() * SECOND / 1000)
}

/// Scenario: a version that takes 1.5 times as long, one good deploy after the start, under six seeds.
/// Guarantees: the engine asks for a revert in each, in four of them within 14 s of the first bad request; nothing else
/// is blamed.
#[test]
fn slow_versions_are_decided_in_time() {
    if let Some(seeds) = other_seeds() {
        let runs = rehearse_all(Fault::Latency, seeds, pace());
        assert!(runs.iter().all(|run| run.false_acts == 0), "{runs:?}");
        return;
    }
    let runs = rehearse_all(Fault::Latency, 5..11, pace());
    let within = |most: f64| runs.iter().filter(|run| run.acted_s.is_some_and(|secs| secs <= most)).count();
    assert!(within(14.0) >= 4 && within(60.0) == 6, "{runs:?}");
    assert!(runs.iter().all(|run| run.false_acts == 0), "{runs:?}");
}

/// Scenario: the decoys, and nothing at all for two minutes.
/// Guarantees: nobody is blamed.
#[test]
fn decoys_are_left_alone() {
    let healthy = Pace { healthy_secs: 120.0, ..pace() };
    let usual = pace();
    for (fault, pace) in [(Fault::TrafficPeak, usual), (Fault::SharedDatabase, usual), (Fault::None, healthy)]
    {
        let runs = rehearse_all(fault, 1..2, pace);
        assert!(runs.iter().all(|run| run.false_acts == 0), "{runs:?}");
    }
}
