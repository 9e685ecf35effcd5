//! What the tests say, as findings with evidence in numbers and words, and as a verdict.
//!
//! What this module does not do: decide. Every level comes from a test's own reading.

use contract::{Evidence, Level, Verdict, VerdictKind, VerdictSignal, rounded};
use engine::record::UnixNanos;
use models::sequential::{Decision, N_COUNTED, Reading, Reason, SignalReading};

use super::cost::CostReading;
use super::finding::{Finding, RuleName, Suspect};
use super::silence::{SilenceFinding, SilenceReading};
use super::yardstick::Limits;
use crate::features::ServiceKey;

/// Everything that the tests of one comparison say at a moment.
#[derive(Debug, Clone)]
pub(crate) struct Judged {
    pub(crate) reading: Option<Reading>,
    /// The largest evidence of the canary test so far.
    pub(crate) peak_ln_e: f64,
    pub(crate) silence: SilenceReading,
    pub(crate) cost: Option<CostReading>,
    pub(crate) canary_pods: usize,
    /// Other pods on the canary's nodes serve as they should.
    pub(crate) nodes_clean: bool,
    /// Other pods on a canary's node serve badly.
    pub(crate) nodes_sick: bool,
    pub(crate) exemplars: Vec<[u8; 16]>,
    pub(crate) limits: Limits,
}

/// Share of new versions that are bad, before anything is seen of them.
const PRIOR_BAD: f64 = 0.05;

/// Restarts after which a container fails by itself.
const FAILS_BY_ITSELF: f64 = 2.0;

/// `ln 1000`: the evidence that `act` needs.
const LN_ACT: f64 = 6.908;

/// Posterior probability that the new version is bad, from an e-value read as a Bayes factor.
pub(super) fn probability(ln_e: f64) -> f64 {
    let odds = PRIOR_BAD / (1.0 - PRIOR_BAD) * libm::exp(ln_e.clamp(-50.0, 50.0));
    odds / (1.0 + odds)
}

/// Whether the test has looked at the signal; own time is not told everywhere.
fn is_judged(signal: &SignalReading) -> bool {
    signal.canary_requests + signal.control_requests > 0
}

fn names(at: usize) -> (&'static str, &'static str) {
    match at {
        0 => ("errors", "fail"),
        1 => ("latency p50", "are slower than the stable version's median"),
        2 => ("latency p90", "are slower than the stable version's p90"),
        3 => ("latency p99", "are slower than the stable version's p99"),
        _ => ("own time p90", "take longer in the service itself than the stable version's p90"),
    }
}

/// Findings about the suspect, strongest rule first.
pub(crate) fn findings(
    service: &ServiceKey,
    suspect: &Suspect,
    judged: &Judged,
    at: UnixNanos,
) -> Vec<Finding> {
    let canary = judged.reading.as_ref().and_then(|reading| by_test(service, suspect, judged, reading, at));
    [canary, by_silence(service, suspect, judged, at)].into_iter().flatten().collect()
}

/// The level that the canary test asks for; one pod alone may ask for `act` only if its node is clean.
fn level_of(reading: &Reading, judged: &Judged) -> Level {
    match reading.decision {
        Decision::Act => Level::Act,
        // strong enough, but all on one pod: what else runs on its node decides
        Decision::Pause(Some(Reason::SinglePod)) if judged.nodes_clean && judged.peak_ln_e >= LN_ACT => {
            Level::Act
        }
        Decision::Pause(_) => Level::Alert,
        _ => Level::Monitor,
    }
}

