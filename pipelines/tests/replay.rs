//! Recorded rollouts through the whole lane: exactly the expected bytes, however often it runs or is stopped.
//!
//! What it does not do: say whether the expectation is wise; `evaluate` holds it against the labels.

use std::path::{Path, PathBuf};

use engine::error::EngineError;
use engine::record::{Compression, Encoding, Positions, RecordKind};
use engine::source::{FileConfig, FileSource, Received, ResumeAt, Source};
use pipelines::config::{Plan, read_files};
use pipelines::service::{Replayed, replay, replay_from};

mod queue_recording;

fn folder(fault: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/canaryrec").join(fault)
}

fn plan() -> Plan {
    read_files(&[], &[]).expect("the defaults are a configuration")
}

fn lines(replayed: &Replayed) -> String {
    let lines =
        replayed.messages.iter().map(|message| format!("{}\n", String::from_utf8_lossy(&message.value)));
    lines.collect()
}

fn expected(fault: &str) -> String {
    std::fs::read_to_string(folder(fault).join("expected.jsonl")).expect("a file beside the recording")
}

/// Ends after so many records, as a process that is stopped.
struct Cut(FileSource, u64);

impl Source for Cut {
    async fn next(&mut self) -> Result<Option<Received>, EngineError> {
        match self.1.checked_sub(1) {
            None => Ok(None),
            Some(left) => {
                self.1 = left;
                self.0.next().await
            }
        }
    }

    async fn commit(&mut self, upto: &Positions) -> Result<(), EngineError> {
        self.0.commit(upto).await
    }
}

/// Scenario: each recorded rollout is replayed twice. Guarantees: exactly the events that stand beside it, byte for
/// byte and with one digest; the sick versions end in a recommendation to act, the sound ones in silence.
#[test]
fn recordings_give_the_expected_bytes_twice() {
    for (fault, bad) in [
        ("none", false),
        ("warmup", false),
        ("lat100", true),
        ("err3", true),
        ("err15", true),
        ("crashloop", true),
    ] {
        let first = replay(&plan(), vec![folder(fault)], None).unwrap();
        let second = replay(&plan(), vec![folder(fault)], None).unwrap();
        assert_eq!(first, second, "{fault}");
        assert!(first.end.records > 1_000, "{fault}: {} records", first.end.records);
        assert_eq!(lines(&first), expected(fault), "{fault}");
        assert_eq!(!first.messages.is_empty(), bad, "{fault}");
    }
}

/// Scenario: a replay into a folder is stopped after some records and begun again by a
/// new lane each time, before, within and after the incident; at last it runs to the end, and once more after it.
/// Guarantees: what the folder holds is what one undisturbed run says.
#[test]
fn a_replay_that_is_stopped_again_and_again_gives_the_same_bytes() {
    let out = tempfile::tempdir().unwrap();
    let files = FileConfig::new(vec![folder("err3")], plan().tenant.as_str().into());
    let undisturbed = replay(&plan(), vec![folder("err3")], None).unwrap();
    let mut records = 0;
    for cut in [1, 700, 700, 300, 200, 100, u64::MAX, u64::MAX] {
        let part = replay_from(&plan(), Some(out.path()), |resume: &ResumeAt| {
            Ok(Cut(FileSource::open(&files, resume)?, cut))
        });
        let part = part.unwrap();
        records += part.end.records;
        assert!(lines(&undisturbed).starts_with(&lines(&part)));
        if cut == u64::MAX {
            assert_eq!((lines(&part), part.end.digest), (expected("err3"), undisturbed.end.digest));
        }
    }
    assert_eq!(records, undisturbed.end.records, "every record was taken in once");
}

/// Scenario: recordings that are none: rubbish, a zstd file that is cut off, an empty one; and one good line among bad ones.
/// Guarantees: an error that says so instead of a quiet nothing; bad lines beside good ones are counted.
#[test]
fn broken_recordings_are_said() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let packed = std::fs::read(folder("none").join("logs.jsonl.zst")).unwrap();
    let good = "{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"timeUnixNano\":\"1795397770777000000\"}]}]}]}";
    for (path, word) in [
        (file("rubbish.jsonl", b"what\n{\"a\":1}\n"), "2 lines were passed over"),
        (file("empty.jsonl", b""), "holds no OTLP request"),
        (file("metrics.pb", &[0, 0, 0, 9, 1]), "holds no OTLP request"),
        (file("torn.jsonl.zst", packed.get(..packed.len() / 2).unwrap()), "torn.jsonl.zst"),
    ] {
        let error = replay(&plan(), vec![path], None).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
    let mixed = file("mixed.jsonl", format!("rubbish\n{good}\n[]\n").as_bytes());
    assert_eq!(replay(&plan(), vec![mixed], None).unwrap().passed_over, 2);
}

