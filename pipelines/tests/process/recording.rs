//! A recorded rollout as if it had arrived just now: times moved, and laid into an embedded log with the arrival stamps
//! that live telemetry would have had.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use contract::Origin;
use engine::decode::{DecodeLimits, Decoder};
use engine::error::EngineError;
use engine::log::{Log, LogConfig, LogSource, NewRecord, OpenLog, PARTITION, SyncPolicy};
use engine::record::{NANOS_PER_SEC, Positions, Record, RecordKind, UnixNanos};
use engine::runtime::{LaneParts, LaneStatus, run_lane, stop_signal};
use engine::sink::{DeadLetterFile, FileSink};
use engine::source::{FileConfig, FileSource, Received, ResumeAt, Source};
use engine::state::Checkpoints;
use engine::telemetry::Telemetry;
use engine::time::clock::Clock;
use pipelines::config::read_files;
use pipelines::service::lane_config;
use pipelines::wiring::Judge;
use tokio::sync::watch;

use crate::later_times::later_times;

/// Nanoseconds since 1970 on the wall.
#[expect(clippy::disallowed_methods, reason = "the engine under test reads the wall clock too")]
pub(crate) fn wall() -> UnixNanos {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    UnixNanos::try_from(since.as_nanos()).unwrap()
}

/// The records of a recorded rollout with the stamps of their arrival, clock records among them.
pub(crate) fn records(fault: &str) -> Vec<Record> {
    records_of(Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/canaryrec").join(fault))
}

/// The same of the recording in a folder.
pub(crate) fn records_of(folder: PathBuf) -> Vec<Record> {
    let config = FileConfig { tail_secs: 90, ..FileConfig::new(vec![folder], "default".into()) };
    let mut source = FileSource::open(&config, &ResumeAt::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut records = Vec::new();
        while let Some(received) = source.next().await.unwrap() {
            records.push(received.record);
        }
        records
    })
}

/// The same, `by` nanoseconds later.
pub(crate) fn moved(records: Vec<Record>, by: UnixNanos) -> Vec<Record> {
    let later = |mut record: Record| {
        record.arrived_at += by;
        record.body = later_times(std::str::from_utf8(&record.body).unwrap(), by).into();
        record
    };
    records.into_iter().map(later).collect()
}

/// The longest window of the default settings.
const WINDOW: UnixNanos = 10 * NANOS_PER_SEC;

/// The same, so that the last one arrives within the last ten seconds. Moved by whole windows, so that the same rows share
/// a window whenever the test runs: what is said about a faint fault depends on that.
pub(crate) fn ending_now(records: Vec<Record>) -> Vec<Record> {
    let by = wall() - records[records.len() - 1].arrived_at;
    moved(records, by - by.rem_euclid(WINDOW))
}

/// Those that arrived within these seconds of the recording.
pub(crate) fn part(records: Vec<Record>, within: std::ops::Range<i64>) -> Vec<Record> {
    let first = records[0].arrived_at;
    let is_in = |record: &Record| within.contains(&((record.arrived_at - first) / NANOS_PER_SEC));
    records.into_iter().filter(is_in).collect()
}

fn new_record(record: &Record) -> NewRecord {
    let Record { tenant, kind, encoding, compression, body, .. } = record.clone();
    NewRecord { tenant, kind, encoding, compression, body }
}

