//! The embedded log in a process that is killed: what was answered is there afterwards.
#![expect(clippy::unwrap_used, reason = "a test may stop at any surprise")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use bytes::Bytes;
use engine::log::{Log, LogConfig, NewRecord, OpenLog};
use engine::record::{Compression, Encoding, RecordKind};
use engine::telemetry::Telemetry;
use engine::time::clock::Clock;
use tempfile::TempDir;

/// Lives of the log, each ended by a kill but the last.
const LIVES: u64 = 8;
/// Requests that wait at a time.
const WRITERS: u64 = 8;

fn open(dir: &Path) -> OpenLog {
    let config = LogConfig { segment_bytes: 64 << 10, ..LogConfig::new(dir) };
    Log::open(config, Clock::system(), &Telemetry::new().unwrap()).unwrap()
}

/// A body that says who wrote it, of a length that varies.
fn body(life: u64, writer: u64, n: u64) -> Vec<u8> {
    let mut body = format!("{life} {writer} {n} ").into_bytes();
    body.resize(body.len() + usize::try_from((n * 131 + writer * 17) % 3_000).unwrap(), b'.');
    body
}

/// The process that is killed: appends for ever, and says on stdout what was answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the other half of acknowledged_records_survive_kills, which starts it"]
async fn appends_until_killed() {
    let mut told = std::io::stdin().lines().map(Result::unwrap);
    let (dir, life) = (told.next().unwrap(), told.next().unwrap().parse::<u64>().unwrap());
    let log = open(Path::new(&dir));
    for writer in 0..WRITERS {
        let handle = log.writer.clone();
        tokio::spawn(async move {
            for n in 0.. {
                let record = NewRecord {
                    tenant: "acme".into(),
                    kind: RecordKind::Logs,
                    encoding: Encoding::OtlpProto,
                    compression: Compression::None,
                    body: Bytes::from(body(life, writer, n)),
                };
                let offset = handle.append(record).await.unwrap();
                let line = format!("ack {offset} {life} {writer} {n}\n");
                std::io::stdout().write_all(line.as_bytes()).unwrap();
            }
        });
    }
    std::future::pending::<()>().await;
}

/// Scenario: a process appends over eight connections and is killed with SIGKILL after a varying number of answers,
/// eight times over on one log. Guarantees: whatever was answered stands at the offset of the answer with its body,
/// in every later life; offsets have no holes; stamps never fall.
#[tokio::test]
async fn acknowledged_records_survive_kills() {
    let dir = TempDir::new().unwrap();
    let mut acknowledged = Vec::new();
    for life in 0..LIVES {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "appends_until_killed", "--ignored", "--nocapture"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{}\n{life}", dir.path().display()).unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut answers = 0;
        while answers < 20 + life * 37 {
            let line = lines.next().expect("the child writes until it is killed");
            answers += note(&line, &mut acknowledged);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // What it had answered before the kill may still be in the pipe; the last line may be torn.
        let rest: Vec<String> = lines.collect();
        rest.iter().take(rest.len().saturating_sub(1)).for_each(|line| {
            note(line, &mut acknowledged);
        });
    }
    let log = open(dir.path());
    let mut reader = log.readers.read_from(0).unwrap();
    let (mut bodies, mut newest) = (Vec::new(), 0);
    while let Some((offset, record)) = reader.try_next().await.unwrap() {
        assert_eq!(offset, bodies.len() as u64);
        assert!(record.arrived_at >= newest);
        newest = record.arrived_at;
        bodies.push(record.body);
    }
    assert!(acknowledged.len() >= 8 * 20);
    for (offset, expected) in acknowledged {
        assert_eq!(
            bodies.get(usize::try_from(offset).unwrap()).map(|it| &it[..]),
            Some(&expected[..]),
            "{offset}"
        );
    }
}

/// Takes a line of the child; gives 1 if it is an answer.
fn note(line: &str, acknowledged: &mut Vec<(u64, Vec<u8>)>) -> u64 {
    // The test harness writes its own words, the first of them on the same line as an answer.
    let Some((_, answer)) = line.split_once("ack ") else { return 0 };
    let numbers: Vec<u64> = answer.split(' ').map_while(|it| it.parse().ok()).collect();
    let [offset, life, writer, n] = numbers[..] else { return 0 };
    acknowledged.push((offset, body(life, writer, n)));
    1
}
