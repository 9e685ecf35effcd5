//! Announced changes: a CDEvent comes in over HTTP, the risk event names its commit and author.

use super::engine_process::Engine;
use super::http::Connection;
use super::recording::{lay, moved, part, records, secs, wall};

const AUTHOR: &str = "Jo Doe <jo@shop.example>";

/// The CDEvent of a deployment of `web` v2.
fn cdevent(id: &str, commit: &str) -> String {
    let at = contract::Timestamp::from_unix_nanos(wall());
    serde_json::json!({
        "context": {
            "specversion": "0.5.1", "id": id, "source": "/ci/pipeline", "timestamp": at,
            "type": "dev.cdevents.service.upgraded.0.3.0",
        },
        "subject": {
            "id": "canaryrec/web", "source": "/ci/pipeline",
            "content": {"environment": {"id": "recorded"}, "artifactId": "pkg:oci/web@sha256%3Aab12?tag=v2"},
        },
        "customData": {"commit": commit, "author": AUTHOR},
    })
    .to_string()
}

fn announced_change(headers: &[(&str, &str)], body: &str) -> serde_json::Value {
    let dir = tempfile::tempdir().unwrap();
    // the stable version alone up to now; what follows arrives after the announcement
    let all = part(records("err15"), 0..230);
    let by = wall() - all[0].arrived_at - secs(150);
    lay(dir.path(), &moved(part(all.clone(), 0..150), by));
    let engine = Engine::start(dir.path());
    let answer = Connection::open(engine.otlp_http)
        .unwrap()
        .ask("POST", "/v1/changes", headers, body.as_bytes())
        .unwrap();
    assert!((200..300).contains(&answer.status), "{} {}", answer.status, answer.text());
    let refused =
        Connection::open(engine.otlp_http).unwrap().ask("POST", "/v1/changes", headers, b"{}").unwrap();
    assert_eq!(refused.status, 400, "{}", refused.text());
    engine.stop();
    lay(dir.path(), &moved(part(all, 150..230), by));
    let engine = Engine::start(dir.path());
    engine.events(1)[0]["data"]["change"].clone()
}

/// Scenario: a deployment is announced as a CDEvent in a structured CloudEvent, then a recorded bad rollout of it arrives.
/// Guarantees: the risk event's change is the announced one, with its commit and author; an empty announcement is refused.
#[test]
fn a_structured_announcement_names_commit_and_author() {
    let commit = "1b5a9c0d2e3f4a5b6c7d8e9f0a1b2c3d4e5f6a7b";
    let event = cdevent("announced-1", commit);
    let structured = format!(
        r#"{{"specversion":"1.0","id":"announced-1","source":"/ci/pipeline","type":"dev.cdevents.service.upgraded.0.3.0","datacontenttype":"application/json","data":{event}}}"#
    );
    let change =
        announced_change(&[("content-type", "application/cloudevents+json; charset=utf-8")], &structured);
    assert_eq!(change["id"], "announced-1");
    assert_eq!((&change["commit"], &change["author"]), (&commit.into(), &AUTHOR.into()), "{change}");
    assert_eq!(
        (&change["from"], &change["to"], &change["kind"]),
        (&"v1".into(), &"v2".into(), &"deploy".into())
    );
}

/// Scenario: the same in binary mode: attributes as headers, the CDEvent as the body. Guarantees: the same.
#[test]
fn a_binary_announcement_names_commit_and_author() {
    let commit = "2c6a9c0d2e3f4a5b6c7d8e9f0a1b2c3d4e5f6a7b";
    let headers = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "announced-2"),
        ("ce-source", "/ci/pipeline"),
        ("ce-type", "dev.cdevents.service.upgraded.0.3.0"),
    ];
    let change = announced_change(&headers, &cdevent("announced-2", commit));
    assert_eq!(change["id"], "announced-2");
    assert_eq!((&change["commit"], &change["author"]), (&commit.into(), &AUTHOR.into()), "{change}");
}
