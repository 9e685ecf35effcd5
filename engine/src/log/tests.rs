//! The log as a whole: what is answered stays, whatever happens to the process and the disk.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use tempfile::TempDir;

use super::disk::{Directory, Disk, SegmentFile};
use super::*;
use crate::record::{NANOS_PER_SEC, Positions, Record, UnixNanos};
use crate::source::Source;
use crate::telemetry::Metric;
use crate::time::clock::ClockHand;

const T0: UnixNanos = 1_700_000_000 * NANOS_PER_SEC;

struct Bench {
    dir: TempDir,
    clock: Clock,
    hand: ClockHand,
    telemetry: Telemetry,
}

impl Bench {
    fn new() -> Self {
        let (clock, hand) = Clock::simulated(T0);
        Self { dir: TempDir::new().unwrap(), clock, hand, telemetry: Telemetry::new().unwrap() }
    }

    fn config(&self) -> LogConfig {
        LogConfig { segment_bytes: 4_096, ..LogConfig::new(self.dir.path()) }
    }

    fn open(&self) -> OpenLog {
        self.open_with(self.config()).unwrap()
    }

    fn open_with(&self, config: LogConfig) -> Result<OpenLog, EngineError> {
        Log::open(config, self.clock.clone(), &self.telemetry)
    }

    fn segments(&self) -> Vec<std::path::PathBuf> {
        let mut paths: Vec<_> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|it| it == "segment"))
            .collect();
        paths.sort();
        paths
    }
}

fn record(body: impl Into<Vec<u8>>) -> NewRecord {
    NewRecord {
        tenant: "acme".into(),
        kind: RecordKind::Metrics,
        encoding: Encoding::OtlpProto,
        compression: Compression::Gzip,
        body: Bytes::from(body.into()),
    }
}

/// Reads everything up to the present end.
async fn read_all(log: &OpenLog, from: u64) -> Vec<(u64, Record)> {
    let mut reader = log.readers.read_from(from).unwrap();
    let mut all = Vec::new();
    while let Some(it) = reader.try_next().await.unwrap() {
        all.push(it);
    }
    all
}

fn without_clocks(all: &[(u64, Record)]) -> BTreeMap<u64, Vec<u8>> {
    let kept = all.iter().filter(|(_, record)| record.kind != RecordKind::Clock);
    kept.map(|(offset, record)| (*offset, record.body.to_vec())).collect()
}

/// Scenario: records of all sizes over many segments, the log is closed and opened again. Guarantees: every record
/// comes back as it was given, in the order of its offset, from any offset on.
#[tokio::test]
async fn what_was_appended_comes_back() {
    let bench = Bench::new();
    let log = bench.open();
    let mut expected = BTreeMap::new();
    for n in 0..200_usize {
        let body = vec![u8::try_from(n).unwrap(); n * 7];
        let offset = log.writer.append(record(body.clone())).await.unwrap();
        expected.insert(offset, body);
    }
    let all = read_all(&log, 0).await;
    assert_eq!(without_clocks(&all), expected);
    assert!(all.iter().map(|(offset, _)| *offset).eq(0..all.len() as u64), "offsets have no holes");
    let (_, first) = all.iter().find(|(_, it)| it.kind == RecordKind::Metrics).unwrap();
    assert_eq!(
        (&*first.tenant, first.encoding, first.compression),
        ("acme", Encoding::OtlpProto, Compression::Gzip)
    );
    assert_eq!(first.arrived_at, T0);
    assert!(bench.segments().len() > 10);
    log.writer.close().await;
    assert_eq!(log.writer.append(record("late")).await, Err(AppendError::Closed));

    let again = bench.open();
    assert_eq!(again.report.cut, None);
    assert_eq!(again.report.next_offset, all.len() as u64);
    for from in [0, 1, 57, 120, all.len() as u64 - 1, all.len() as u64] {
        let expected = &all[usize::try_from(from).unwrap()..];
        let got = read_all(&again, from).await;
        // The writer may have added a clock record meanwhile.
        assert_eq!(&got[..expected.len()], expected, "from {from}");
    }
    assert!(matches!(again.readers.read_from(u64::MAX), Err(EngineError::Setting(_))));
}

/// Scenario: a reader waits at the end; then a record comes; then the log is closed. Guarantees: the reader wakes for
/// the record, and a closed log is an error and not an end.
#[tokio::test]
async fn a_reader_at_the_end_waits_for_more() {
    let bench = Bench::new();
    let log = bench.open();
    let mut source = log.readers.source_from(0).unwrap();
    let waiting = tokio::spawn(async move {
        loop {
            let received = source.next().await.unwrap().unwrap();
            if received.record.kind != RecordKind::Clock {
                return (received, source);
            }
        }
    });
    let offset = log.writer.append(record("news")).await.unwrap();
    let (received, mut source) = waiting.await.unwrap();
    assert_eq!((&*received.partition, received.next_offset), (PARTITION, offset + 1));
    assert_eq!(received.record.body, "news");
    log.writer.close().await;
    while source.waiting() > 0 {
        source.next().await.unwrap();
    }
    assert!(matches!(source.next().await, Err(EngineError::Stopped(_))));
}

/// Scenario: nothing arrives for five seconds of the clock. Guarantees: a clock record for every second, with rising
/// stamps.
#[tokio::test]
async fn time_goes_on_when_idle() {
    let bench = Bench::new();
    let log = bench.open();
    let mut reader = log.readers.read_from(0).unwrap();
    for second in 0..5 {
        let (_, record) = reader.next().await.unwrap();
        assert_eq!((record.kind, record.arrived_at), (RecordKind::Clock, T0 + second * NANOS_PER_SEC));
        assert!(record.body.is_empty());
        bench.hand.advance_secs(1);
    }
}

/// Scenario: the log was written at a later time than the clock shows now. Guarantees: stamps do not fall, go on
/// rising, and it is counted.
#[tokio::test]
async fn stamps_do_not_fall_when_the_clock_does() {
    let bench = Bench::new();
    bench.hand.advance_secs(3_600);
    let log = bench.open();
    log.writer.append(record("late")).await.unwrap();
    log.writer.close().await;
    let (clock, hand) = Clock::simulated(T0);
    let log = Log::open(bench.config(), clock, &bench.telemetry).unwrap();
    for _ in 0..4 {
        log.writer.append(record("early")).await.unwrap();
        hand.advance_secs(10);
    }
    let stamps: Vec<_> = read_all(&log, 0).await.iter().map(|(_, record)| record.arrived_at).collect();
    assert!(stamps.is_sorted(), "{stamps:?}");
    assert!(*stamps.last().unwrap() >= T0 + 3_600 * NANOS_PER_SEC + 15 * NANOS_PER_SEC);
    assert!(bench.telemetry.counter(Metric::LogClockBehind, &[]).get() > 0);
}

/// Scenario: a second opening of the same directory. Guarantees: refused with the holder's process id and the way
/// out; allowed again after the first one was closed.
#[tokio::test]
async fn one_process_only() {
    let bench = Bench::new();
    let log = bench.open();
    let refused = bench.open_with(bench.config()).unwrap_err().to_string();
    assert!(
        refused.contains(&std::process::id().to_string()) && refused.contains("another data directory"),
        "{refused}"
    );
    log.writer.close().await;
    bench.open();
}
