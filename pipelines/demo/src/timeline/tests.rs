//! Runs told by hand.

use contract::{
    Assessment, Origin, RISK_SCHEMA_VERSION, Recommendation, RiskStatus, Rule, Scope, Window, content_id,
};

use super::*;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_unix_nanos((1_000_000 + secs) * 1_000_000_000)
}

fn event(service: &str, revision: u32, level: Level) -> CloudEvent<RiskEvent> {
    let assessment = Assessment {
        failure_probability: 0.99,
        severity: 0.5,
        impact: 0.2,
        risk: 0.4,
        level,
        confidence: 0.9,
        maturity: 0.5,
    };
    let recommended = vec![Recommendation {
        action: RemedyKind::GitRevert,
        target: "1.9.4".to_owned(),
        reason: "errors".to_owned(),
        reversible: true,
    }];
    RiskEvent {
        schema_version: RISK_SCHEMA_VERSION.to_owned(),
        incident_id: content_id(&[service]),
        revision,
        status: RiskStatus::Opened,
        origin: Origin::Live,
        scope: Scope { service: service.to_owned(), ..Scope::default() },
        window: Window { start: at(0), end: at(1) },
        change: None,
        assessment,
        evidence: Vec::new(),
        counter_evidence: Vec::new(),
        causes: Vec::new(),
        similar: Vec::new(),
        family: None,
        forecast: None,
        recommended,
        rule: Rule { name: "canary_test".to_owned(), version: 1 },
        capsule: None,
        evidence_digest: String::new(),
        explanation: String::new(),
    }
    .into_cloud_event("test")
}

/// Scenario: a fault is seen, decided on, reverted and healed; every step is then seen once more, later.
/// Guarantees: seconds count from the fault to the first sighting; the run is fine.
#[test]
fn a_good_run_adds_up() {
    let mut line = Timeline::new(Fault::ErrorBurst, 4, "pricing");
    line.bad_change("bad");
    assert!(line.fault_active(at(10)) && !line.fault_active(at(11)));
    assert!(line.risk_event(event("pricing", 1, Level::Alert), at(14)));
    assert!(!line.risk_event(event("pricing", 1, Level::Alert), at(15)));
    assert!(!line.healthy(at(15)), "before the revert it is not healed");
    assert!(line.risk_event(event("pricing", 2, Level::Act), at(16)));
    assert!(line.risk_event(event("pricing", 3, Level::Act), at(18)));
    line.reverted("bad", at(17));
    assert!(line.healthy(at(22)) && !line.healthy(at(30)));
    let summary = line.summary();
    let times = (summary.detected_s, summary.decided_s, summary.revert_committed_s, summary.healthy_s);
    assert_eq!(times, (Some(4.0), Some(6.0), Some(7.0), Some(12.0)));
    assert_eq!((summary.false_acts, summary.ok, summary.risk_events.len()), (0, true, 3));
}

/// Scenario: an innocent commit is reverted beside the guilty one; the guilty one twice; a decoy is acted on; a good
/// service is accused before the fault.
/// Guarantees: each is counted and spoils the run.
#[test]
fn false_acts_are_counted() {
    let active = |fault| {
        let mut line = Timeline::new(fault, 1, "pricing");
        line.fault_active(at(10));
        line
    };
    let mut line = active(Fault::Latency);
    line.bad_change("bad");
    line.reverted("bad", at(12));
    line.reverted("good", at(13));
    line.healthy(at(20));
    assert_eq!((line.n_false_acts(), line.summary().ok), (1, false));

    let mut line = active(Fault::Latency);
    line.bad_change("bad");
    line.reverted("bad", at(12));
    line.reverted("bad", at(13));
    line.healthy(at(20));
    assert_eq!((line.n_false_acts(), line.summary().ok), (1, false));

    let mut line = active(Fault::TrafficPeak);
    line.risk_event(event("pricing", 1, Level::Alert), at(14));
    assert!(line.summary().ok, "an alert about a decoy is fine");
    line.risk_event(event("pricing", 2, Level::Act), at(15));
    line.risk_event(event("pricing", 3, Level::Act), at(16));
    assert_eq!((line.n_false_acts(), line.summary().ok), (1, false));

    let mut line = Timeline::new(Fault::ErrorBurst, 1, "pricing");
    line.risk_event(event("pricing", 1, Level::Act), at(2));
    assert_eq!((line.n_false_acts(), line.summary().detected_s), (1, None));
}

/// Scenario: nothing happens in a healthy run, and nothing happens after a fault.
/// Guarantees: the first is fine, the second is not, and missing times are null.
#[test]
fn nothing_is_judged_by_the_fault() {
    assert!(Timeline::new(Fault::None, 1, "pricing").summary().ok);
    let mut line = Timeline::new(Fault::CrashLoop, 1, "pricing");
    line.bad_change("bad");
    line.fault_active(at(3));
    let text = serde_json::to_string(&line.summary()).unwrap();
    assert!(text.contains("\"revert_committed_s\":null") && text.contains("\"ok\":false"), "{text}");
}
