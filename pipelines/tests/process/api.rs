//! Risk events over HTTP, health and metrics, across a restart.

use std::collections::BTreeSet;

use engine::telemetry::{Metric, MetricKind, MetricSpec};

use super::engine_process::{Engine, wait_for};
use super::http::{Connection, get};
use super::recording::{ending_now, lay, part, records};

const EVENTS: &str = "/api/v1/risk-events";

/// Scenario: the events of a recorded rollout are listed, fetched one by one, followed, and resumed after an id, before and
/// after a restart. Guarantees: the same events in the same order, each once; CloudEvents in both modes; an id that is not
/// kept is 410 with the way out, an unknown event 404, a wrong question, path or method is told what is allowed; the schema is
/// served.
#[test]
fn events_are_listed_followed_and_resumed_across_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    lay(dir.path(), &ending_now(part(records("err15"), 0..230)));
    let engine = Engine::start(dir.path());
    let events = engine.events(2);
    let ids: Vec<String> = events.iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect();
    let mut follower = Connection::open(engine.api).unwrap();
    follower.send("GET", &format!("{EVENTS}?follow=true"), &[], &[]).unwrap();
    assert_eq!(follower.head().unwrap().0, 200);
    for event in &events {
        assert_eq!(serde_json::from_str::<serde_json::Value>(&follower.json_line()).unwrap(), *event);
    }
    drop(follower);
    engine.stop();

    let engine = Engine::start(dir.path());
    assert_eq!(engine.events(2)[..2], events[..2], "kept over a restart");
    let rest = get(engine.api, &format!("{EVENTS}?after={}", ids[0])).text();
    let first: serde_json::Value = serde_json::from_str(rest.lines().next().unwrap()).unwrap();
    assert_eq!(first, events[1], "goes on after an id of before the restart");
    let mut follower = Connection::open(engine.api).unwrap();
    follower.send("GET", &format!("{EVENTS}?follow=true&after={}", ids[0]), &[], &[]).unwrap();
    follower.head().unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&follower.json_line()).unwrap(), events[1]);

    let path = format!("{EVENTS}/{}", ids[0]);
    let structured = get(engine.api, &path);
    assert_eq!(structured.json(), events[0]);
    assert!(structured.header("content-type").unwrap().starts_with("application/cloudevents+json"));
    assert_eq!(events[0]["time"], events[0]["data"]["window"]["end"]);
    let accept = [("accept", "application/json")];
    let binary = Connection::open(engine.api).unwrap().ask("GET", &path, &accept, &[]).unwrap();
    assert_eq!(binary.json(), events[0]["data"]);
    assert_eq!(
        (binary.header("content-type"), binary.header("ce-id")),
        (Some("application/json"), Some(ids[0].as_str()))
    );
    assert_eq!(binary.header("ce-type"), Some("dev.bellwether.risk.opened.v1"));

    let gone = get(engine.api, &format!("{EVENTS}?after=0123456789abcdef"));
    assert_eq!(gone.status, 410);
    assert!(gone.text().contains("leave `after` out"), "{}", gone.text());
    assert_eq!(get(engine.api, &format!("{EVENTS}/nothing")).status, 404);
    for (path, status, word) in [
        (format!("{EVENTS}?befor=x"), 400, "befor"),
        (format!("{EVENTS}?limit=many"), 400, "limit"),
        (format!("{EVENTS}?limit=0"), 400, "must be 1 to 1000"),
        (format!("{EVENTS}?limit=1001"), 400, "must be 1 to 1000"),
        (format!("{EVENTS}?follow=perhaps"), 400, "follow"),
        ("/v1/verdict?servcie=web".to_owned(), 400, "servcie"),
        ("/readyz?prt=otlp".to_owned(), 400, "prt"),
        ("/api/v2".to_owned(), 404, EVENTS),
        ("/v1/outcomes".to_owned(), 405, "POST /v1/outcomes"),
    ] {
        let answer = get(engine.api, &path);
        assert_eq!(answer.status, status, "{path}");
        let error = answer.json()["error"].as_str().unwrap_or_default().to_owned();
        assert!(error.contains(word), "{path}: {error}");
    }
    let (too_large, headers) = (vec![b' '; (2 << 20) + 1], [("content-type", "application/json")]);
    let answer =
        Connection::open(engine.api).unwrap().ask("POST", "/v1/outcomes", &headers, &too_large).unwrap();
    assert_eq!(answer.status, 413);
    assert!(answer.json()["error"].as_str().unwrap().contains("outcome"), "{}", answer.text());
    let schema = get(engine.api, "/schema/risk-event/v1").json();
    assert!(schema["properties"]["capsule"].is_object(), "{schema}");
}

fn metrics_md() -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
    std::fs::read_to_string(path).unwrap()
}

/// Names of metrics: the first code span of each row.
fn documented() -> BTreeSet<String> {
    let text = metrics_md();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let names = rows.map(|row| row.split('`').next().unwrap());
    names.filter(|name| name.starts_with("bellwether_")).map(str::to_owned).collect()
}