/// Lays records into the embedded log of a data directory, each at its stamp.
pub(crate) fn lay(data_dir: &Path, records: &[Record]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let start = records[0].arrived_at;
        let (clock, hand) = Clock::simulated(start);
        let telemetry = Telemetry::new().unwrap();
        let OpenLog { writer, readers, .. } = Log::open(log_config(data_dir), clock, &telemetry).unwrap();
        for record in records {
            let before = readers.next_offset();
            hand.advance_to(record.arrived_at);
            if record.kind != RecordKind::Clock {
                writer.append(new_record(record)).await.unwrap();
                continue;
            }
            // the log writes its own as soon as its thread has seen the clock; a second that it misses does no harm
            for _ in 0..200 {
                if readers.next_offset() > before {
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
        writer.close().await;
    });
}

fn log_config(data_dir: &Path) -> LogConfig {
    // a segment is small, so that runs cross several
    LogConfig {
        segment_bytes: 1 << 20,
        retention_bytes: 1 << 32,
        sync: SyncPolicy::Every(Duration::from_secs(1)),
        ..LogConfig::new(data_dir.join("log"))
    }
}

/// A log up to where it ended when it was opened.
struct ToTheEnd(LogSource, u64);

impl Source for ToTheEnd {
    async fn next(&mut self) -> Result<Option<Received>, EngineError> {
        if self.1 == 0 {
            return Ok(None);
        }
        let received = self.0.next().await?;
        if received.as_ref().is_none_or(|received| received.next_offset >= self.1) {
            self.1 = 0;
        }
        Ok(received)
    }

    async fn commit(&mut self, upto: &Positions) -> Result<(), EngineError> {
        self.0.commit(upto).await
    }
}

/// What the file of risk events holds.
pub(crate) fn told(data_dir: &Path) -> Vec<String> {
    let messages = engine::sink::read_messages(&data_dir.join("risk-events.log")).unwrap();
    messages.iter().map(|message| String::from_utf8(message.value.to_vec()).unwrap()).collect()
}

/// Runs a lane over the log of a data directory, from its checkpoints if it has any, to the end of the log and no further.
pub(crate) fn read_to_the_end(data_dir: &Path, settings: &[&str]) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let settings = settings.iter().chain(&["checkpoint.every_secs=1"]);
        let settings: Vec<String> = settings.map(|setting| (*setting).to_owned()).collect();
        let plan = read_files(&[], &settings).unwrap();
        let telemetry = Telemetry::new().unwrap();
        // a clock that stands still: the log gets no record that the other run did not see
        let (clock, _hand) = Clock::simulated(0);
        let OpenLog { writer, readers, report } = Log::open(log_config(data_dir), clock, &telemetry).unwrap();
        let (sink, _events) = FileSink::open(&data_dir.join("risk-events.log")).unwrap();
        let (judge, _views) = Judge::new(&plan, Origin::Live).unwrap();
        let end = report.next_offset;
        let parts = LaneParts {
            source: move |resume: &ResumeAt| {
                let from = resume.positions.next_of(PARTITION);
                Ok(ToTheEnd(readers.source_from(from)?, if from >= end { 0 } else { end }))
            },
            decoder: Decoder::new(DecodeLimits::default()),
            operator: judge,
            sink,
            dead_letters: DeadLetterFile::open(&data_dir.join("dead-letters.jsonl"), 1 << 20).unwrap(),
            checkpoints: Checkpoints::in_directory(&data_dir.join("checkpoints")).unwrap(),
        };
        // held to the end: dropping it asks for the end
        let (_stop_handle, stop) = stop_signal();
        let status = watch::Sender::new(LaneStatus::default());
        run_lane(lane_config(&plan, "main"), parts, (stop, status), &telemetry).await.unwrap();
        writer.close().await;
    });
}

/// A copy of the log alone.
pub(crate) fn copy_log(from: &Path, to: &Path) {
    std::fs::create_dir_all(to.join("log")).unwrap();
    for entry in std::fs::read_dir(from.join("log")).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, to.join("log").join(path.file_name().unwrap())).unwrap();
        }
    }
}

/// Nanoseconds of seconds.
pub(crate) const fn secs(n: i64) -> UnixNanos {
    n * NANOS_PER_SEC
}

/// Scenario: a recorded rollout whose exports lie around the border of a second, so that now and then two of a pod fall
/// into one second and none into the next. Guarantees: its fault is told all the same.
#[test]
fn exports_around_the_border_of_a_second_are_judged() {
    let dir = tempfile::tempdir().unwrap();
    lay(dir.path(), &moved(records("err3"), 9_212_000_000));
    read_to_the_end(dir.path(), &[]);
    assert!(!told(dir.path()).is_empty());
}
