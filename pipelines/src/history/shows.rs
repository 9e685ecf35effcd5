//! What an incident shows at this moment, as a fingerprint: kinds of signals and how far they are off, never whose they are.
//!
//! A trait that is shown counts 0.6, and up to 0.4 more by how far it is off on a logarithmic scale; support that carries none of the
//! evidence counts 0.35. So two incidents that differ in what they show are further apart than two that differ in how much.
//! Context counts as `docs/families.md` says: a suspected change more than the reach of a family, since what to do differs.

use contract::Evidence;
use engine::record::NANOS_PER_SEC;
use models::families::Fingerprint;

use super::trait_name::Trait;
use crate::incident::Incident;
use crate::scoring::{Finding, RuleName};

/// What a suspected change counts.
const CHANGE: f64 = 0.8;
/// What a late onset counts at the most, and after how many seconds.
const LATE: f64 = 0.4;
const LATE_SECS: f64 = 3_600.0;
/// An onset within so many seconds of the change is none that is late.
const SOON_SECS: f64 = 300.0;
/// What one caller with symptoms counts, and each further one.
const SPREAD: (f64, f64, f64) = (0.2, 0.1, 0.4);
const SHOWN: f64 = 0.6;
const SUPPORT: f64 = 0.35;
/// Share of a finding's strongest contribution below which evidence is support.
const MINOR: f64 = 0.05;

/// The fingerprint of what stands now; what is over leaves it.
pub(super) fn shown_by(incident: &Incident) -> Fingerprint {
    let mut traits = [0.0_f64; Trait::ALL.len()];
    let own = incident.findings.values().filter(|finding| finding.service == incident.key.service);
    let shown: Vec<(Trait, f64)> = own.flat_map(of_finding).collect();
    for (of, strength) in context(incident).into_iter().chain(shown) {
        let known = &mut traits[of as usize];
        *known = known.max(strength);
    }
    Fingerprint::new(&traits)
}

fn context(incident: &Incident) -> Vec<(Trait, f64)> {
    let mut context = Vec::new();
    if let Some(suspect) = &incident.key.suspect {
        context.push((Trait::Change, CHANGE));
        let secs = (incident.first_window_end - suspect.first_at) as f64 / NANOS_PER_SEC as f64;
        if secs > SOON_SECS {
            let part = libm::log(secs / SOON_SECS) / libm::log(LATE_SECS / SOON_SECS);
            context.push((Trait::Late, LATE * part.min(1.0)));
        }
    }
    let callers = incident.symptom_services().count();
    if callers > 0 {
        let (first, more, most) = SPREAD;
        context.push((Trait::Spread, (first + more * (callers - 1) as f64).min(most)));
    }
    context
}

fn of_finding(finding: &Finding) -> Vec<(Trait, f64)> {
    let strongest = finding.evidence.iter().map(|evidence| evidence.contribution).fold(0.0, f64::max);
    let mut shown: Vec<(Trait, f64)> = finding
        .evidence
        .iter()
        .map(|evidence| {
            let of = of_evidence(finding.rule, evidence);
            let is_support = evidence.contribution < MINOR * strongest;
            let strength = if is_support { SUPPORT } else { SHOWN + (1.0 - SHOWN) * size(of, evidence) };
            (of, strength)
        })
        .collect();
    // a lone pod speaks against a version, and tells of one replica all the same
    if finding.counter_evidence.iter().any(|evidence| evidence.signal == "pods") {
        shown.push((Trait::OneReplica, SUPPORT));
    }
    if finding.rule == RuleName::Baseline {
        // traffic that explains the rest stands against it
        let explains =
            finding.counter_evidence.iter().map(|evidence| (of_evidence(finding.rule, evidence), SUPPORT));
        shown.extend(explains.filter(|(of, _)| *of == Trait::TrafficUp));
    }
    shown
}