fn by_test(
    service: &ServiceKey,
    suspect: &Suspect,
    judged: &Judged,
    reading: &Reading,
    at: UnixNanos,
) -> Option<Finding> {
    let level = level_of(reading, judged);
    if level == Level::Monitor {
        return None;
    }
    let mut evidence: Vec<Evidence> = (0..reading.signals.len())
        .filter(|&idx| reading.signals[idx].ln_e > 1.0)
        .map(|idx| evidence_of(idx, reading, judged))
        .collect();
    evidence.sort_by(|a, b| b.contribution.total_cmp(&a.contribution));
    let mut counter: Vec<Evidence> = (0..reading.signals.len())
        .filter(|&idx| reading.signals[idx].ln_e <= 0.0 && is_judged(&reading.signals[idx]))
        .map(|idx| evidence_of(idx, reading, judged))
        .collect();
    if matches!(reading.decision, Decision::Pause(Some(Reason::SinglePod))) && level == Level::Alert {
        counter.push(lone_pod());
    }
    let worst = reading.signals.iter().enumerate().map(|(idx, signal)| harm(idx, signal)).fold(0.0, f64::max);
    Some(Finding {
        rule: RuleName::CanaryTest,
        service: service.clone(),
        suspect: Some(suspect.clone()),
        since: suspect.first_at.min(at),
        at,
        level,
        failure_probability: probability(judged.peak_ln_e),
        severity: (5.0 * worst).clamp(0.1, 1.0),
        impact: 1.0,
        maturity: maturity(reading),
        evidence,
        counter_evidence: counter,
        forecast: None,
    })
}

/// Share of the requests, or of their time, by which the new version is worse.
fn harm(idx: usize, signal: &SignalReading) -> f64 {
    match idx {
        N_COUNTED if signal.observed > 0.0 => 1.0 - signal.expected / signal.observed,
        N_COUNTED => 0.0,
        _ => signal.observed - signal.expected,
    }
}

/// Two control pods are the least that tells noise from harm; ten tell it well.
fn maturity(reading: &Reading) -> f64 {
    (f64::from(reading.n_control_pods) / 4.0).clamp(0.25, 1.0)
}

/// Why nothing is decided yet, in words.
fn reason_of(reading: &Reading) -> String {
    let why = match reading.decision {
        Decision::Pause(reason) => reason,
        Decision::Inconclusive(reason) => Some(reason),
        _ => None,
    };
    match why {
        Some(Reason::PodsDiffer(sd)) => {
            format!("pods_differ: stable pods differ from each other (sd {sd:.2})")
        }
        Some(Reason::NeedsSeconds(secs)) => {
            format!("needs_seconds: about {secs} s more at this share of the traffic")
        }
        Some(reason) => reason.name().to_owned(),
        None => format!("nothing settled after {:.0} s", reading.elapsed_secs),
    }
}

fn lone_pod() -> Evidence {
    Evidence {
        signal: "pods".to_owned(),
        unit: "{pod}".to_owned(),
        expected: 2.0,
        lower: 2.0,
        upper: 2.0,
        observed: 1.0,
        p_value: None,
        e_value: None,
        contribution: 0.0,
        text: "it rests on a single pod, and nothing else on its node says whether the node is healthy"
            .to_owned(),
        exemplar_trace_ids: Vec::new(),
        log_templates: Vec::new(),
    }
}

fn evidence_of(idx: usize, reading: &Reading, judged: &Judged) -> Evidence {
    let signal = &reading.signals[idx];
    let (name, unit, per_unit) = name_and_unit(idx);
    let shown = |value: f64| rounded(value / per_unit);
    Evidence {
        signal: name.to_owned(),
        unit: unit.to_owned(),
        expected: shown(signal.expected),
        lower: shown(signal.lower),
        upper: shown(signal.upper),
        observed: shown(signal.observed),
        p_value: None,
        e_value: Some(libm::exp(signal.ln_e.clamp(-50.0, 50.0))),
        contribution: signal.contribution,
        text: if idx == N_COUNTED { time_text(signal) } else { share_text(idx, signal, judged) },
        exemplar_trace_ids: judged.exemplars.iter().map(super::hex).collect(),
        log_templates: Vec::new(),
    }
}

