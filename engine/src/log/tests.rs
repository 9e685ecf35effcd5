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

/// What a run leaves behind: the acknowledged records, and per acknowledged append the length of the newest segment.
struct Run {
    bench: Bench,
    acknowledged: BTreeMap<u64, Vec<u8>>,
    /// Lengths of the newest segment after each group commit, with the offset that came next.
    commits: Vec<(u64, u64)>,
}

/// Appends bodies one by one, each its own group commit, and closes the log.
async fn run(bodies: &[Vec<u8>], segment_bytes: u64) -> Run {
    let bench = Bench::new();
    let log = bench.open_with(LogConfig { segment_bytes, ..bench.config() }).unwrap();
    let mut acknowledged = BTreeMap::new();
    let mut commits = Vec::new();
    for body in bodies {
        let offset = log.writer.append(record(body.clone())).await.unwrap();
        acknowledged.insert(offset, body.clone());
        let newest = bench.segments().pop().unwrap();
        commits.push((fs::metadata(newest).unwrap().len(), offset + 1));
    }
    log.writer.close().await;
    Run { bench, acknowledged, commits }
}

/// What a power cut may do to bytes that were not synced.
#[derive(Debug, Clone, Copy)]
enum Tear {
    Truncated,
    Garbage,
    Zeros,
}

fn tear(bytes: &mut Vec<u8>, at: usize, how: Tear) {
    match how {
        Tear::Truncated => bytes.truncate(at),
        Tear::Garbage => {
            bytes[at..].iter_mut().enumerate().for_each(|(n, byte)| *byte ^= 0x5a + (n % 7) as u8)
        }
        Tear::Zeros => bytes[at..].fill(0),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Scenario: random appends, then everything behind a random byte of the newest segment is torn away, becomes
    /// garbage or zeros. Guarantees: the log opens, what it holds is exactly a prefix of what was acknowledged, that
    /// prefix has every record whose bytes survived, the cut is reported, and appending goes on behind it.
    #[test]
    fn a_torn_end_costs_nothing_that_survived(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..40),
        how in prop::sample::select(vec![Tear::Truncated, Tear::Garbage, Tear::Zeros]),
        place in any::<prop::sample::Index>(),
    ) {
        runtime().block_on(async {
            let Run { bench, acknowledged, commits } = run(&bodies, 1 << 20).await;
            let path = bench.segments().pop().unwrap();
            let whole = fs::read(&path).unwrap();
            let mut bytes = whole.clone();
            tear(&mut bytes, frame::HEADER_LEN + place.index(whole.len() - frame::HEADER_LEN), how);
            // zeros may stand where zeros stood before
            let at = whole.iter().zip(&bytes).position(|(a, b)| a != b).unwrap_or(bytes.len());
            fs::write(&path, &bytes).unwrap();
            let survived = commits.iter().filter(|(len, _)| *len <= at as u64).count();

            let log = bench.open();
            let kept = without_clocks(&read_all(&log, 0).await);
            prop_assert!(kept.iter().eq(acknowledged.iter().take(kept.len())), "a prefix");
            prop_assert!(kept.len() >= survived, "{} of {survived} survivors", kept.len());
            let told = log.report.cut.as_ref().is_none_or(|cut| cut.at_byte <= at as u64 && cut.bytes > 0);
            prop_assert!(told, "torn at {at}: {:?}", log.report);
            prop_assert_eq!(
                bench.telemetry.counter(Metric::LogCutBytes, &[]).get(),
                log.report.cut.as_ref().map_or(0, |cut| cut.bytes)
            );
            let offset = log.writer.append(record("after")).await.unwrap();
            log.writer.close().await;
            let again = bench.open();
            prop_assert_eq!(&again.report.cut, &None);
            let kept = without_clocks(&read_all(&again, 0).await);
            prop_assert_eq!(kept.get(&offset).map(Vec::as_slice), Some(&b"after"[..]));
            Ok(())
        })?;
    }

    /// Scenario: one byte is changed anywhere in a log of several segments, except in the last group commit, behind
    /// which nothing proves what was synced. Guarantees: it is never passed over in silence: opening or reading says
    /// that the log is damaged, with the place and the way out, and everything read before is as it was given; with
    /// `SkipSegment` reading goes on behind it and counts what is lost.
    #[test]
    fn damage_in_the_middle_is_never_silent(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..1_500), 8..30),
        place in any::<prop::sample::Index>(),
    ) {
        runtime().block_on(async {
            let Run { bench, acknowledged, .. } = run(&bodies, 4_096).await;
            let segments = bench.segments();
            let sizes: Vec<_> = segments.iter().map(|path| fs::read(path).unwrap().len()).collect();
            // Behind the damage there must be one more group commit in the same file, or another file.
            let last_two = 2 * (36 + 4 + 1_500);
            let total: usize = sizes.iter().sum();
            if total < last_two + 2 { return Ok(()); }
            let mut at = place.index(total - last_two);
            let mut file = 0;
            while at >= sizes[file] { at -= sizes[file]; file += 1; }
            let mut bytes = fs::read(&segments[file]).unwrap();
            bytes[at] ^= 0x40;
            fs::write(&segments[file], &bytes).unwrap();

            let refused = match bench.open_with(bench.config()) {
                Err(error) => error,
                Ok(log) => {
                    let mut reader = log.readers.read_from(0).unwrap();
                    let error = loop {
                        match reader.next().await {
                            Ok((offset, it)) if it.kind != RecordKind::Clock => {
                                prop_assert_eq!(acknowledged.get(&offset).map(Vec::as_slice), Some(&it.body[..]));
                            }
                            Ok(_) => {}
                            Err(error) => break error,
                        }
                    };
                    log.writer.close().await;
                    error
                }
            };
            let text = refused.to_string();
            prop_assert!(matches!(refused, EngineError::Damaged { .. }), "{}", text);
            prop_assert!(text.contains("skip_segment"), "{}", text);

            let skipping = LogConfig { on_damage: OnDamage::SkipSegment, ..bench.config() };
            let log = match bench.open_with(skipping) {
                Ok(log) => log,
                // The header of the newest segment cannot be passed over: no other file knows what was in it.
                Err(_) => { prop_assert_eq!((file, at < 64), (segments.len() - 1, true)); return Ok(()); }
            };
            let after = log.writer.append(record("after")).await.unwrap();
            let kept = read_all(&log, 0).await;
            let lost = bench.telemetry.counter(Metric::LogLostRecords, &["damage"]).get();
            let end = kept.last().map_or(0, |(offset, _)| offset + 1);
            prop_assert!(end > after);
            prop_assert_eq!(kept.len() as u64 + lost, end, "every record is read or counted");
            prop_assert!(lost > 0);
            for (offset, body) in without_clocks(&kept).range(..after) {
                prop_assert_eq!(acknowledged.get(offset), Some(body));
            }
            Ok(())
        })?;
    }
}

