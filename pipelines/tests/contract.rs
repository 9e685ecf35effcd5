//! The words on the wire: published schemas are the generated ones, and what earlier versions said stays readable.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like tests")]

use std::path::{Path, PathBuf};

use contract::{CloudEvent, Outcome, RiskEvent, Verdict};

fn at_root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(at_root(path)).unwrap()
}

/// Writes down what is generated; gives the command that publishes it, if it differs from what is published.
fn outdated(name: &str, schema: &schemars::Schema) -> Option<String> {
    let generated = serde_json::to_string_pretty(schema).unwrap() + "\n";
    let published = at_root("pipelines/contract/schema").join(name);
    if std::fs::read_to_string(&published).is_ok_and(|text| text == generated) {
        return None;
    }
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&made, &generated).unwrap();
    Some(format!("cp {} {}", made.display(), published.display()))
}

/// Scenario: the schemas in the repository. Guarantees: they are the ones that the types generate, so that no change of
/// a word on the wire goes unnoticed.
#[test]
fn published_schemas_are_the_generated_ones() {
    let outdated: Vec<String> = [
        outdated("risk-event.v1.json", &schemars::schema_for!(RiskEvent)),
        outdated("outcome.v1.json", &schemars::schema_for!(Outcome)),
        outdated("verdict.v1.json", &schemars::schema_for!(Verdict)),
    ]
    .into_iter()
    .flatten()
    .collect();
    assert!(
        outdated.is_empty(),
        "not what the code says; look at the difference, then:\n{}",
        outdated.join("\n")
    );
}

/// Scenario: one word of each kind as version 1 wrote it, an event of before capsules and one with a family among them. Guarantees: read, with
/// a digest that fits, and written again as it was.
#[test]
fn what_version_1_said_stays_readable() {
    for name in ["risk-event.json", "risk-event-before-capsules.json", "risk-event-with-family.json"] {
        let line = text(&format!("testdata/contract/v1/{name}"));
        let event: CloudEvent<RiskEvent> = serde_json::from_str(&line).unwrap();
        event.check().unwrap();
        let data = serde_json::to_vec(&event.data).unwrap();
        assert_eq!(RiskEvent::from_json(&data).unwrap(), event.data, "{name}");
        assert_eq!(serde_json::to_string(&event).unwrap() + "\n", line, "{name}");
    }
    let outcome = text("testdata/contract/v1/outcome.json");
    let read = Outcome::from_json(outcome.as_bytes()).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap() + "\n", outcome);
    let verdict = text("testdata/contract/v1/verdict.json");
    let read: Verdict = serde_json::from_str(&verdict).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap() + "\n", verdict);
}

/// Scenario: an event, changed by one number in its evidence, in its capsule, and in its version. Guarantees: each is
/// refused, so that nobody acts on evidence that was tampered with.
#[test]
fn a_changed_event_is_refused() {
    let event: CloudEvent<RiskEvent> =
        serde_json::from_str(&text("testdata/contract/v1/risk-event.json")).unwrap();
    let refused = |edit: fn(&mut RiskEvent), word: &str| {
        let mut changed = event.data.clone();
        edit(&mut changed);
        let error = RiskEvent::from_json(&serde_json::to_vec(&changed).unwrap()).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    };
    refused(|event| event.evidence[0].observed += 0.01, "its content has");
    refused(|event| event.capsule.as_mut().unwrap().rows[3][5] += 1, "its content has");
    refused(|event| event.capsule = None, "its content has");
    refused(|event| event.scope.service = "other".into(), "its content has");
    refused(|event| event.schema_version = "2".into(), "schema version 2 cannot be read");
}
