//! The program itself, spoken to over HTTP: people's words, their faults, and the ledger page by page.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like tests")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use actuator::desk::Desk;
use actuator::oversight::approve;
use contract::{OutcomeStatus, RiskEvent, Timestamp, revision_id};
use serde_json::{Value, json};
use support::{World, event_with, git, manifest};

const APPROVE: &str = "policy.scopes[0].mode=approve";
const ADA: &str = "ada@sso.example";
const CART: &str = "apps/cart/deployment.yaml";
const WAIT_SECS: i64 = 60;

#[expect(clippy::disallowed_methods, reason = "the program reads the clock of the machine")]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_unix_nanos(i64::try_from(since.as_nanos()).unwrap())
}

fn secs_from(at: Timestamp, secs: i64) -> Timestamp {
    Timestamp::from_unix_nanos(at.unix_nanos() + secs * 1_000_000_000)
}

/// The usual event, whose window ended then.
fn event_at(end: Timestamp, revision: u32) -> RiskEvent {
    event_with(|event| {
        event.revision = revision;
        (event.window.start, event.window.end) = (secs_from(end, -10), end);
        event.change.as_mut().unwrap().at = secs_from(end, -50);
    })
}

/// The running program; killed when dropped.
struct Program {
    child: Child,
    address: String,
}