/// Name and unit of a signal, and what its readings are divided by to be in that unit.
fn name_and_unit(idx: usize) -> (&'static str, &'static str, f64) {
    if idx == N_COUNTED { ("own time", "ms", 1e3) } else { (names(idx).0, "1", 1.0) }
}

fn share_text(idx: usize, signal: &SignalReading, judged: &Judged) -> String {
    let limit_us = match idx {
        1..=3 => judged.limits.whole.map(|limits| limits[idx - 1]),
        4.. => judged.limits.own,
        0 => None,
    };
    let threshold =
        limit_us.map_or_else(String::new, |limit| format!(" ({:.1} ms, more for young pods)", limit / 1e3));
    format!(
        "{:.2} % of the new version's requests {}{threshold}, {:.2} % of the stable version's",
        100.0 * signal.observed,
        names(idx).1,
        100.0 * signal.expected
    )
}

fn time_text(signal: &SignalReading) -> String {
    format!(
        "the new version's requests typically take {:.2} ms in the service itself, the stable version's {:.2} ms; \
         up to {:.2} ms would pass, with what the pods' age excuses",
        signal.observed / 1e3,
        signal.expected / 1e3,
        signal.upper / 1e3
    )
}

fn by_silence(service: &ServiceKey, suspect: &Suspect, judged: &Judged, at: UnixNanos) -> Option<Finding> {
    let silence = &judged.silence;
    let level = match silence.finding {
        SilenceFinding::Fine => return None,
        SilenceFinding::Pause => Level::Alert,
        SilenceFinding::Act if judged.canary_pods >= 2 || judged.nodes_clean => Level::Act,
        // a container that ends again and again fails by itself, unless others on its node fare badly too
        SilenceFinding::Act if silence.restarts >= FAILS_BY_ITSELF && !judged.nodes_sick => Level::Act,
        SilenceFinding::Act => Level::Alert,
    };
    let evidence = silence_evidence(silence);
    let counter_evidence = match (silence.finding, level) {
        (SilenceFinding::Act, Level::Alert) => vec![lone_pod()],
        _ => Vec::new(),
    };
    let ln_e = silence.expected_requests + 2.0 * (silence.restarts - silence.stable_restarts).max(0.0);
    Some(Finding {
        rule: RuleName::Silence,
        service: service.clone(),
        suspect: Some(suspect.clone()),
        since: suspect.first_at.min(at),
        at,
        level,
        failure_probability: probability(ln_e),
        severity: 1.0,
        impact: 1.0,
        maturity: 1.0,
        evidence,
        counter_evidence,
        forecast: None,
    })
}

fn silence_evidence(silence: &SilenceReading) -> Vec<Evidence> {
    let restarts = silence.restarts - silence.stable_restarts;
    let plain = |signal: &str, unit: &str, expected: f64, observed: f64, text: String| Evidence {
        signal: signal.to_owned(),
        unit: unit.to_owned(),
        expected,
        lower: 0.0,
        upper: expected,
        observed,
        p_value: None,
        e_value: None,
        contribution: 0.5,
        text,
        exemplar_trace_ids: Vec::new(),
        log_templates: Vec::new(),
    };
    let verb = if silence.has_served { "fell silent" } else { "never served a request" };
    let text = format!(
        "its {} pod(s) {verb} for {:.0} s in which about {:.0} were to be expected",
        silence.pods, silence.silent_secs, silence.expected_requests
    );
    let mut evidence = vec![plain("requests", "{request}", silence.expected_requests, 0.0, text)];
    if restarts > 0.0 {
        let text = format!("its containers restarted {restarts:.0} time(s), the stable version's did not");
        evidence.insert(0, plain("restarts", "{restart}", 0.0, restarts, text));
    }
    evidence
}

