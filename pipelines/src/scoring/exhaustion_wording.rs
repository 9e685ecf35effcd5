//! A resource that runs out, as a finding with evidence in numbers and words.
//!
//! It alerts. Only the strict rule, on a version that is new and leaks where the one before did not, asks for `act`, once it has
//! taken so much of the room that this is certain enough; never if the limit is learned and not reported.

use contract::{Evidence, Forecast, Level, Timestamp};
use models::exhaustion::{Certainty, Exhaustion, LimitEstimate};

use super::exhaustion::RunningOut;
use super::finding::{Finding, RuleName, Suspect};
use crate::features::{ResourceSignal, ServiceKey};

/// Confidence in a release from which to ask for `act`; by default the actuator asks for 0.8.
const ACT_CONFIDENCE: f64 = 0.85;

/// Resource on the wire, and its unit.
pub(super) const fn named(signal: ResourceSignal) -> (&'static str, &'static str) {
    match signal {
        ResourceSignal::Memory => ("memory", "By"),
        ResourceSignal::Heap => ("heap", "By"),
        ResourceSignal::Disk => ("disk", "By"),
        ResourceSignal::FileDescriptors => ("file descriptors", "{descriptor}"),
        ResourceSignal::Threads => ("threads", "{thread}"),
        ResourceSignal::PoolInUse => ("connections", "{connection}"),
        ResourceSignal::PoolPending => ("requests that wait for a connection", "{request}"),
        ResourceSignal::Cpu => ("processor use", "{cpu}"),
        ResourceSignal::Restarts => ("restarts", "{restart}"),
        ResourceSignal::OomKills => ("kills for want of memory", "{kill}"),
    }
}

/// The finding; `compared` is the arm that the service's comparison suspects, which is the same incident.
pub(crate) fn finding(running_out: &RunningOut, compared: Option<&Suspect>) -> Finding {
    let RunningOut { subject, signal, ahead, at, pods, .. } = running_out;
    let suspect = running_out.suspect.as_ref().map(|own| match compared {
        Some(compared) if compared.arm == own.arm => compared.clone(),
        _ => own.clone(),
    });
    let confidence = match &suspect {
        Some(_) => ahead.confidence_in_release(),
        None => ahead.certainty.confidence(),
    };
    let is_certain = ahead.certainty == Certainty::Act && confidence >= ACT_CONFIDENCE;
    let level = if is_certain && suspect.is_some() && running_out.learned.is_none() {
        Level::Act
    } else {
        Level::Alert
    };
    let nanos = |secs: f64| (secs * 1e9) as i64;
    Finding {
        rule: RuleName::Exhaustion,
        service: service_of(running_out).clone(),
        suspect,
        since: at.saturating_sub(nanos(ahead.span_secs)),
        at: *at,
        level,
        failure_probability: confidence,
        severity: (1.0 - ahead.left_secs / 7_200.0).clamp(0.25, 1.0),
        impact: pods.0 as f64 / pods.1.max(1) as f64,
        maturity: 1.0,
        evidence: vec![Evidence {
            signal: format!("{} exhaustion", named(*signal).0),
            unit: named(*signal).1.to_owned(),
            expected: ahead.held_before * running_out.limit,
            lower: 0.0,
            upper: running_out.limit,
            observed: ahead.used * running_out.limit,
            p_value: None,
            e_value: None,
            contribution: 1.0,
            text: in_words(named(*signal).0, &subject.pod.name, ahead) + &of_limit(running_out.learned),
            exemplar_trace_ids: Vec::new(),
            log_templates: Vec::new(),
        }],
        counter_evidence: Vec::new(),
        forecast: Some(Forecast {
            resource: named(*signal).0.to_owned(),
            exhausts_at: Timestamp::from_unix_nanos(at.saturating_add(nanos(ahead.left_secs))),
            confidence,
        }),
    }
}

/// Whose resource it is.
pub(crate) fn service_of(running_out: &RunningOut) -> &ServiceKey {
    &running_out.subject.service
}

fn in_words(resource: &str, pod: &str, ahead: &Exhaustion) -> String {
    let before = if ahead.held_before > 0.0 {
        format!(", above the {:.0} % that it held before", 100.0 * ahead.held_before)
    } else {
        String::new()
    };
    format!(
        "{resource} of pod {} is at {:.1} % of its limit and has risen by {:.2} % a minute for {}{before}: full in {} \
         (90 % within {} to {})",
        if pod.is_empty() { "without a name" } else { pod },
        100.0 * ahead.used,
        6_000.0 * ahead.rise_per_sec,
        span(ahead.span_secs),
        span(ahead.left_secs),
        span(ahead.earliest_secs),
        span(ahead.latest_secs)
    )
}

/// Where the limit comes from, if nobody reported it.
fn of_limit(learned: Option<LimitEstimate>) -> String {
    let Some(LimitEstimate { limit, highest, kills }) = learned else { return String::new() };
    let mebibytes = |bytes: f64| bytes / f64::from(1 << 20);
    format!(
        "; nobody reports the limit, it is taken to be the {:.0} MiB (at most {:.0} MiB) at which {kills} {} killed",
        mebibytes(limit),
        mebibytes(highest),
        if kills == 1 { "run was" } else { "runs were" }
    )
}

fn span(secs: f64) -> String {
    if secs < 120.0 { format!("{secs:.0} s") } else { format!("{:.0} min", secs / 60.0) }
}