impl Program {
    fn start(world: &World) -> Self {
        let config = world.dir.path().join("actuator.yaml");
        std::fs::write(&config, world.yaml()).unwrap();
        let mut child = Command::new(env!("CARGO_BIN_EXE_bellwether-actuator"))
            .args(["run", "--log-json", "--set", APPROVE, "--set", "engine.url=http://127.0.0.1:9"])
            .args(["--config".as_ref(), config.as_os_str()])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line: Value = serde_json::from_str(&line.unwrap()).ok()?;
            Some(line["fields"]["address"].as_str()?.to_owned())
        });
        // read on, so that the program never waits for a full pipe
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address: address.expect("the program tells where it listens") }
    }

    /// Status, headers and body of an answer.
    fn ask(&self, method: &str, path: &str, headers: &[&str], body: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(WAIT_SECS.unsigned_abs()))).unwrap();
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let length = body.len();
        let host = &self.address;
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, head.to_owned(), body.to_owned())
    }

    fn get(&self, path: &str) -> (u16, Value) {
        let (status, _, body) = self.ask("GET", path, &[], "");
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let headers = ["Content-Type: application/json"];
        let (status, _, body) = self.ask("POST", path, &headers, &body.to_string());
        (status, serde_json::from_str(&body).unwrap())
    }

    /// The first entry of the ledger that is wanted.
    fn entry(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let until = secs_from(now(), WAIT_SECS);
        loop {
            let (_, entries) = self.get("/api/v1/ledger?limit=1000");
            if let Some(entry) = entries.as_array().unwrap().iter().find(|entry| wanted(&entry["record"])) {
                return entry.clone();
            }
            assert!(now() < until, "not in {entries}");
            std::thread::yield_now();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// A world in which the usual event, whose window ended then, waits for a person.
fn waiting(end: Timestamp) -> (World, RiskEvent) {
    let world = World::new();
    // dates of commits are as old as the event
    let secs = end.unix_nanos() / 1_000_000_000 - support::NOW_SECS;
    world.commit(CART, &manifest("1.1.0", 500), "Deploy cart 1.1.0", secs - 60);
    let event = event_at(end, 1);
    let mut desk = Desk::open(&world.plan(&[APPROVE]), end).unwrap();
    let asked = desk.handle(&event, secs_from(end, 1)).unwrap().outcome.unwrap();
    assert_eq!(asked.status, OutcomeStatus::AwaitingApproval, "{}", asked.reason);
    (world, event)
}

/// Scenario: a revert waits; it is asked for what waits, told about other evidence, by nobody, by a web page, and at last
/// approved as it should be. Guarantees: every fault has its own code and names the way out; the approval stands in the
/// ledger with who, when and which revision; the revert is made once, with the name on it; a second approval is told
/// that it is done.
#[test]
fn an_approval_over_http_is_recorded_and_acted_on() {
    let (world, event) = waiting(secs_from(now(), -5));
    let (program, head) = (Program::start(&world), world.head());
    let (_, waits) = program.get("/api/v1/waiting");
    assert_eq!(waits[0]["evidence_digest"], json!(event.evidence_digest), "{waits}");
    assert_eq!((&waits[0]["revision"], waits.as_array().unwrap().len()), (&json!(1), 1));

    let path = format!("/api/v1/approve/{}", event.incident_id);
    let (status, fault) = program.post("/api/v1/approve/nobody", &json!({"by": ADA}));
    assert_eq!((status, &fault["code"]), (404, &json!("unknown")), "{fault}");
    assert!(fault["way_out"].as_str().unwrap().contains(&event.incident_id), "{fault}");
    let other = json!({"by": ADA, "evidence_digest": "sha256:0"});
    let (status, fault) = program.post(&path, &other);
    assert_eq!((status, &fault["code"]), (409, &json!("old_revision")), "{fault}");
    assert!(fault["way_out"].as_str().unwrap().contains(&event.evidence_digest), "{fault}");
    for (body, says) in [
        (json!({"by": " "}), "1 to 128 characters"),
        (json!({"by": "ada\nReverts: all"}), "on one line"),
        (json!({}), "missing field `by`"),
        (json!({"by": ADA, "for": 1}), "unknown field `for`"),
    ] {
        let (status, fault) = program.post(&path, &body);
        assert_eq!((status, &fault["code"]), (400, &json!("invalid")), "{fault}");
        assert!(fault["error"].as_str().unwrap().contains(says), "{fault}");
    }
    let good = json!({"by": ADA, "evidence_digest": event.evidence_digest}).to_string();
    assert_eq!(program.ask("POST", &path, &["Content-Type: text/plain"], &good).0, 415);
    let page = ["Content-Type: application/json", "Origin: http://evil.example"];
    assert_eq!(program.ask("POST", &path, &page, &good).0, 403);
    assert_eq!(program.get(&path).0, 405);
    assert_eq!(program.get("/api/v2/ledger").0, 404);
    assert_eq!(world.head(), head, "nothing was said yet");

    let (status, told) = program.post(&path, &serde_json::from_str(&good).unwrap());
    assert_eq!((status, &told["revision"], &told["by"]), (200, &json!(1), &json!(ADA)), "{told}");
    let word = program.entry(|record| record["kind"] == "word");
    assert_eq!(word["seq"], told["entry"]);
    let said = &word["record"]["word"];
    assert_eq!((&said["by"], &said["revision"]), (&json!(ADA), &json!(1)), "{word}");
    assert!(word["at"].as_str().unwrap().parse::<Timestamp>().unwrap() <= now());
    program.entry(|record| record["outcome"]["status"] == "acted");
    let trailer =
        git(&world.bare, 0, &["log", "-1", "--format=%(trailers:only,key=Approved-by,valueonly)", "main"]);
    assert_eq!(trailer, ADA);
    let (status, fault) = program.post(&path, &json!({"by": ADA}));
    assert_eq!((status, &fault["code"]), (409, &json!("done")), "{fault}");
}

/// Scenario: an event that waited too long; and an event whose incident has a newer revision by now. Guarantees: an approval
/// of either is refused, with the limit and with the revision that waits instead; the same on the command line.
#[test]
fn an_approval_comes_too_late_or_for_an_old_revision() {
    let (world, event) = waiting(secs_from(now(), -400));
    let program = Program::start(&world);
    let path = format!("/api/v1/approve/{}", revision_id(&event.incident_id, 1));
    let (status, fault) = program.post(&path, &json!({"by": ADA}));
    assert_eq!((status, &fault["code"]), (410, &json!("too_late")), "{fault}");
    assert!(fault["error"].as_str().unwrap().contains("limits.max_event_age_secs is 300"), "{fault}");
    drop(program);

    let newer = event_at(secs_from(now(), -3), 2);
    let plan = world.plan(&[APPROVE]);
    Desk::open(&plan, now()).unwrap().handle(&newer, now()).unwrap();
    let program = Program::start(&world);
    let (status, fault) = program.post(&path, &json!({"by": ADA}));
    assert_eq!((status, &fault["code"]), (409, &json!("old_revision")), "{fault}");
    let (way_out, newest) = (fault["way_out"].as_str().unwrap(), revision_id(&event.incident_id, 2));
    assert!(way_out.contains("revision 2") && way_out.contains(&newest), "{fault}");
    let answer = approve(&plan, &revision_id(&event.incident_id, 1), ADA, now()).unwrap();
    assert!(answer.code == 3 && answer.text.contains(&newest), "{}", answer.text);
    let reject = format!("/api/v1/reject/{newest}");
    let (status, told) = program.post(&reject, &json!({"by": ADA, "why": "load test"}));
    assert_eq!((status, &told["revision"]), (200, &json!(2)), "{told}");
    program.entry(|record| record["outcome"]["reason"].as_str().is_some_and(|why| why.contains("load test")));
}

/// Scenario: the ledger is read one entry at a time, along the links, while freeze, thaw and a rearm of a scope that needs
/// none are said. Guarantees: the pages are the ledger of the command line, entry by entry; the switch is thrown when the
/// answer comes; a cursor of another ledger is a fault.
#[test]
fn the_ledger_is_read_page_by_page() {
    let (world, _) = waiting(secs_from(now(), -5));
    let program = Program::start(&world);
    let (status, frozen) = program.post("/api/v1/freeze", &json!({"by": ADA, "why": "migration"}));
    assert_eq!((status, &frozen["frozen"]), (200, &json!(true)));
    assert_eq!(program.get("/api/v1/freeze").1["frozen"], json!(true));
    let frozen = program.entry(|record| record["kind"] == "frozen");
    let why = frozen["record"]["why"].as_str().unwrap();
    assert!(why.starts_with("migration, says ada@sso.example"), "{why}");
    assert_eq!(program.post("/api/v1/thaw", &json!({"by": ADA})).0, 200);
    program.entry(|record| record["kind"] == "thawed");
    let (status, fault) = program.post("/api/v1/rearm/shop", &json!({"by": ADA}));
    assert_eq!((status, &fault["code"]), (409, &json!("not_demoted")), "{fault}");

    let (mut next, mut pages) = (Some("/api/v1/ledger?limit=1".to_owned()), Vec::new());
    while let Some(path) = next {
        let (_, head, body) = program.ask("GET", &path, &[], "");
        pages.push(body.trim_start_matches('[').trim_end_matches(']').to_owned());
        let link = head.lines().find_map(|line| line.strip_prefix("link: <"));
        next = link.map(|link| link.split('>').next().unwrap().to_owned());
    }
    let printed = Command::new(env!("CARGO_BIN_EXE_bellwether-actuator"))
        .args(["ledger", "--set", &format!("data_dir={}", world.data_dir().display())])
        .output()
        .unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert!(pages.len() > 3 && printed.lines().eq(pages.iter().map(String::as_str)), "{pages:#?}\n{printed}");
    let newest = pages.len();
    assert_eq!(program.get(&format!("/api/v1/ledger?after={newest}")), (200, json!([])));
    let (status, fault) = program.get(&format!("/api/v1/ledger?after={}", newest + 1));
    assert_eq!((status, &fault["code"]), (404, &json!("beyond")), "{fault}");
    assert_eq!(program.get("/api/v1/ledger?from=1").0, 400);
    assert_eq!(program.get("/livez"), (200, json!("ok")));
    assert_eq!(program.get("/readyz").0, 503, "there is no engine");
    assert!(program.get("/metrics").1.as_str().unwrap().contains("bellwether_actuator_ready 0"));
}