/// The answer for a rollout controller.
pub(crate) fn verdict(service: &ServiceKey, suspect: &Suspect, judged: &Judged) -> Verdict {
    let silent = judged.silence.finding;
    let expensive = judged.cost.filter(|cost| cost.is_regression);
    let level = judged.reading.as_ref().map_or(Level::Monitor, |reading| level_of(reading, judged));
    let mut verdict = match (&judged.reading, silent) {
        (_, SilenceFinding::Act) => {
            said(VerdictKind::Fail, 0.99, silence_evidence(&judged.silence).remove(0).text)
        }
        (Some(reading), _) if level == Level::Act => {
            said(VerdictKind::Fail, probability(judged.peak_ln_e), strongest(reading, judged))
        }
        (_, SilenceFinding::Pause) => {
            said(VerdictKind::Inconclusive, 0.5, silence_evidence(&judged.silence).remove(0).text)
        }
        (Some(reading), _) if level == Level::Alert => {
            said(VerdictKind::Inconclusive, probability(reading.ln_e), strongest(reading, judged))
        }
        _ if expensive.is_some() => said(VerdictKind::Fail, 0.9, cost_text(&expensive)),
        (Some(reading), _) if reading.decision == Decision::Promote => {
            said(VerdictKind::Pass, probability(reading.ln_e), no_harm(reading))
        }
        (Some(reading), _) => said(VerdictKind::Inconclusive, probability(reading.ln_e), reason_of(reading)),
        (None, _) => said(VerdictKind::Inconclusive, 0.0, "no traffic of both versions yet".to_owned()),
    };
    verdict.needs_seconds = match verdict.verdict {
        VerdictKind::Inconclusive => judged.reading.as_ref().map_or(60, |reading| reading.needs_secs),
        _ => 0,
    };
    verdict.signals = judged.reading.as_ref().map_or_else(Vec::new, |reading| signals(&reading.signals));
    verdict.evidence_id = contract::content_id(&[
        "comparison",
        &service.scope().key(),
        suspect.arm.name(),
        &suspect.first_at.to_string(),
    ]);
    verdict
}

fn said(verdict: VerdictKind, risk: f64, reason: String) -> Verdict {
    let risk = rounded(risk);
    let confidence = match verdict {
        VerdictKind::Fail => risk,
        VerdictKind::Pass => 1.0 - risk,
        VerdictKind::Inconclusive => 0.0,
    };
    let confidence = rounded(confidence);
    Verdict {
        verdict,
        risk,
        confidence,
        reason,
        evidence_id: String::new(),
        needs_seconds: 0,
        signals: Vec::new(),
    }
}

fn no_harm(reading: &Reading) -> String {
    match reading.no_harm_above {
        Some(odds) => format!("no harm above {odds:.2} times the stable version's rates"),
        None => "harm of the tested size is excluded".to_owned(),
    }
}

fn strongest(reading: &Reading, judged: &Judged) -> String {
    let best = (0..reading.signals.len())
        .max_by(|&a, &b| reading.signals[a].ln_e.total_cmp(&reading.signals[b].ln_e));
    best.map_or_else(String::new, |idx| evidence_of(idx, reading, judged).text)
}

fn cost_text(cost: &Option<CostReading>) -> String {
    cost.map_or_else(String::new, |cost| {
        format!(
            "it needs {:.2} ms of CPU per request, the stable version {:.2} ms",
            cost.observed_ms, cost.expected_ms
        )
    })
}

fn signals(readings: &[SignalReading]) -> Vec<VerdictSignal> {
    let mut signals: Vec<VerdictSignal> = readings
        .iter()
        .enumerate()
        .filter(|(_, signal)| is_judged(signal))
        .map(|(idx, signal)| {
            let (name, _, per_unit) = name_and_unit(idx);
            VerdictSignal {
                name: name.to_owned(),
                expected: rounded(signal.expected / per_unit),
                observed: rounded(signal.observed / per_unit),
                contribution: rounded(signal.contribution),
            }
        })
        .collect();
    signals.sort_by(|a, b| b.contribution.total_cmp(&a.contribution));
    signals
}
