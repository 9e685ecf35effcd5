//! The verdict endpoint as a rollout controller asks it.

use std::path::Path;
use std::time::Duration;

use super::engine_process::{Engine, now, wait_for};
use super::http::{Connection, get};
use super::recording::{ending_now, lay, part, records};

const ANSWER_BYTES_MAX: usize = 1024;

fn template() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/argo/analysis-template.yaml");
    std::fs::read_to_string(path).unwrap()
}

/// The text behind a key of the template, without quotes.
fn setting(key: &str) -> String {
    let text = template();
    let line = text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(": ")).unwrap();
    line.split(" #").next().unwrap().trim().trim_matches('"').to_owned()
}

/// The path and query that the controller would ask, its arguments filled in.
fn question(service: &str, namespace: &str, canary: &str, stable: &str) -> String {
    let mut url = setting("url");
    for (name, value) in
        [("service", service), ("namespace", namespace), ("canary", canary), ("stable", stable)]
    {
        let place = format!("{{{{args.{name}}}}}");
        assert!(url.contains(&place), "{url} does not ask for {name}");
        url = url.replace(&place, value);
    }
    let (_, after_host) = url.split_once("://").unwrap();
    format!("/{}", after_host.split_once('/').unwrap().1)
}

/// Scenario: the analysis template of `deploy`, asked as the controller would, of an engine that knows nothing, that
/// compares a bad canary, and that is asked nonsense. Guarantees: always 200 with a JSON object under 1 KB that holds every
/// path that the template's conditions use; what is not known is inconclusive with the reason; a bad canary fails.
#[test]
fn the_analysis_template_gets_its_answers() {
    let dir = tempfile::tempdir().unwrap();
    let ask = |engine: &Engine, path: &str| {
        let answer = get(engine.api, path);
        assert_eq!(answer.status, 200, "{path}");
        assert!(answer.body.len() < ANSWER_BYTES_MAX, "{} bytes", answer.body.len());
        assert_eq!(answer.header("content-type"), Some("application/json"));
        answer.json()
    };
    let engine = Engine::start(dir.path());
    let cold = ask(&engine, &question("web", "canaryrec", "v2", "v1"));
    assert_eq!(cold["verdict"], "inconclusive");
    assert!(cold["reason"].as_str().unwrap().contains("no comparison of web"), "{cold}");
    for nonsense in ["/v1/verdict", "/v1/verdict?service=", "/v1/verdict?service=%FF%00"] {
        assert_eq!(ask(&engine, nonsense)["verdict"], "inconclusive", "{nonsense}");
    }
    assert_eq!(get(engine.api, "/v1/verdict?servcie=web").status, 400, "a slip is told, not guessed");
    engine.stop();

    let dir = tempfile::tempdir().unwrap();
    lay(dir.path(), &ending_now(part(records("err15"), 0..230)));
    let engine = Engine::start(dir.path());
    let path = question("web", "canaryrec", "v2", "v1");
    let failed =
        wait_for("a verdict", || Some(ask(&engine, &path)).filter(|answer| answer["verdict"] == "fail"));
    assert_eq!(setting("jsonPath"), "{$}", "the conditions look into the whole answer");
    for condition in ["successCondition", "failureCondition"] {
        let condition = setting(condition);
        let field = condition.split("result.").nth(1).unwrap().split(' ').next().unwrap();
        assert!(failed[field].is_string(), "{condition}: {failed}");
    }
    assert!(setting("failureCondition").contains("'fail'") && setting("successCondition").contains("'pass'"));
    assert!(failed["reason"].as_str().unwrap().contains("of the new version's requests fail"), "{failed}");
    assert!(
        failed["risk"].as_f64().unwrap() > 0.9 && failed["confidence"].as_f64().unwrap() > 0.9,
        "{failed}"
    );
    assert_eq!((&failed["needs_seconds"], failed["evidence_id"].as_str().unwrap().len()), (&0.into(), 32));
    assert_eq!(failed["signals"][0]["name"], "errors");
    let other = ask(&engine, &question("web", "canaryrec", "v9", "v1"));
    assert!(
        other["verdict"] == "inconclusive" && other["reason"].as_str().unwrap().contains("v2 with v1"),
        "{other}"
    );
}

/// Scenario: one connection asks 500 times for a verdict about a canary. Guarantees: the median answer takes well under the
/// promised 10 ms; the bound here is generous, because the machine may be busy and the build unoptimised.
#[test]
fn a_verdict_is_quick() {
    let dir = tempfile::tempdir().unwrap();
    lay(dir.path(), &ending_now(part(records("err15"), 0..230)));
    let engine = Engine::start(dir.path());
    let path = question("web", "canaryrec", "v2", "v1");
    wait_for("a verdict", || Some(()).filter(|()| get(engine.api, &path).json()["verdict"] == "fail"));
    let mut connection = Connection::open(engine.api).unwrap();
    let mut took: Vec<Duration> = (0..500)
        .map(|_| {
            let asked = now();
            assert_eq!(connection.ask("GET", &path, &[], &[]).unwrap().status, 200);
            now() - asked
        })
        .collect();
    took.sort();
    let (median, p99) = (took[250], took[495]);
    println!("verdict: median {median:?}, p99 {p99:?}");
    assert!(median < Duration::from_millis(50), "{median:?}");
}
