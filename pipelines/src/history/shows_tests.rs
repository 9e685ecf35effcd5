//! Fingerprints of incidents whose evidence was recorded: what a person would call one kind is near, the rest is not.

use std::path::Path;

use contract::{CloudEvent, RiskEvent};
use models::families::{Families, FamilyParams};

use super::*;
use crate::features::{Arm, ServiceKey};
use crate::history::naming::name;
use crate::incident::IncidentKey;
use crate::scoring::Suspect;

const RULES: [RuleName; 7] = [
    RuleName::CanaryTest,
    RuleName::Silence,
    RuleName::BeforeAfter,
    RuleName::Exhaustion,
    RuleName::Slo,
    RuleName::Absence,
    RuleName::Baseline,
];

fn arm(version: &str) -> Arm {
    Arm { version: version.into(), template_hash: "".into(), revision: "".into() }
}

/// An incident that shows what a recorded event tells.
fn told_by(event: &RiskEvent) -> Incident {
    let service = ServiceKey::named(&event.scope.service);
    let at = event.window.end.unix_nanos();
    let suspect = event.change.as_ref().map(|change| Suspect {
        arm: arm(&change.to),
        stable: arm(&change.from),
        first_at: change.at.unix_nanos(),
    });
    let rule = RULES.into_iter().find(|rule| rule.as_str() == event.rule.name).unwrap();
    let mut finding = Finding::alert(rule, service.clone(), suspect.clone(), at);
    finding.evidence.clone_from(&event.evidence);
    finding.counter_evidence.clone_from(&event.counter_evidence);
    Incident::open(IncidentKey { service, suspect }, finding, event.change.clone())
}

/// Fingerprints of all events of a recording, in turn.
fn recorded(folder: &str) -> Vec<Fingerprint> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata").join(folder).join("expected.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    let events = text.lines().map(|line| serde_json::from_str::<CloudEvent<RiskEvent>>(line).unwrap());
    events.map(|event| shown_by(&told_by(&event.data))).collect()
}

/// Scenario: the recorded rollouts and leaks. Guarantees: two strengths of one fault are one family, at their first word already; no
/// other two are; each has the name that a person would give it.
#[test]
fn recorded_faults_fall_into_the_families_that_a_person_sees() {
    let reach = FamilyParams::default().reach;
    let folders = [
        "canaryrec/err3",
        "canaryrec/err15",
        "canaryrec/lat100",
        "canaryrec/crashloop",
        "oomrec/leak_deploy-1",
        "oomrec/fd_leak-1",
    ];
    let kinds = [0, 0, 1, 2, 3, 4];
    let all: Vec<Vec<Fingerprint>> = folders.iter().map(|folder| recorded(folder)).collect();
    for (a, one) in all.iter().enumerate() {
        for (b, other) in all.iter().enumerate() {
            let away = one[0].distance(other.last().unwrap());
            println!("{} {}: {away:.2}", folders[a], folders[b]);
            assert_eq!(away <= reach, kinds[a] == kinds[b], "{} {}: {away:.2}", folders[a], folders[b]);
        }
    }
    let mut families = Families::new(FamilyParams::default().check().unwrap());
    for (nth, one) in all.iter().enumerate() {
        families.join(nth as u128, nth as i64, one.last().unwrap(), 0);
    }
    let names: Vec<String> = families.iter().map(name).collect();
    assert_eq!(
        names,
        [
            "errors right after a release",
            "slower replies right after a release",
            "silence of pods and restarting pods right after a release",
            "memory running out right after a release",
            "file descriptors or threads running out without a change",
        ]
    );
}

fn evidence(
    signal: &str,
    unit: &str,
    (expected, upper, observed): (f64, f64, f64),
    contribution: f64,
) -> Evidence {
    Evidence {
        signal: signal.to_owned(),
        unit: unit.to_owned(),
        expected,
        lower: 0.0,
        upper,
        observed,
        p_value: None,
        e_value: None,
        contribution,
        text: String::new(),
        exemplar_trace_ids: Vec::new(),
        log_templates: Vec::new(),
    }
}

