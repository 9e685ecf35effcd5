//! A notice to a risk event: ids from content, evidence in numbers and words.
//!
//! Promises: the same notice gives the same bytes; no wall clock; the explanation says nothing that the evidence does
//! not hold. What it does not do: weigh (`risk`) or send (`wiring`).

use contract::{
    Capsule, Cause, CloudEvent, Evidence, Family, Level, Origin, RISK_SCHEMA_VERSION, RemedyKind, RiskEvent,
    RiskStatus, Rule, Timestamp, Window, rounded,
};
use engine::operator::Message;
use engine::record::NANOS_PER_SEC;

use crate::incident::{Incident, LEVEL_HELD, Notice};
use crate::risk;

/// CloudEvent `source` of everything that the engine says.
pub const SOURCE: &str = "bellwether/engine";

/// Id of an incident, fixed at opening.
#[must_use]
pub fn incident_id(incident: &Incident) -> String {
    let at = Timestamp::from_unix_nanos(incident.first_window_end);
    contract::incident_id(&incident.key.scope(), at, incident.first_rule.as_str())
}

/// The event of a notice; `capsule` is what its judgement can be made again from, `family` what ended before and was like it.
#[must_use]
pub fn build(notice: &Notice, origin: Origin, capsule: Option<Capsule>, family: Option<Family>) -> RiskEvent {
    let incident = &notice.incident;
    let (evidence, counter_evidence) = evidence_of(incident);
    let scope = incident.key.scope();
    let since = incident.leading().map_or(incident.first_window_end, |lead| lead.since);
    let mut event = RiskEvent {
        schema_version: RISK_SCHEMA_VERSION.to_owned(),
        incident_id: incident_id(incident),
        revision: incident.revision,
        status: notice.status,
        origin,
        window: Window {
            start: Timestamp::from_unix_nanos(since.min(notice.window_end)),
            end: Timestamp::from_unix_nanos(notice.window_end),
        },
        change: incident.change.clone(),
        assessment: risk::assess(incident),
        causes: causes_of(incident, evidence.len()),
        evidence,
        counter_evidence,
        similar: Vec::new(),
        family,
        forecast: incident.leading().and_then(|lead| lead.forecast.clone()),
        recommended: if notice.status == RiskStatus::Resolved {
            Vec::new()
        } else {
            risk::recommend(incident)
        },
        rule: Rule { name: incident.first_rule.as_str().to_owned(), version: incident.first_rule.version() },
        capsule,
        evidence_digest: String::new(),
        explanation: String::new(),
        scope,
    };
    event.explanation = explain(notice, &event);
    event.evidence_digest = event.digest();
    event
}

/// The message of an event, in CloudEvents structured mode for the embedded store; `ce_*` headers for Kafka.
#[must_use]
pub fn message(event: RiskEvent) -> Message {
    let event: CloudEvent<RiskEvent> = event.into_cloud_event(SOURCE);
    let headers = event.headers().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let value = serde_json::to_vec(&event).expect("strings, numbers and lists always serialise");
    Message { topic: "risk-events".to_owned(), key: event.data.scope.key(), headers, value: value.into() }
}

fn evidence_of(incident: &Incident) -> (Vec<Evidence>, Vec<Evidence>) {
    let own = &incident.key.service;
    let mut findings: Vec<_> = incident.findings.values().collect();
    findings.sort_by(|a, b| (&a.service != own).cmp(&(&b.service != own)).then(a.rule.cmp(&b.rule)));
    let mut evidence: Vec<Evidence> = findings.iter().flat_map(|finding| finding.evidence.clone()).collect();
    let mut counter: Vec<Evidence> =
        findings.iter().flat_map(|finding| finding.counter_evidence.clone()).collect();
    evidence.truncate(16);
    counter.truncate(16);
    evidence.iter_mut().chain(counter.iter_mut()).for_each(round_evidence);
    (evidence, counter)
}

fn round_evidence(evidence: &mut Evidence) {
    let numbers = [
        &mut evidence.expected,
        &mut evidence.lower,
        &mut evidence.upper,
        &mut evidence.observed,
        &mut evidence.contribution,
    ];
    numbers.into_iter().for_each(|number| *number = rounded(*number));
    evidence.p_value = evidence.p_value.map(rounded);
    evidence.e_value = evidence.e_value.map(rounded);
}

fn causes_of(incident: &Incident, n_evidence: usize) -> Vec<Cause> {
    let service = incident.key.service.service.to_string();
    let confidence = risk::assess(incident).confidence;
    let refs = (0..n_evidence.min(4)).map(|at| at as u32).collect();
    let (kind, remediation) = match incident.key.suspect {
        Some(_) => ("change", Some(RemedyKind::GitRevert)),
        None => ("unknown", Some(RemedyKind::Page)),
    };
    vec![Cause { service, kind: kind.to_owned(), confidence, evidence_refs: refs, remediation }]
}

fn explain(notice: &Notice, event: &RiskEvent) -> String {
    let incident = &notice.incident;
    let who = match &incident.key.suspect {
        Some(suspect) => {
            let [new, stable] = suspect.names();
            format!("{} {new} (compared with {stable})", event.scope.service)
        }
        None => event.scope.service.clone(),
    };
    if let Some(reason) = &notice.resolution {
        return format!("Resolved: {who}: {reason}.");
    }
    let mut sentences = vec![format!("{who}, rule {}.", event.rule.name)];
    sentences.extend(event.evidence.iter().take(4).map(|evidence| format!("{}.", evidence.text)));
    sentences.extend(
        event.counter_evidence.iter().take(1).map(|evidence| format!("Against it: {}.", evidence.text)),
    );
    let symptoms: Vec<String> =
        incident.symptom_services().map(|service| service.service.to_string()).collect();
    if !symptoms.is_empty() {
        sentences.push(format!("Callers show it too: {}.", symptoms.join(", ")));
    }
    sentences.extend(level_in_words(incident));
    sentences.extend(event.family.as_ref().map(family_in_words));
    if let Some(outcome) = incident.outcomes.last() {
        sentences.push(format!("Actuator: {} {}: {}.", outcome.action, outcome.target, outcome.reason));
    }
    sentences.join(" ")
}

/// What is known of incidents like this one.
fn family_in_words(family: &Family) -> String {
    let (times, services) = (family.members, family.services.join(", "));
    let seen = if times == 1 { "once".to_owned() } else { format!("{times} times") };
    format!(
        "Seen before {seen} ({}), last at {} on {services}; ended: {}.",
        family.name,
        family.last_at,
        family.ended()
    )
}

/// Why the level is not what is asked for now, or is less than it was.
fn level_in_words(incident: &Incident) -> Option<String> {
    let secs = LEVEL_HELD / NANOS_PER_SEC;
    let (level, asked) = (incident.level(), incident.asked_level());
    if let Some(before) = incident.fell_from {
        return Some(format!(
            "The level fell from {} to {}: for {secs} s nothing asked for more.",
            name_of(before),
            name_of(level)
        ));
    }
    (asked < level).then(|| {
        format!(
            "What is found at this moment asks for {}; {} stands until that lasts {secs} s.",
            name_of(asked),
            name_of(level)
        )
    })
}

fn name_of(level: Level) -> &'static str {
    match level {
        Level::Monitor => "monitor",
        Level::Alert => "alert",
        Level::Act => "act",
    }
}
