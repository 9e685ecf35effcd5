//! Plays the story in real time: ticks the shop, carries the cues out, reconciles, exports, and watches.
//!
//! Promises: one loop holds all state; a tick that comes late simulates what was missed, up to a second. It decides
//! nothing about the fault: that is the engine's and the actuator's.

use std::time::Duration;

use contract::{CloudEvent, RiskEvent, Timestamp};
use tokio::sync::mpsc;

use super::children::Children;
use super::follow;
use super::health::Health;
use super::place::Place;
use crate::cli::Plan;
use crate::exporter::Exporter;
use crate::gitops::{Controller, Manifest, Order, Repository, Steps, reverted_by, template_hash};
use crate::output::{Happening, Style, Tone};
use crate::shop::{Disturbance, Fleet, SECOND, SERVICES, Shop, Step, Template, UnixNanos, service_named};
use crate::story::{Change, Cue, Story};
use crate::telemetry::{Intervals, Outbox};
use crate::timeline::{Summary, Timeline};
use crate::{DemoError, clock};

/// Length of a tick.
const TICK: Duration = Duration::from_millis(100);
/// A tick that is later than this skips ahead.
const LATE_MAX: UnixNanos = SECOND;
/// How often the controller looks at the repository.
const SYNC_EVERY: UnixNanos = SECOND / 2;
/// How long the senders get at the end.
const FLUSH_MAX: Duration = Duration::from_secs(3);
/// Age of the first commit: the shop did not begin today.
const FIRST_COMMIT_AGE_SECS: i64 = 3 * 86_400;

/// All state of one run.
#[derive(Debug)]
pub(crate) struct Stage {
    story: Story,
    style: Style,
    shop: Shop,
    fleet: Fleet,
    controller: Controller,
    repository: Repository,
    outbox: Outbox,
    timeline: Timeline,
    health: Health,
    disturbance: Disturbance,
    manifests: Vec<Manifest>,
    started_at: UnixNanos,
    stepped_at: UnixNanos,
    synced_at: UnixNanos,
    synced: String,
    seen: String,
    own_commits: Vec<String>,
    next_cue: usize,
    bad_since: Option<UnixNanos>,
}

impl Stage {
    /// The shop as it runs before the story begins.
    ///
    /// # Errors
    /// [`DemoError::Git`] if the repository cannot be made.
    pub(crate) fn build(
        plan: &Plan,
        story: Story,
        seed: u64,
        style: Style,
        place: &Place,
    ) -> Result<Self, DemoError> {
        let now = clock::unix_nanos();
        let manifests: Vec<Manifest> = SERVICES.iter().map(first_manifest).collect();
        let repository = Repository::create(place.dir(), &manifests, now / SECOND - FIRST_COMMIT_AGE_SECS)?;
        let head = repository.head()?.unwrap_or_default();
        let intervals = Intervals::by_spans(plan.export_interval.as_nanos() as UnixNanos);
        let timeline = Timeline::new(story.fault, seed, story.service_name());
        let mut stage = Self {
            shop: Shop::new(seed, plan.front_rps, now),
            fleet: Fleet::new(seed, story.broken.clone()),
            controller: Controller::new(Steps::default()),
            repository,
            outbox: Outbox::new(seed, intervals),
            timeline,
            health: Health::default(),
            disturbance: Disturbance::NONE,
            manifests,
            started_at: now,
            stepped_at: now,
            synced_at: now,
            synced: head.clone(),
            seen: head.clone(),
            own_commits: Vec::new(),
            next_cue: 0,
            bad_since: None,
            story,
            style,
        };
        stage.desire(&head)?;
        stage.obey(now, true);
        Ok(stage)
    }

