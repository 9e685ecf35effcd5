//! Recorded processes that run out of something, through the whole lane: exactly the expected bytes.
//!
//! What it does not do: measure how many leaks are found; `evaluate exhaustion` does.

use std::path::Path;

use pipelines::config::read_files;
use pipelines::service::replay;
use serde_json::{Value, json};

/// Scenario: a release that leaks memory, a process that leaks file descriptors, and a daily wave, replayed second by second.
/// Guarantees: the release is to be acted on, the descriptors are alerted without a suspect, of the wave nothing is said;
/// byte for byte what stands beside the recording.
#[test]
fn recorded_leaks_give_the_expected_bytes() {
    let plan = read_files(&[], &[]).expect("the defaults are a configuration");
    for (id, said) in [
        ("leak_deploy-1", Some((r#""level":"act""#, r#""resource":"memory""#))),
        ("fd_leak-1", Some((r#""level":"alert""#, r#""resource":"file descriptors""#))),
        ("diurnal-1", None),
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/oomrec").join(id);
        let replayed = replay(&plan, vec![folder.clone()], None).unwrap();
        let lines: String = replayed
            .messages
            .iter()
            .map(|message| format!("{}\n", String::from_utf8_lossy(&message.value)))
            .collect();
        let expected = std::fs::read_to_string(folder.join("expected.jsonl")).unwrap();
        assert_eq!(lines, expected, "{id}");
        match said {
            Some((level, resource)) => assert!(lines.contains(level) && lines.contains(resource), "{id}"),
            None => assert!(lines.is_empty(), "{id}"),
        }
    }
}

fn list(value: &mut Value) -> &mut Vec<Value> {
    value.as_array_mut().expect("OTLP has a list there")
}

/// The second version's requests of a recording, later by `later_secs`, without limits, from a pod that the cluster speaks of
/// too: with so many restarts, and, if there were any, the reason of the last end.
fn run_without_limits(recording: &str, later_secs: u64, restarts: u64) -> String {
    let text = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let mut lines = String::new();
    for line in recording.lines().filter(|line| line.contains(r#""stringValue":"v2""#)) {
        let mut request: Value = serde_json::from_str(line).expect("recordings are JSON lines");
        let own = &mut request["resourceMetrics"][0];
        list(&mut own["resource"]["attributes"]).push(text("k8s.pod.uid", "u-1"));
        let metrics = list(&mut own["scopeMetrics"][0]["metrics"]);
        metrics.retain(|metric| metric["name"] == "container.memory.usage");
        let time = &mut metrics[0]["gauge"]["dataPoints"][0]["timeUnixNano"];
        let at: u64 = time.as_str().and_then(|at| at.parse().ok()).expect("times are numbers in quotes");
        let at = at + later_secs * 1_000_000_000;
        *time = json!(at.to_string());
        let mut attributes = vec![text("k8s.deployment.name", "worker"), text("k8s.pod.uid", "u-1")];
        if restarts > 0 {
            attributes.push(text("k8s.container.status.last_terminated_reason", "OOMKilled"));
        }
        let count = json!({"timeUnixNano": at.to_string(), "asInt": restarts.to_string()});
        let count = json!({"name": "k8s.container.restarts", "gauge": {"dataPoints": [count]}});
        let cluster = json!({"resource": {"attributes": attributes}, "scopeMetrics": [{"metrics": [count]}]});
        list(&mut request["resourceMetrics"]).push(cluster);
        lines.push_str(&format!("{request}\n"));
    }
    lines
}

/// Scenario: the recorded leak without its limit, as the Kubernetes receivers tell it: the process is killed, the container
/// starts again, and leaks again.
/// Guarantees: nothing is said of the first run; the second is alerted before its end, with the height of the first end as
/// the limit (what the kernel's limit was, within two hundredths), and never acted on.
#[test]
fn a_limit_that_nobody_reports_is_learned_from_a_kill() {
    let plan = read_files(&[], &[]).expect("the defaults are a configuration");
    let recorded =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/oomrec/leak_deploy-1/metrics.jsonl.zst");
    let packed = std::fs::read(recorded).unwrap();
    let recording = String::from_utf8(zstd::decode_all(&packed[..]).unwrap()).unwrap();
    let first = run_without_limits(&recording, 0, 0);
    let lasted = first.lines().count() as u64;
    let told = |text: &str| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("metrics.jsonl"), text).unwrap();
        let replayed = replay(&plan, vec![folder.path().to_owned()], None).unwrap();
        let events =
            replayed.messages.iter().map(|message| serde_json::from_slice::<Value>(&message.value).unwrap());
        events.filter(|event| event["data"]["rule"]["name"] == "exhaustion").collect::<Vec<Value>>()
    };
    assert_eq!(told(&first), Vec::<Value>::new());
    let events = told(&(first + &run_without_limits(&recording, lasted + 5, 1)));
    let opened = &events.first().expect("the second run is told of")["data"];
    assert_eq!(opened["assessment"]["level"], "alert");
    let evidence = &opened["evidence"][0];
    let limit = evidence["upper"].as_f64().unwrap();
    assert!((0.98..=1.0).contains(&(limit / 100_663_296.0)), "{limit}");
    assert!(evidence["text"].as_str().unwrap().contains("nobody reports the limit"), "{evidence}");
    assert!(events.iter().all(|event| event["data"]["assessment"]["level"] != "act"));
}