/// What a piece of evidence is a sign of.
fn of_evidence(rule: RuleName, evidence: &Evidence) -> Trait {
    let signal = evidence.signal.as_str();
    match rule {
        RuleName::CanaryTest | RuleName::BeforeAfter | RuleName::Slo | RuleName::Silence => compared(signal),
        RuleName::Exhaustion => match signal.strip_suffix(" exhaustion").unwrap_or(signal) {
            "memory" | "heap" => Trait::MemoryRunsOut,
            "disk" => Trait::DiskRunsOut,
            "file descriptors" | "threads" => Trait::HandlesRunOut,
            "connections" | "requests that wait for a connection" => Trait::ConnectionsRunOut,
            _ => Trait::OtherRunsOut,
        },
        RuleName::Absence if signal == "signs of life" => Trait::Gone,
        RuleName::Absence => Trait::SignalStopped,
        RuleName::Baseline => of_series(signal, evidence.observed > evidence.expected),
    }
}

fn compared(signal: &str) -> Trait {
    match signal {
        "new log templates" => Trait::NewLines,
        "more log lines" | "fewer log lines" => Trait::LineRates,
        "requests" => Trait::Silence,
        "restarts" => Trait::Restarts,
        _ if signal.starts_with("errors") => Trait::Errors,
        _ if signal.starts_with("own time") => Trait::SlowItself,
        _ => Trait::Slow,
    }
}

/// A series of a service's own past, by the words that name it.
fn of_series(signal: &str, is_above: bool) -> Trait {
    let begins = |words: &str| signal.starts_with(words);
    match signal {
        "difference between pods" => Trait::OneReplica,
        "signals together" => Trait::Together,
        "processor use a pod" => Trait::Processor,
        "memory a pod" | "heap a pod" => Trait::Memory,
        "restarts a pod" | "kills for want of memory a pod" => Trait::Restarts,
        _ if begins("request rate") && is_above => Trait::TrafficUp,
        _ if begins("request rate") => Trait::TrafficDown,
        _ if begins("error share") => Trait::Errors,
        _ if begins("latency p90") || begins("mean latency") => Trait::Slow,
        _ if begins("log lines a request") => Trait::LineRates,
        _ if signal.ends_with(" a pod") => Trait::OtherResource,
        _ => Trait::OwnMetric,
    }
}

/// How far it is off, 0 to 1, on a scale that means the same whatever the service.
fn size(of: Trait, evidence: &Evidence) -> f64 {
    let (observed, expected) = (evidence.observed, evidence.expected);
    let decades = |ratio: f64, most: f64| (libm::log10(ratio.max(1e-9)) / most).clamp(0.0, 1.0);
    let size = match (of, evidence.unit.as_str()) {
        // 0.1 % of the requests to all of them
        (Trait::Errors | Trait::Slow | Trait::SlowItself, "1") => decades((observed - expected) / 1e-3, 3.0),
        // times: up to ten times what was expected, or was the limit
        (Trait::Slow | Trait::SlowItself, _) => {
            decades(observed / if expected > 0.0 { expected } else { evidence.upper }, 1.0)
        }
        (Trait::Restarts, _) => decades(observed, 2.0),
        (Trait::Silence | Trait::Gone | Trait::SignalStopped, _) => 0.5,
        (Trait::MemoryRunsOut | Trait::DiskRunsOut | Trait::HandlesRunOut | Trait::ConnectionsRunOut, _)
        | (Trait::OtherRunsOut, _) => (observed / evidence.upper.max(f64::MIN_POSITIVE)).clamp(0.0, 1.0),
        // usual deviations: three of them to three hundred
        _ => decades(
            (observed - expected).abs() / (evidence.upper - expected).abs().max(f64::MIN_POSITIVE),
            2.0,
        ),
    };
    // what is no number is not off
    size.max(0.0)
}

#[cfg(test)]
#[path = "shows_tests.rs"]
mod tests;