/// The row of a metric.
fn row(spec: MetricSpec) -> String {
    let kind = match spec.kind {
        MetricKind::Counter => "counter",
        MetricKind::Gauge => "gauge",
        MetricKind::Timer => "histogram",
    };
    let labels: Vec<String> = spec.labels.iter().map(|label| format!("`{label}`")).collect();
    format!("| `{}` | {kind} | {} | {} |", spec.name, labels.join(", "), spec.help)
}

/// Metrics that the judging side adds to those of the engine.
const OF_JUDGING: [&str; 11] = [
    "bellwether_open_incidents",
    "bellwether_incident_families",
    "bellwether_incidents_remembered",
    "bellwether_incidents_compared_total",
    "bellwether_log_templates_found",
    "bellwether_silent_reporters",
    "bellwether_judged_series",
    "bellwether_judged_points_total",
    "bellwether_withheld_points_total",
    "bellwether_series_alarms_total",
    "bellwether_series_admissions_total",
];

/// Scenario: an engine that has worked through a rollout, and was sent two bad bodies, is scraped. Guarantees: every metric
/// that it tells stands in `docs/metrics.md`, every one that the code can tell does too, and nothing else; drops and events are
/// counted by name; alive and ready.
#[test]
fn every_metric_is_documented_and_health_is_told() {
    let dir = tempfile::tempdir().unwrap();
    lay(dir.path(), &ending_now(part(records("err15"), 0..230)));
    let engine = Engine::start(dir.path());
    engine.events(2);
    for body in ["{", "[]"] {
        let headers = [("content-type", "application/json")];
        let answer =
            Connection::open(engine.otlp_http).unwrap().ask("POST", "/v1/metrics", &headers, body.as_bytes());
        assert_eq!(answer.unwrap().status, 400);
    }
    let spans = r#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"web"}}]},"scopeSpans":[{"spans":[
        {"traceId":"0af7651916cd43dd8448eb211c80319c","spanId":"b7ad6b7169203331","name":"GET /","kind":2,"startTimeUnixNano":"1","endTimeUnixNano":"2"},
        {"traceId":"0af7","spanId":"b7ad6b7169203331","name":"GET /","kind":2,"startTimeUnixNano":"1","endTimeUnixNano":"2"}]}]}]}"#;
    let headers = [("content-type", "application/json")];
    let answer = Connection::open(engine.otlp_http)
        .unwrap()
        .ask("POST", "/v1/traces", &headers, spans.as_bytes())
        .unwrap();
    assert_eq!(
        (answer.status, &answer.json()["partialSuccess"]["rejectedSpans"]),
        (200, &"1".into()),
        "{}",
        answer.text()
    );
    let dropped = r#"bellwether_dropped_total{reason="span_id_invalid",stage="decode"}"#;
    wait_for("the count of the bad span", || engine.metric(dropped).filter(|n| *n == 1.0));
    let letter = wait_for("its sample", || {
        engine::sink::DeadLetterFile::read(&dir.path().join("dead-letters.jsonl")).ok()?.pop()
    });
    assert_eq!((letter.reason.as_str(), letter.tenant.as_str()), ("span_id_invalid", "default"));
    let opened = r#"bellwether_risk_events_total{level="alert",status="opened"}"#;
    wait_for("the count of events", || engine.metric(opened).filter(|n| *n == 1.0));
    wait_for("readiness", || Some(()).filter(|()| get(engine.api, "/readyz").status == 200));
    assert_eq!((get(engine.api, "/livez").status, get(engine.api, "/livez").text().as_str()), (200, "ok\n"));
    for (port, status) in [("otlp", 200), ("api", 200), ("kafka", 400)] {
        assert_eq!(get(engine.api, &format!("/readyz?port={port}")).status, status, "{port}");
    }
    let text = get(engine.api, "/metrics").text();
    let told: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next())
        .map(str::to_owned)
        .collect();
    let documented = documented();
    assert_eq!(
        told.difference(&documented).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "told, not documented"
    );
    let rows: Vec<String> = Metric::ALL.iter().map(|metric| row(metric.spec())).collect();
    let missing: Vec<&String> =
        rows.iter().filter(|row| !metrics_md().lines().any(|line| line == *row)).collect();
    assert!(missing.is_empty(), "docs/metrics.md must hold these rows:\n{missing:#?}");
    let known = Metric::ALL.iter().map(|metric| metric.spec().name).chain(OF_JUDGING);
    let known: BTreeSet<String> = known.map(str::to_owned).collect();
    assert_eq!(
        documented.difference(&known).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "documented, not known"
    );
    assert!(text.contains(r#"bellwether_received_requests_total{outcome=""#), "{text}");
    let records = engine.metric(r#"bellwether_records_total{kind="metrics"}"#).unwrap_or(0.0);
    assert!(records > 500.0, "{records} records\n{text}");
}