/// Scenario: a segment in the middle is missing, or shorter than it was. Guarantees: opening says so.
#[tokio::test]
async fn missing_and_shortened_segments_are_noticed() {
    for shorten in [false, true] {
        let Run { bench, .. } = run(&vec![vec![7; 900]; 20], 4_096).await;
        let middle = &bench.segments()[2];
        if shorten {
            let len = fs::metadata(middle).unwrap().len();
            fs::File::options().write(true).open(middle).unwrap().set_len(len - 1).unwrap();
        } else {
            fs::remove_file(middle).unwrap();
        }
        let error = bench.open_with(bench.config()).unwrap_err();
        assert!(matches!(error, EngineError::Damaged { .. }), "{error}");
    }
}

/// Scenario: the process dies between making a segment and writing its header. Guarantees: the empty file is removed
/// and nothing is lost.
#[tokio::test]
async fn a_segment_that_was_never_begun_is_removed() {
    let Run { bench, acknowledged, .. } = run(&vec![vec![7; 900]; 10], 4_096).await;
    let stillborn = bench.dir.path().join(format!("{:020}.segment", 999));
    fs::write(&stillborn, b"bell").unwrap();
    let log = bench.open();
    assert!(!stillborn.exists());
    assert_eq!(without_clocks(&read_all(&log, 0).await), acknowledged);
}

/// A disk whose writes and syncs fail as told.
#[derive(Debug, Clone, Default)]
struct BadDisk(Arc<AtomicU8>);

