//! The same fault on different days and services, through the whole lane: the later event tells of the earlier one.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use contract::{CloudEvent, Outcome, OutcomeStatus, RiskEvent, RiskStatus};
use engine::error::EngineError;
use engine::operator::Message;
use engine::record::{NANOS_PER_SEC, Positions, Record, RecordKind, UnixNanos};
use engine::source::{FileConfig, FileSource, MemorySource, Received, ResumeAt, Source};
use pipelines::config::{Plan, read_files};
use pipelines::explain::words;
use pipelines::service::{Replayed, replay_from};

mod later_times;

const DAY: UnixNanos = 86_400 * NANOS_PER_SEC;

fn plan() -> Plan {
    read_files(&[], &[]).unwrap()
}

fn folder(fault: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/canaryrec").join(fault)
}

/// The records of a rollout, that many days later, of a service of another name, with minutes of quiet at the end.
fn recorded(fault: &str, days: i64, service: &str) -> Vec<Record> {
    let config =
        FileConfig { tail_secs: 90, ..FileConfig::new(vec![folder(fault)], plan().tenant.as_str().into()) };
    let mut source = FileSource::open(&config, &ResumeAt::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut records = Vec::new();
    while let Some(Received { mut record, .. }) = runtime.block_on(source.next()).unwrap() {
        record.arrived_at += days * DAY;
        let text = std::str::from_utf8(&record.body).unwrap();
        let text = text.replace(r#""stringValue":"web""#, &format!(r#""stringValue":"{service}""#));
        record.body = later_times::later_times(&text, days * DAY).into();
        records.push(record);
    }
    records
}

/// What the actuator says of an incident, right after the record before it.
fn told(status: OutcomeStatus, incident_id: &str, before: &Record) -> Record {
    let text = std::fs::read_to_string(folder("../contract/v1/outcome.json")).unwrap();
    let known = Outcome::from_json(text.as_bytes()).unwrap();
    let outcome = Outcome { status, incident_id: incident_id.to_owned(), id: format!("{status:?}"), ..known };
    Record { kind: RecordKind::Outcome, body: serde_json::to_vec(&outcome).unwrap().into(), ..before.clone() }
}

/// Ends after so many records, as a process that is stopped.
struct Cut(MemorySource, usize);

impl Source for Cut {
    async fn next(&mut self) -> Result<Option<Received>, EngineError> {
        if self.1 == 0 {
            return Ok(None);
        }
        self.1 -= 1;
        self.0.next().await
    }

    async fn commit(&mut self, upto: &Positions) -> Result<(), EngineError> {
        self.0.commit(upto).await
    }
}

fn run(records: &Arc<[Record]>, out: Option<&Path>, cut: usize) -> Replayed {
    replay_from(&plan(), out, |resume: &ResumeAt| {
        Ok(Cut(MemorySource::new(Arc::clone(records), resume), cut))
    })
    .unwrap()
}

fn events(replayed: &Replayed) -> Vec<RiskEvent> {
    let read = |value: &[u8]| serde_json::from_slice::<CloudEvent<RiskEvent>>(value).unwrap().data;
    replayed.messages.iter().map(|message| read(&message.value)).collect()
}

/// The records of three days: a release of `web` fails requests and is reverted by the actuator, one of `shop` does the same,
/// fainter, and one of `web` is slow.
struct ThreeDays {
    records: Arc<[Record]>,
    /// The first day's incident.
    first: String,
    /// Records of the first day, and of the first two.
    n_records: [usize; 2],
}

fn three_days() -> ThreeDays {
    let golden = std::fs::read_to_string(folder("err15").join("expected.jsonl")).unwrap();
    let first: CloudEvent<RiskEvent> = serde_json::from_str(golden.lines().next().unwrap()).unwrap();
    let first = first.data.incident_id;
    let mut records = recorded("err15", 0, "web");
    records.push(told(OutcomeStatus::Acted, &first, &records[records.len() - 1]));
    let n_first = records.len();
    records.extend(recorded("err3", 1, "shop"));
    let n_records = [n_first, records.len()];
    records.extend(recorded("lat100", 2, "web"));
    ThreeDays { records: records.into(), first, n_records }
}

/// What was said of a service while something was open, by what it says first.
fn open_about<'a>(events: &'a [RiskEvent], service: &str, signal: &str) -> Vec<&'a RiskEvent> {
    let is_it = |event: &&RiskEvent| {
        event.status != RiskStatus::Resolved
            && event.scope.service == service
            && event.evidence[0].signal.starts_with(signal)
    };
    events.iter().filter(is_it).collect()
}

