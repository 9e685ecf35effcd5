//! Explanations from the event alone, on recorded rollouts.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

use contract::{CloudEvent, RiskEvent, RiskStatus};
use pipelines::explain::{Remade, remake, words};
use pipelines::scoring::rerun;

fn folder(fault: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/canaryrec").join(fault)
}

fn events(fault: &str) -> Vec<CloudEvent<RiskEvent>> {
    let text = std::fs::read_to_string(folder(fault).join("expected.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Scenario: every event of the recorded bad rollouts. Guarantees: the judgement is made again from the event alone and
/// ends in the same state, bit for bit; the explanation names what was seen and the rule.
#[test]
fn every_judgement_can_be_made_again() {
    let mut n_made = 0;
    for event in ["err3", "err15", "lat100", "crashloop"].into_iter().flat_map(events) {
        if event.data.status == RiskStatus::Resolved {
            continue;
        }
        match remake(&event.data) {
            Remade::Ran(rerun) => {
                assert!(rerun.is_same, "{}", event.id);
                assert!(rerun.n_ticks > 0);
                n_made += 1;
            }
            // a canary that never served was never compared
            Remade::Not(why) => assert_eq!(event.data.rule.name, "silence", "{why}"),
        }
        let text = words(&event).join("\n");
        assert!(text.contains(&event.data.evidence[0].text), "{text}");
        assert!(text.contains(&format!("Rule {}", event.data.rule.name)), "{text}");
    }
    assert!(n_made >= 7, "{n_made}");
}

/// Scenario: one count of a capsule is changed; the state is cut off, of another build, or no base64; a row is too short.
/// Guarantees: the change shows in the state, everything else is told in words; no panic.
#[test]
fn what_does_not_fit_is_told() {
    let capsule = events("err15")[0].data.capsule.clone().unwrap();
    let mut changed = capsule.clone();
    changed.rows[5][5] += 1;
    assert!(!rerun(&changed).unwrap().is_same);
    let told = |edit: &dyn Fn(&mut contract::Capsule), word: &str| {
        let mut other = capsule.clone();
        edit(&mut other);
        let error = rerun(&other).unwrap_err();
        assert!(error.contains(word), "{error}");
    };
    told(&|c| c.state.clear(), "had not begun");
    told(&|c| c.state = "%".to_owned(), "not base64");
    told(&|c| c.state.truncate(400), "state");
    told(&|c| c.rule.version = 9, "not \"canary_test\" 9");
    told(&|c| c.rows[0].truncate(3), "a row has 3 numbers");
    told(&|c| c.columns[0] = "at".to_owned(), "known are");
}

/// Scenario: the program is asked about an event and an incident of a file, of a replay's folder, about one that is not
/// there, and about a file that is none. Guarantees: words, or an error that names it; exit codes 0, 1.
#[test]
fn the_program_explains_events_and_incidents() {
    let explain = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_bellwether")).arg("explain").args(arguments).output().unwrap();
        let text =
            String::from_utf8(if output.status.success() { output.stdout } else { output.stderr }).unwrap();
        (output.status.code(), text)
    };
    let events = events("err15");
    let (first, incident) = (&events[0].id, &events[0].data.incident_id);
    let file = folder("err15").join("expected.jsonl");
    let file = file.to_str().unwrap();
    let (code, text) = explain(&[first, "--from", file]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("the same state, bit for bit") && text.contains("revision 1"), "{text}");
    let (code, text) = explain(&[incident, "--from", file, "--json"]);
    assert_eq!(code, Some(0), "{text}");
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&document["remade"]["same"], &document["event"]["revision"]), (&true.into(), &2.into()));

    let out = tempfile::tempdir().unwrap();
    let dir = out.path().to_str().unwrap();
    let plan = pipelines::config::read_files(&[], &[]).unwrap();
    pipelines::service::replay(&plan, vec![folder("err15")], Some(out.path())).unwrap();
    let (code, text) = explain(&[incident, "--data-dir", dir]);
    assert!(code == Some(0) && text.contains("Revisions of this incident"), "{text}");

    let (code, text) = explain(&["nobody", "--from", file]);
    assert!(code == Some(1) && text.contains("no event or incident nobody among 2 events"), "{text}");
    let (code, text) = explain(&["x", "--from", folder("err15").join("metrics.jsonl.zst").to_str().unwrap()]);
    assert!(code == Some(1) && text.contains("metrics.jsonl.zst"), "{text}");
    let (code, text) = explain(&["x", "--data-dir", "no/such/folder"]);
    assert!(code == Some(1) && text.contains("no/such/folder"), "{text}");
}
