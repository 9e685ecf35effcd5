//! Recorded files: order, stamps, clock records, resumption, what cannot be read.

use super::*;

const T0: i64 = 1_800_000_000;

fn log_line(at_millis: i64) -> String {
    let at = T0 * 1_000 + at_millis;
    format!(
        r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{"timeUnixNano":"{at}000000","body":{{"stringValue":"x"}}}}]}}]}}]}}"#
    )
}

fn gauge_line(at_millis: i64) -> String {
    let at = T0 * 1_000 + at_millis;
    format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"g","gauge":{{"dataPoints":[{{"timeUnixNano":"{at}000000","asDouble":1}}]}}}}]}}]}}]}}"#
    )
}

fn config(dir: &tempfile::TempDir, files: &[(&str, &[String])]) -> FileConfig {
    for (name, lines) in files {
        std::fs::write(dir.path().join(name), lines.join("\n")).unwrap();
    }
    FileConfig { tail_secs: 2, ..FileConfig::new(vec![dir.path().to_owned()], "t".into()) }
}

async fn all(config: &FileConfig, resume: &ResumeAt) -> Vec<Received> {
    let mut source = FileSource::open(config, resume).unwrap();
    let mut given = Vec::new();
    while let Some(received) = source.next().await.unwrap() {
        given.push(received);
    }
    given
}

/// Stamp in milliseconds after [`T0`] and kind.
fn told(given: &[Received]) -> Vec<(i64, RecordKind)> {
    given.iter().map(|r| (r.record.arrived_at / 1_000_000 - T0 * 1_000, r.record.kind)).collect()
}

/// Scenario: two files whose requests interleave, one of them out of order, and a file of expectations beside them.
/// Guarantees: merged by newest event time, stamped 200 ms later, a clock record at every full second between and for
/// the tail; the expectations are no input.
#[tokio::test]
async fn requests_are_merged_stamped_and_clocked() {
    use RecordKind::{Clock, Logs, Metrics};
    let dir = tempfile::tempdir().unwrap();
    let files: [(&str, &[String]); 3] = [
        ("a.jsonl", &[gauge_line(2_100), gauge_line(100)]),
        ("b.jsonl", &[log_line(850), log_line(2_100)]),
        ("expected.jsonl", &["{}".to_owned()]),
    ];
    let config = config(&dir, &files);
    let given = all(&config, &ResumeAt::default()).await;
    let wanted = [
        (300, Metrics),
        (1_000, Clock),
        (1_050, Logs),
        (2_000, Clock),
        (2_300, Metrics),
        (2_300, Logs),
        (3_000, Clock),
        (4_000, Clock),
    ];
    assert_eq!(told(&given), wanted);
}

/// Scenario: a source is opened again after each of its records. Guarantees: it gives the rest, and nothing else.
#[tokio::test]
async fn it_goes_on_after_any_record() {
    let dir = tempfile::tempdir().unwrap();
    let lines: Vec<String> = (0..9).map(|n| log_line(n * 701)).collect();
    let config = config(&dir, &[("logs.jsonl", &lines)]);
    let whole = all(&config, &ResumeAt::default()).await;
    let mut resume = ResumeAt::default();
    for (n, received) in whole.iter().enumerate() {
        resume.advance(received);
        assert_eq!(all(&config, &resume).await, whole[n + 1..]);
    }
    resume.positions.advance("recorded", whole.len() as u64 + 1);
    let error = FileSource::open(&config, &resume).unwrap_err().to_string();
    assert!(error.contains("name the files"), "{error}");
}

/// Scenario: good lines between rubbish, a torn line, two kinds in one line, a line without time at the start.
/// Guarantees: the good ones come, the others are counted.
#[tokio::test]
async fn lines_that_cannot_be_used_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let lines = [
        r#"{"resourceLogs":[]}"#.to_owned(),
        log_line(0),
        "rubbish".to_owned(),
        String::new(),
        r#"{"resourceLogs":[],"resourceSpans":[]}"#.to_owned(),
        r#"{"resourceLogs":[{"scopeLogs":7}]}"#.to_owned(),
        log_line(1).chars().take(40).collect(),
        log_line(2),
    ];
    let config = config(&dir, &[("logs.jsonl", &lines)]);
    let source = FileSource::open(&config, &ResumeAt::default()).unwrap();
    assert_eq!((source.requests(), source.passed_over()), (2, 5));
}