    /// Plays the story to its end.
    ///
    /// # Errors
    /// [`DemoError`] if a program ends or git fails.
    pub(crate) async fn play(
        &mut self,
        place: &Place,
        children: &mut Children,
    ) -> Result<Summary, DemoError> {
        let exporter = Exporter::start(place.http_address, place.grpc_address);
        let (mut events, following) = follow::start(place.api_address);
        self.started_at = clock::unix_nanos();
        self.stepped_at = self.started_at;
        let n_pods = self.fleet.pods().count();
        self.say(
            Tone::Note,
            format!("{} services in {n_pods} pods, engine and actuator are ready", SERVICES.len()),
        );
        if place.is_kept() {
            self.say(Tone::Note, format!("everything is kept in {}", place.dir().display()));
        }
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let now = clock::unix_nanos();
            self.cue(now)?;
            self.watch_git(now)?;
            self.step(now, &exporter);
            self.listen(&mut events, now);
            self.look_after(now);
            children.check()?;
            if self.is_over(now) {
                break;
            }
        }
        following.abort();
        let dropped = self.outbox.dropped();
        let tally = exporter.finish(FLUSH_MAX).await;
        let exported = serde_json::to_string(&tally).unwrap_or_default();
        self.say(Tone::Note, format!("exported {exported}, dropped before export {dropped}"));
        let minutes = (self.elapsed_secs(clock::unix_nanos()) / 6.0).round() / 10.0;
        Ok(Summary { minutes, ..self.timeline.summary() })
    }

    fn step(&mut self, now: UnixNanos, exporter: &Exporter) {
        self.fleet.advance(now);
        self.obey(now, false);
        let from = self.stepped_at.max(now - LATE_MAX);
        let step = self.shop.step(from, now, &self.fleet, self.disturbance);
        self.stepped_at = now;
        self.notice_fault(&step, now);
        self.health.add(now, step.front_requests, step.front_failures);
        self.outbox.take(step, &self.fleet, now);
        for batch in self.outbox.due(&self.fleet, now) {
            exporter.send(batch);
        }
    }

    fn notice_fault(&mut self, step: &Step, now: UnixNanos) {
        if step.faulty_requests > 0 && self.timeline.fault_active(at(now)) {
            let text = format!("the first bad pod of {} takes traffic", self.story.service_name());
            self.say(Tone::Fault, text);
        }
    }

    /// Carries the controller's orders out; `is_first` for the pods that ran before the story.
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

    fn cue(&mut self, now: UnixNanos) -> Result<(), DemoError> {
        while let Some((at_secs, cue)) = self.story.cues.get(self.next_cue) {
            if self.elapsed_secs(now) < *at_secs {
                break;
            }
            let cue = cue.clone();
            self.next_cue += 1;
            match cue {
                Cue::Release(change) => {
                    let commit = self.commit(&change, now)?;
                    self.say(Tone::Shop, describe("good release", &change, &commit));
                }
                Cue::BadChange(change) => {
                    let commit = self.commit(&change, now)?;
                    self.timeline.bad_change(&commit);
                    self.bad_since = Some(now);
                    self.say(Tone::Fault, describe("bad change", &change, &commit));
                }
                Cue::Disturb(disturbance) => self.disturb(disturbance, now),
            }
        }
        Ok(())
    }

    fn disturb(&mut self, disturbance: Disturbance, now: UnixNanos) {
        self.disturbance = disturbance;
        let text = if disturbance == Disturbance::NONE {
            "the disturbance is over".to_owned()
        } else {
            self.timeline.fault_active(at(now));
            format!(
                "load x{}, database x{} slower and {} % of its requests fail, by nobody's change",
                disturbance.load_factor,
                disturbance.database_latency_factor,
                disturbance.database_error_share * 100.0
            )
        };
        self.say(Tone::Fault, text);
    }

    fn commit(&mut self, change: &Change, now: UnixNanos) -> Result<String, DemoError> {
        let Some(manifest) = self.manifests.get_mut(change.service) else { return Ok(String::new()) };
        if let Some(version) = &change.version {
            manifest.version.clone_from(version);
        }
        if let Some((name, value)) = &change.setting {
            manifest.env.insert(name.clone(), value.clone());
        }
        let changed = std::slice::from_ref(manifest);
        let commit = self.repository.commit(changed, change.author, &change.message, now / SECOND)?;
        self.own_commits.push(commit.clone());
        Ok(commit)
    }

    /// Looks for commits of others at every tick, and syncs the desired state at the controller's pace.
    fn watch_git(&mut self, now: UnixNanos) -> Result<(), DemoError> {
        let Some(head) = self.repository.head()? else { return Ok(()) };
        if head != self.seen {
            for commit in self.repository.commits_since(&self.seen)? {
                if self.own_commits.contains(&commit.id) {
                    continue;
                }
                let text = match reverted_by(&commit.message) {
                    Some(reverted) => {
                        self.timeline.reverted(&reverted, at(now));
                        format!("{} reverts {}: {}", short(&commit.id), short(&reverted), commit.subject)
                    }
                    None => format!("{} by {}: {}", short(&commit.id), commit.author, commit.subject),
                };
                self.say(Tone::Actuator, text);
            }
            self.seen.clone_from(&head);
        }
        if now >= self.synced_at + SYNC_EVERY {
            self.synced_at = now;
            if head != self.synced {
                self.desire(&head)?;
                self.synced = head;
            }
        }
        Ok(())
    }

    fn desire(&mut self, commit: &str) -> Result<(), DemoError> {
        for manifest in self.repository.manifests(commit)? {
            let Some(service) = service_named(&manifest.service) else { continue };
            let hash = template_hash(&manifest);
            let (replicas, version, env) = (manifest.replicas, manifest.version, manifest.env);
            self.controller.desire(Template { service, version, env, hash }, replicas, commit);
        }
        Ok(())
    }

    fn listen(&mut self, events: &mut mpsc::Receiver<CloudEvent<RiskEvent>>, now: UnixNanos) {
        while let Ok(event) = events.try_recv() {
            let text = in_words(&event.data);
            if self.timeline.risk_event(event, at(now)) {
                self.say(Tone::Engine, text);
            }
        }
    }

    fn look_after(&mut self, now: UnixNanos) {
        let has_bad_pod = self.fleet.pods().any(|pod| pod.is_alive() && pod.behaviour.faulty);
        let is_well = self.health.is_well() && !has_bad_pod && self.disturbance == Disturbance::NONE;
        if is_well && self.timeline.healthy(at(now)) {
            self.say(Tone::Well, "the shop is healthy again".to_owned());
        }
    }

    fn is_over(&self, now: UnixNanos) -> bool {
        match self.bad_since {
            Some(since) => {
                let waited_secs = (now - since) as f64 / SECOND as f64;
                self.timeline.is_healed() || waited_secs > self.story.patience_secs
            }
            None => !self.story.fault.is_real() && self.elapsed_secs(now) >= self.story.ends_at_secs,
        }
    }

    fn elapsed_secs(&self, now: UnixNanos) -> f64 {
        (now - self.started_at) as f64 / SECOND as f64
    }

    fn say(&self, tone: Tone, text: String) {
        let at_s = (self.elapsed_secs(clock::unix_nanos()) * 10.0).round() / 10.0;
        self.style.happening(&Happening { at_s, tone, text });
    }
}

fn first_manifest(service: &crate::shop::Service) -> Manifest {
    Manifest {
        service: service.name.to_owned(),
        version: service.version.to_owned(),
        replicas: service.replicas,
        env: [("UPSTREAM_TIMEOUT_MS".to_owned(), "2000".to_owned())].into(),
    }
}

fn at(now: UnixNanos) -> Timestamp {
    Timestamp::from_unix_nanos(now)
}

fn describe(what: &str, change: &Change, commit: &str) -> String {
    let subject = change.message.lines().next().unwrap_or_default();
    format!("{what} {} by {}: {subject}", short(commit), change.author)
}

fn short(commit: &str) -> String {
    commit.chars().take(10).collect()
}

fn in_words(event: &RiskEvent) -> String {
    let level = serde_json::to_string(&event.assessment.level).unwrap_or_default();
    let status = serde_json::to_string(&event.status).unwrap_or_default();
    format!(
        "{} {} {} r{}: {}",
        status.trim_matches('"'),
        level.trim_matches('"'),
        event.scope.service,
        event.revision,
        event.explanation.lines().next().unwrap_or_default()
    )
}