/// Scenario: three days. Guarantees: the first incident is new; the second is told of the first: its service, its revert, its id, and what
/// both show, in the event and in its explanations; the third is unlike both and is new.
#[test]
fn the_same_fault_elsewhere_names_the_family_of_the_first() {
    let ThreeDays { records, first, .. } = three_days();
    let replayed = run(&records, None, usize::MAX);
    let all = events(&replayed);
    let (one, two) = (open_about(&all, "web", "errors"), open_about(&all, "shop", "errors"));
    let three = open_about(&all, "web", "latency");
    // what the actuator says, and that it is quiet at last, are updates too
    assert!(
        one.len() >= 2 && two.len() >= 2 && three.len() >= 2,
        "{} {} {}",
        one.len(),
        two.len(),
        three.len()
    );
    assert_eq!(one[0].incident_id, first);
    assert!(one.iter().chain(&three).all(|event| event.family.is_none()));
    for event in &two {
        let family = event.family.as_ref().expect("seen before");
        assert_eq!(family.name, "errors right after a release");
        assert_eq!((family.members, &family.services[..]), (1, &["web".to_owned()][..]));
        assert_eq!(family.endings, [("reverted".to_owned(), 1)].into());
        assert_eq!(family.nearest_incident.as_ref(), Some(&first));
        assert_eq!(family.id, two[0].family.as_ref().unwrap().id);
        assert!(family.shared.contains(&"errors".to_owned()), "{family:?}");
        let said = &event.explanation;
        assert!(
            said.contains("Seen before once (errors right after a release), last at 2026-11-2"),
            "{said}"
        );
        assert!(said.contains(" on web; ended: 1 reverted."), "{said}");
    }
    let in_words = |message: &Message| words(&serde_json::from_slice(&message.value).unwrap()).join("\n");
    let texts: Vec<String> = replayed.messages.iter().map(in_words).collect();
    let is_told = |text: &&String| text.contains("Seen before: errors right after a release (family ");
    let text = texts.iter().find(is_told).unwrap();
    for part in [
        "), 1 incident(s)",
        ", on web",
        "ended: 1 reverted",
        "this one shares: a change is suspected, errors",
        &first,
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
}

/// Scenario: the second day with the first before it, and alone. Guarantees: what is known of a family changes no assessment, no
/// recommendation, and not the digest that approvals are bound to.
#[test]
fn a_family_is_for_information_only() {
    let after = events(&run(&three_days().records, None, usize::MAX));
    let alone = events(&run(&recorded("err3", 1, "shop").into(), None, usize::MAX));
    let (with, without) = (open_about(&after, "shop", "errors"), open_about(&alone, "shop", "errors"));
    assert!(with.len() >= without.len() && without.len() == 2, "{} {}", with.len(), without.len());
    for (with, without) in with.iter().zip(&without) {
        assert!(with.family.is_some() && without.family.is_none());
        assert_eq!((&with.assessment, &with.recommended), (&without.assessment, &without.recommended));
        assert_eq!((&with.causes, &with.evidence_digest), (&without.causes, &without.evidence_digest));
    }
}

/// Scenario: three days, undisturbed, and into a folder, stopped and begun again by a new lane after the first day, within
/// the second day's incident, and soon after. Guarantees: the same bytes both ways.
#[test]
fn what_was_learned_survives_restarts() {
    let ThreeDays { records, n_records, .. } = three_days();
    let undisturbed = run(&records, None, usize::MAX);
    let out = tempfile::tempdir().unwrap();
    for cut in [n_records[0], n_records[1] - n_records[0] - 500, 200, usize::MAX] {
        let part = run(&records, Some(out.path()), cut);
        assert!(undisturbed.messages.starts_with(&part.messages));
        if cut == usize::MAX {
            let undisturbed = (&undisturbed.messages, &undisturbed.end.digest);
            assert_eq!((&part.messages, &part.end.digest), undisturbed);
        }
    }
}