const WELL: u8 = 0;
const FULL: u8 = 1;
const SYNC_FAILS: u8 = 2;

#[derive(Debug)]
struct BadFile {
    file: Box<dyn SegmentFile>,
    state: BadDisk,
}

impl Disk for BadDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(BadFile { file: Directory.create(path)?, state: self.clone() }))
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(BadFile { file: Directory.open(path)?, state: self.clone() }))
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        Directory.remove(path)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        Directory.sync_dir(dir)
    }
}

impl SegmentFile for BadFile {
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        if self.state.0.load(Ordering::SeqCst) == FULL {
            self.file.write_at(&bytes[..bytes.len() / 2], at)?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write_at(bytes, at)
    }
    fn sync(&self) -> io::Result<()> {
        if self.state.0.load(Ordering::SeqCst) == SYNC_FAILS {
            return Err(io::Error::other("no such luck"));
        }
        self.file.sync()
    }
    fn cut(&self, len: u64) -> io::Result<()> {
        self.file.cut(len)
    }
}

/// Scenario: the disk fills up in the middle of a write, or cannot sync, and works again later. Guarantees: appends
/// fail with the reason while it lasts, readiness says so, nothing half-written is ever read, and appends resume by
/// themselves without losing what was acknowledged before.
#[tokio::test]
async fn a_failing_disk_refuses_and_recovers() {
    for (fault, expected) in [(FULL, "no space left"), (SYNC_FAILS, "no such luck")] {
        let (bench, disk) = (Bench::new(), BadDisk::default());
        let open =
            || writer::open(bench.config(), bench.clock.clone(), &bench.telemetry, Box::new(disk.clone()));
        let log = open().unwrap();
        let mut expected_records = BTreeMap::new();
        for round in 0..3 {
            let offset = log.writer.append(record(format!("good {round}"))).await.unwrap();
            expected_records.insert(offset, format!("good {round}").into_bytes());
            assert_eq!(log.writer.refusal(), None);
            disk.0.store(fault, Ordering::SeqCst);
            for _ in 0..2 {
                let error = log.writer.append(record("never acknowledged")).await.unwrap_err();
                assert!(error.to_string().contains(expected), "{error}");
                assert_eq!(log.writer.refusal(), Some(error.to_string()));
            }
            disk.0.store(WELL, Ordering::SeqCst);
        }
        let offset = log.writer.append(record("last")).await.unwrap();
        expected_records.insert(offset, b"last".to_vec());
        assert_eq!(without_clocks(&read_all(&log, 0).await), expected_records);
        log.writer.close().await;
        let again = open().unwrap();
        assert_eq!(again.report.cut, None);
        assert_eq!(without_clocks(&read_all(&again, 0).await), expected_records);
    }
}