/// Scenario: a path that is not there. Guarantees: an error that names it.
#[test]
fn a_missing_recording_is_said() {
    let error = replay(&plan(), vec![folder("no-such-fault.jsonl")], None).unwrap_err().to_string();
    assert!(error.contains("no-such-fault") && error.contains("does not exist"), "{error}");
}

/// A CDEvent that came by `POST /v1/changes` just before the first record.
struct Announced(FileSource, Vec<Received>);

const ANNOUNCEMENT: &str = r#"{"context":{"specversion":"0.5.1","id":"change-7","source":"/argo",
    "type":"dev.cdevents.service.upgraded.0.3.0"},
    "subject":{"id":"canaryrec/web","content":{"environment":{"id":"recorded"},"artifactId":"pkg:oci/web?tag=v2"}},
    "customData":{"commit":"0123abcd","author":"kim"}}"#;

impl Source for Announced {
    async fn next(&mut self) -> Result<Option<Received>, EngineError> {
        if let Some(kept) = self.1.pop() {
            return Ok(Some(kept));
        }
        let next = self.0.next().await?;
        let Some(first) = next.as_ref().filter(|received| received.next_offset == 1) else { return Ok(next) };
        let mut change = first.clone();
        change.partition = "changes".into();
        change.record.kind = RecordKind::Change;
        change.record.encoding = Encoding::OtlpJson;
        change.record.compression = Compression::None;
        change.record.body = ANNOUNCEMENT.as_bytes().to_vec().into();
        self.1.extend(next);
        Ok(Some(change))
    }

    async fn commit(&mut self, upto: &Positions) -> Result<(), EngineError> {
        self.0.commit(upto).await
    }
}

/// Scenario: a bad rollout that was announced by a CDEvent. Guarantees: the risk events name the announced change, its
/// commit and author, and are otherwise about the same incident as without it.
#[test]
fn an_announced_change_gives_its_name_to_the_incident() {
    let files = FileConfig::new(vec![folder("err15")], plan().tenant.as_str().into());
    let told = replay_from(&plan(), None, |resume: &ResumeAt| {
        Ok(Announced(FileSource::open(&files, resume)?, Vec::new()))
    });
    let told = lines(&told.unwrap());
    assert!(told.lines().count() >= 1);
    for event in told.lines() {
        for part in
            [r#""id":"change-7""#, r#""commit":"0123abcd""#, r#""author":"kim""#, r#""kind":"deploy""#]
        {
            assert!(event.contains(part), "{part} is missing in {event}");
        }
    }
    let incident = |text: &str| {
        text.split("\"incident_id\":\"").nth(1).and_then(|rest| rest.get(..32)).map(str::to_owned)
    };
    assert_eq!(incident(&told), incident(&expected("err15")));
}

/// Scenario: a queue that has held its length for minutes is four times as long for a minute; the replay runs undisturbed, and
/// into a folder, stopped and begun again by a new lane while the series is learned, while it stands out, and after.
/// Guarantees: one incident about the queue's own series, by the rule `baseline`, no more than worth watching, resolved
/// afterwards; the same bytes both ways.
#[test]
fn a_series_that_stands_out_survives_restarts() {
    let (input, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    queue_recording::write(input.path());
    let plan = read_files(&[], &queue_recording::SETTINGS.map(str::to_owned)).unwrap();
    let undisturbed = replay(&plan, vec![input.path().to_owned()], None).unwrap();
    let expected = lines(&undisturbed);
    let told: Vec<serde_json::Value> =
        expected.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |nth: usize| (&told[nth]["data"]["status"], &told[nth]["data"]["assessment"]["level"]);
    assert_eq!(told.len(), 2, "{expected}");
    assert_eq!(of(0), (&"opened".into(), &"monitor".into()));
    assert_eq!(of(1).0, &"resolved");
    let first = &told[0]["data"];
    assert_eq!(
        (&first["rule"]["name"], &first["evidence"][0]["signal"]),
        (&"baseline".into(), &"queue.depth".into())
    );
    let files = FileConfig::new(vec![input.path().to_owned()], plan.tenant.as_str().into());
    for cut in [400, 400, 600, 30, 30, u64::MAX] {
        let part = replay_from(&plan, Some(out.path()), |resume: &ResumeAt| {
            Ok(Cut(FileSource::open(&files, resume)?, cut))
        });
        let part = part.unwrap();
        assert!(expected.starts_with(&lines(&part)), "{}", lines(&part));
        if cut == u64::MAX {
            assert_eq!((lines(&part), part.end.digest), (expected.clone(), undisturbed.end.digest));
        }
    }
}
