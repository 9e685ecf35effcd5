//! The words of an explanation, line by line.

use contract::{Capsule, CloudEvent, Evidence, Family, RiskEvent};
use serde::Serialize;

use super::rules::sentence;
use super::{Remade, remake};

/// The word that the wire uses.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The explanation of an event, as lines.
#[must_use]
pub fn words(event: &CloudEvent<RiskEvent>) -> Vec<String> {
    let data = &event.data;
    let mut lines = who(event);
    lines.extend(judgement(data));
    lines.push(String::new());
    lines.push(format!(
        "Rule {} (version {}) {}.",
        data.rule.name,
        data.rule.version,
        sentence(&data.rule.name)
    ));
    section(&mut lines, "Seen, against what was expected", &data.evidence);
    section(&mut lines, "Against it, or ruled out", &data.counter_evidence);
    lines.extend(causes(data));
    lines.extend(data.family.iter().flat_map(family));
    if let Some(capsule) = &data.capsule {
        lines.extend(facts(capsule));
    }
    lines.push(String::new());
    lines.extend(remade(&remake(data), data.capsule.as_ref()));
    lines.push(format!("Evidence digest: {} (fits the event)", data.evidence_digest));
    lines
}

fn who(event: &CloudEvent<RiskEvent>) -> Vec<String> {
    let data = &event.data;
    let scope = &data.scope;
    let version = |name: &str| if name.is_empty() { "unnamed".to_owned() } else { name.to_owned() };
    let (status, origin) = (word(&data.status), word(&data.origin));
    let mut lines = vec![
        format!("Event {}", event.id),
        format!("Incident {}, revision {}, {status}, {origin}", data.incident_id, data.revision),
        format!("About {scope}, judged from {} to {}", data.window.start, data.window.end),
    ];
    if let Some(change) = &data.change {
        let mut text = format!(
            "Change: {} from {} to {}",
            word(&change.kind),
            version(&change.from),
            version(&change.to)
        );
        text += &format!(", first seen or announced at {}", change.at);
        text += &change.commit.as_ref().map_or_else(String::new, |commit| format!(", commit {commit}"));
        text += &change.author.as_ref().map_or_else(String::new, |author| format!(", by {author}"));
        lines.push(text);
    }
    lines.push(String::new());
    lines.push(data.explanation.clone());
    lines
}

fn judgement(data: &RiskEvent) -> Vec<String> {
    let a = &data.assessment;
    vec![
        String::new(),
        format!(
            "Level {}, risk {}: failure probability {}, severity {}, impact {}.",
            word(&a.level),
            a.risk,
            a.failure_probability,
            a.severity,
            a.impact
        ),
        format!("Confidence {}; maturity of the expectation {}.", a.confidence, a.maturity),
    ]
}

fn section(lines: &mut Vec<String>, title: &str, evidence: &[Evidence]) {
    lines.push(String::new());
    if evidence.is_empty() {
        lines.push(format!("{title}: nothing."));
        return;
    }
    lines.push(format!("{title}:"));
    for item in evidence {
        lines.push(format!("  {}: {}", item.signal, item.text));
        let strength = match (item.e_value, item.p_value) {
            (Some(e), _) => format!(", e-value {e}"),
            (None, Some(p)) => format!(", p-value {p}"),
            (None, None) => String::new(),
        };
        lines.push(format!(
            "    observed {}, expected {}, normal {} to {} [{}]{strength}, carries {}",
            item.observed, item.expected, item.lower, item.upper, item.unit, item.contribution
        ));
        if !item.exemplar_trace_ids.is_empty() {
            lines.push(format!("    traces {}", item.exemplar_trace_ids.join(", ")));
        }
    }
}

fn causes(data: &RiskEvent) -> Vec<String> {
    let mut lines = vec![String::new()];
    for cause in &data.causes {
        lines.push(format!("Suspect: {} ({}), confidence {}", cause.service, cause.kind, cause.confidence));
    }
    for remedy in &data.recommended {
        lines.push(format!("Recommended: {} of {}: {}", word(&remedy.action), remedy.target, remedy.reason));
    }
    lines
}

fn family(family: &Family) -> Vec<String> {
    let list = |title: &str, traits: &[String]| {
        (!traits.is_empty()).then(|| format!("  {title}: {}", traits.join(", ")))
    };
    let mut lines = vec![
        String::new(),
        format!("Seen before: {} (family {}), {} incident(s)", family.name, family.id, family.members),
        format!("  from {} to {}, on {}", family.first_at, family.last_at, family.services.join(", ")),
        format!("  ended: {}", family.ended()),
    ];
    lines.extend(list("this one shares", &family.shared));
    lines.extend(list("lacks so far", &family.missing));
    lines.extend(list("shows besides", &family.unusual));
    let nearest = family.nearest_incident.as_ref().map(|id| format!("; most like incident {id}"));
    lines.push(format!("  likeness {}{}", family.likeness, nearest.unwrap_or_default()));
    lines.push("  For information: no level and no recommendation rests on it.".to_owned());
    lines
}

fn facts(capsule: &Capsule) -> Vec<String> {
    let mut lines = vec![String::new(), "Numbers behind it:".to_owned()];
    lines.extend(capsule.facts.iter().map(|(name, value)| format!("  {name} = {value}")));
    lines
}

fn remade(remade: &Remade, capsule: Option<&Capsule>) -> Vec<String> {
    let rerun = match remade {
        Remade::Not(why) => return vec![format!("Not made again: {why}.")],
        Remade::Ran(rerun) => rerun,
    };
    let n_rows = capsule.map_or(0, |capsule| capsule.rows.len());
    let before = capsule.map_or(0, |capsule| capsule.n_rows_before);
    let verdict =
        if rerun.is_same { "the same state, bit for bit" } else { "ANOTHER state than the event tells" };
    vec![
        format!(
            "Made again from the event alone: {n_rows} rows of {} ticks on the state of {before} rows before them",
            rerun.n_ticks
        ),
        format!(
            "  give {:?} with ln e = {:.4} after {:.0} s: {verdict}.",
            rerun.decision, rerun.ln_e, rerun.elapsed_secs
        ),
    ]
}