/// Scenario: more appends than may wait, while the disk is not asked for anything. Guarantees: `Full` for what does
/// not fit, by count and by bytes, `TooLarge` for what never will; what was queued is appended.
#[tokio::test]
async fn the_queue_is_bounded() {
    let bench = Bench::new();
    let config =
        LogConfig { queue_records: 4, queue_bytes: 1_000, record_bytes_max: 1_000, ..bench.config() };
    let log = bench.open_with(config).unwrap();
    assert_eq!(
        log.writer.append(record(vec![0; 1_001])).await,
        Err(AppendError::TooLarge { bytes: 1_001, limit: 1_000 })
    );
    // All of them are queued before the first is awaited.
    let many: Vec<_> = (0..200)
        .map(|_| {
            tokio::spawn({
                let writer = log.writer.clone();
                async move { writer.append(record(vec![1; 400])).await }
            })
        })
        .collect();
    let (mut taken, mut full) = (0_u64, 0_u64);
    for append in many {
        match append.await.unwrap() {
            Ok(_) => taken += 1,
            Err(AppendError::Full { .. }) => full += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(full > 0 && taken > 0, "{taken} taken, {full} refused");
    assert_eq!(without_clocks(&read_all(&log, 0).await).len() as u64, taken);
    assert_eq!(bench.telemetry.counter(Metric::LogRefused, &["full"]).get(), full);
    log.writer.append(record(vec![1; 1_000])).await.expect("room is given back");
}

/// Scenario: old segments, first uncommitted, then committed with a reader behind, then with none; meanwhile clock
/// records fill new segments, as many as the writer finds time for. Guarantees: age removes only what is committed and
/// read; offsets go on.
#[tokio::test]
async fn age_removes_only_what_nobody_needs() {
    let Run { bench, .. } = run(&vec![vec![7; 900]; 20], 4_096).await;
    let config = LogConfig { retention_age: Duration::from_secs(60), ..bench.config() };
    let log = bench.open_with(config).unwrap();
    // by name, because a tick may begin a new segment
    let before = bench.segments();
    let gone = || before.iter().filter(|path| !path.exists()).count();
    let mut ticks = log.readers.read_from(log.readers.next_offset()).unwrap();
    let mut source = log.readers.source_from(0).unwrap();
    bench.hand.advance_secs(3_600);
    // A clock record is written before retention is looked at; the next one proves that the look before it is over.
    let mut tick = async || {
        for _ in 0..40 {
            bench.hand.advance_secs(1);
            while ticks.next().await.unwrap().1.arrived_at < bench.clock.now() {}
        }
    };
    tick().await;
    assert!(bench.segments().len() > before.len(), "the clock records filled the tail");
    assert_eq!(gone(), 0, "nothing is committed");
    let mut positions = Positions::default();
    positions.advance(PARTITION, 15);
    source.commit(&positions).await.unwrap();
    tick().await;
    assert_eq!(gone(), 0, "committed, but a reader is behind");
    for _ in 0..20 {
        source.next().await.unwrap();
    }
    tick().await;
    let first = log.readers.first_offset();
    assert!(
        gone() > 0 && first <= 15 && first > 0,
        "{} of {} are gone, {first} is left",
        gone(),
        before.len()
    );
    assert_eq!(bench.telemetry.counter(Metric::LogRemovedSegments, &["age"]).get(), gone() as u64);
}

/// Scenario: the log outgrows its byte limit while a reader stands at its beginning. Guarantees: the disk stays
/// bounded, the reader goes on with the oldest record that is left, and what it missed is counted.
#[tokio::test]
async fn the_byte_limit_forces_out_the_oldest() {
    let bench = Bench::new();
    let log = bench.open_with(LogConfig { retention_bytes: 12_000, ..bench.config() }).unwrap();
    let mut reader = log.readers.read_from(0).unwrap();
    let mut ticks = log.readers.read_from(0).unwrap();
    for _ in 0..60 {
        log.writer.append(record(vec![7; 900])).await.unwrap();
        bench.hand.advance_secs(1);
        while ticks.next().await.unwrap().1.arrived_at < bench.clock.now() {}
    }
    bench.hand.advance_secs(1);
    while ticks.next().await.unwrap().1.arrived_at < bench.clock.now() {}
    let size: u64 = bench.segments().iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(size <= 12_000 + 4_096, "{size}");
    let (first, _) = reader.next().await.unwrap();
    assert!(first > 0 && first == log.readers.first_offset());
    assert_eq!(bench.telemetry.counter(Metric::LogLostRecords, &["retention"]).get(), first);
    assert!(bench.telemetry.counter(Metric::LogRemovedSegments, &["forced"]).get() > 0);
}

/// Scenario: a sender puts bytes into a body that look exactly like a later frame, and the tail behind is torn.
/// Guarantees: they cannot pass for a record, because the checksum needs the salt of the segment.
#[tokio::test]
async fn a_body_cannot_pass_for_a_record() {
    let mut forged = Vec::new();
    for salt in [0, 1, u32::MAX] {
        let place = frame::Placement { salt, offset: 3, durable_before: 3, arrived_at: T0 };
        frame::encode(&record("forged"), place, &mut forged);
    }
    let Run { bench, acknowledged, .. } = run(&[b"honest".to_vec(), forged], 1 << 20).await;
    let path = bench.segments().pop().unwrap();
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let log = bench.open();
    let kept = without_clocks(&read_all(&log, 0).await);
    assert!(kept.values().all(|body| acknowledged.values().any(|it| it == body)), "{kept:?}");
    assert_eq!(kept.len(), 1);
}