/// Scenario: plain and packed, a line and a frame longer than a request may be between good ones.
/// Guarantees: the long ones are counted without being held, the good ones come with their own bytes.
#[tokio::test]
async fn what_is_too_long_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let (long, short) = ("x".repeat(3 << 20), log_line(1));
    let lines = format!("  {short}\n{long}\n{short}\r\n{long}");
    let frame = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes()[..], bytes].concat();
    let frames = [frame(long.as_bytes()), frame(&[])].concat();
    std::fs::write(dir.path().join("a.jsonl"), &lines).unwrap();
    std::fs::write(dir.path().join("b.jsonl.zst"), zstd::encode_all(lines.as_bytes(), 1).unwrap()).unwrap();
    std::fs::write(dir.path().join("metrics.pb"), frames).unwrap();
    let config = FileConfig { request_bytes_max: 1_000, ..config(&dir, &[]) };
    let source = FileSource::open(&config, &ResumeAt::default()).unwrap();
    assert_eq!((source.requests(), source.passed_over()), (4, 6));
    let given = all(&config, &ResumeAt::default()).await;
    let bodies = given.iter().filter(|received| received.record.kind == RecordKind::Logs);
    assert!(bodies.map(|received| &received.record.body[..]).eq([short.as_bytes(); 4]));
}

/// Scenario: a row whose clock is ten years ahead. Guarantees: silence is played for a bounded time only.
#[tokio::test]
async fn a_clock_years_ahead_does_not_cost_a_record_per_second() {
    let dir = tempfile::tempdir().unwrap();
    let lines = [log_line(0), log_line(10 * 365 * 86_400_000)];
    let given = all(&config(&dir, &[("logs.jsonl", &lines)]), &ResumeAt::default()).await;
    assert_eq!(given.len() as i64, 2 + SILENCE_SECS_MAX + 2);
    assert!(given.is_sorted_by_key(|received| received.record.arrived_at));
}

/// Scenario: length-prefixed protobuf, whole and torn. Guarantees: whole requests come, the torn end is counted.
#[test]
fn length_prefixed_protobuf_is_read() {
    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
    use prost::Message as _;
    let log = LogRecord { time_unix_nano: T0 as u64 * 1_000_000_000, ..LogRecord::default() };
    let scope_logs = vec![ScopeLogs { log_records: vec![log], ..ScopeLogs::default() }];
    let resource_logs = vec![ResourceLogs { scope_logs, ..ResourceLogs::default() }];
    let body = ExportLogsServiceRequest { resource_logs }.encode_to_vec();
    let frame = [&(body.len() as u32).to_be_bytes()[..], &body].concat();
    let dir = tempfile::tempdir().unwrap();
    for (name, torn, wanted) in [("logs.pb", 0, (2, 0)), ("logs-torn.pb", 3, (1, 1)), ("other.pb", 0, (0, 2))]
    {
        let bytes = frame.repeat(2);
        let path = dir.path().join(name);
        std::fs::write(&path, &bytes[..bytes.len() - torn]).unwrap();
        let config = FileConfig::new(vec![path], "t".into());
        let source = FileSource::open(&config, &ResumeAt::default()).unwrap();
        assert_eq!((source.requests(), source.passed_over()), wanted, "{name}");
    }
}

/// Scenario: nothing named, a missing file, a folder without recordings, another ending, more than fits.
/// Guarantees: an error that names the thing and the way out.
#[test]
fn what_cannot_be_read_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::create_dir(path("empty")).unwrap();
    std::fs::write(path("notes.txt"), "x").unwrap();
    std::fs::write(path("big.jsonl.zst"), zstd::encode_all(&vec![b' '; 1_001][..], 1).unwrap()).unwrap();
    for (paths, wanted) in [
        (vec![], "must be at least one file"),
        (vec![path("missing.jsonl")], "missing.jsonl does not exist: name"),
        (vec![path("missing-folder")], "missing-folder does not exist: name"),
        (vec![path("empty")], "holds no recording: name"),
        (vec![path("notes.txt")], "must end in one of .jsonl"),
        (vec![path("big.jsonl.zst")], "replay shorter"),
    ] {
        let config = FileConfig { file_bytes_max: 1_000, ..FileConfig::new(paths, "t".into()) };
        let error = FileSource::open(&config, &ResumeAt::default()).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}