/// Scenario: every signal that a rule may tell of. Guarantees: it is the trait that it should be, within 0 and 1, whatever the numbers.
#[test]
fn signals_are_the_traits_that_they_mean() {
    let check = |rule: RuleName, signal: &str, unit: &str, of: Trait| {
        for numbers in
            [(1.0, 2.0, 5.0), (0.0, 0.0, 0.0), (f64::NAN, 1.0, f64::INFINITY), (5.0, 1e300, -1e300)]
        {
            let told = evidence(signal, unit, numbers, 1.0);
            let strength = size(of, &told);
            assert!((0.0..=1.0).contains(&strength), "{signal} {numbers:?}: {strength}");
        }
        assert_eq!(of_evidence(rule, &evidence(signal, unit, (1.0, 2.0, 5.0), 1.0)), of, "{signal}");
    };
    check(RuleName::CanaryTest, "errors", "1", Trait::Errors);
    check(RuleName::CanaryTest, "latency p99", "1", Trait::Slow);
    check(RuleName::CanaryTest, "own time", "ms", Trait::SlowItself);
    check(RuleName::CanaryTest, "own time p90", "1", Trait::SlowItself);
    check(RuleName::CanaryTest, "fewer log lines", "{line}", Trait::LineRates);
    check(RuleName::BeforeAfter, "errors after the switch", "1", Trait::Errors);
    check(RuleName::Slo, "latency p99", "ms", Trait::Slow);
    check(RuleName::Absence, "signs of life", "s", Trait::Gone);
    check(RuleName::Absence, "queue.depth", "s", Trait::SignalStopped);
    check(RuleName::Baseline, "request rate of GET", "{request}/s", Trait::TrafficUp);
    check(RuleName::Baseline, "difference between pods", "{decade}", Trait::OneReplica);
    check(RuleName::Baseline, "log lines a request \"x\"", "", Trait::LineRates);
    check(RuleName::Baseline, "threads a pod", "{thread}", Trait::OtherResource);
    check(RuleName::Baseline, "queue.depth", "", Trait::OwnMetric);
    for (resource, of) in [
        ("heap", Trait::MemoryRunsOut),
        ("disk", Trait::DiskRunsOut),
        ("connections", Trait::ConnectionsRunOut),
    ] {
        check(RuleName::Exhaustion, &format!("{resource} exhaustion"), "By", of);
    }
}

/// Scenario: support beside the evidence; a finding about a caller; a version that is an hour old. Guarantees: support counts less than
/// evidence, a caller counts as spread and not by what it shows, lateness is seen; no name of a service or version changes anything.
#[test]
fn context_counts_and_names_do_not() {
    let minute = 60 * NANOS_PER_SEC;
    let of = |name: &str, version: &str, at: i64| {
        let suspect = Some(Suspect { arm: arm(version), stable: arm("0"), first_at: 0 });
        let service = ServiceKey::named(name);
        let mut finding = Finding::alert(RuleName::CanaryTest, service.clone(), suspect.clone(), at);
        finding.evidence = vec![
            evidence("errors", "1", (0.0, 0.01, 0.1), 1.0),
            evidence("new log templates", "{line}", (0.0, 4.0, 9.0), 0.0),
        ];
        Incident::open(IncidentKey { service, suspect }, finding, None)
    };
    let shown = shown_by(&of("cart", "7", minute));
    let got = |x: &Fingerprint, of: Trait| x.get(of as usize);
    assert!(got(&shown, Trait::Errors) > 0.8 && (got(&shown, Trait::NewLines) - 0.35).abs() < 1e-6);
    assert_eq!((got(&shown, Trait::Late), got(&shown, Trait::Spread)), (0.0, 0.0));
    assert_eq!(shown, shown_by(&of("mail", "1.2.3", minute)));
    let mut spread = of("cart", "7", 60 * minute);
    let mut caller = Finding::alert(RuleName::Slo, ServiceKey::named("front"), None, minute);
    caller.evidence = vec![evidence("latency p99", "ms", (0.0, 10.0, 90.0), 1.0)];
    spread.take(caller);
    let shown = shown_by(&spread);
    assert!((got(&shown, Trait::Spread) - 0.2).abs() < 1e-6 && (got(&shown, Trait::Late) - 0.4).abs() < 1e-6);
    assert_eq!(got(&shown, Trait::Slow), 0.0);
}
