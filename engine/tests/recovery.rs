//! A lane over a disk that dies at any operation: what is published does not depend on it.
#![expect(clippy::unwrap_used, reason = "a test may stop at any surprise")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use engine::EngineError;
use engine::batch::{Batch, Logs, Payload};
use engine::decode::{DecodeLimits, Decoder};
use engine::operator::{Message, Operator, Output, Progress, StateBlob};
use engine::record::{Compression, Encoding, NANOS_PER_SEC, Positions, Record, RecordKind};
use engine::runtime::{CoreConfig, LaneConfig, LaneEnd, LaneParts, LaneStatus, run_lane, stop_signal};
use engine::sink::{FileSink, Journal, MemorySink, NoDeadLetters, Tee};
use engine::source::{MemorySource, Order, Received, ResumeAt, Source, Taken};
use engine::state::{Blobs, Checkpoints};
use engine::telemetry::Telemetry;
use proptest::prelude::*;
use tokio::sync::watch;

const START: i64 = 1_700_000_000 * NANOS_PER_SEC;

/// A disk in memory that dies after a number of operations and keeps what was synced, and a part of the rest.
#[derive(Debug, Clone, Default)]
struct Disk(Arc<Mutex<DiskState>>);

#[derive(Debug, Default)]
struct DiskState {
    left: u64,
    journal: Vec<u8>,
    synced: usize,
    blobs: BTreeMap<String, Vec<u8>>,
}

impl Disk {
    fn live(&self, operations: u64) {
        self.0.lock().unwrap().left = operations;
    }

    /// What a power cut leaves: everything synced, and some of the bytes after it.
    fn crash(&self, torn: usize) -> Vec<u8> {
        let mut state = self.0.lock().unwrap();
        let kept = state.synced + torn.min(state.journal.len() - state.synced);
        state.journal.truncate(kept);
        state.journal[..state.synced].to_vec()
    }

    fn operation<T>(&self, mut work: impl FnMut(&mut DiskState, bool) -> T) -> Result<T, EngineError> {
        let mut state = self.0.lock().unwrap();
        let dies = state.left == 0;
        state.left = state.left.saturating_sub(1);
        let done = work(&mut state, dies);
        if dies { Err(EngineError::Stopped("the disk")) } else { Ok(done) }
    }
}

impl Journal for Disk {
    fn len(&self) -> Result<u64, EngineError> {
        Ok(self.0.lock().unwrap().journal.len() as u64)
    }

    fn read_at(&self, place: u64, into: &mut [u8]) -> Result<(), EngineError> {
        let place = usize::try_from(place).unwrap();
        into.copy_from_slice(&self.0.lock().unwrap().journal[place..place + into.len()]);
        Ok(())
    }

    fn append(&self, place: u64, bytes: &[u8]) -> Result<(), EngineError> {
        self.operation(|state, dies| {
            assert_eq!(place, state.journal.len() as u64, "a journal is only appended to");
            state.journal.extend_from_slice(if dies { &bytes[..bytes.len() / 2] } else { bytes });
        })
    }

    fn sync(&self) -> Result<(), EngineError> {
        self.operation(|state, dies| {
            if !dies {
                state.synced = state.journal.len();
            }
        })
    }

    fn cut(&self, place: u64) -> Result<(), EngineError> {
        self.operation(|state, dies| {
            let place = usize::try_from(place).unwrap();
            assert!(place >= state.synced, "what was synced must not be cut");
            if !dies {
                state.journal.truncate(place);
                state.synced = place;
            }
        })
    }
}

impl Blobs for Disk {
    fn names(&self) -> Result<Vec<String>, EngineError> {
        Ok(self.0.lock().unwrap().blobs.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, EngineError> {
        Ok(self.0.lock().unwrap().blobs[name].clone())
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), EngineError> {
        self.operation(|state, dies| {
            if !dies {
                state.blobs.insert(name.to_owned(), bytes.to_vec());
            }
        })
    }

    fn remove(&self, name: &str) -> Result<(), EngineError> {
        self.operation(|state, dies| {
            if !dies {
                state.blobs.remove(name);
            }
        })
    }
}

/// Counts rows and says so at each progress; every number it says depends on all that went before.
#[derive(Debug, Default)]
struct Counting {
    rows: u64,
    batches: u64,
    salt: u64,
}

impl Counting {
    fn say(&self, out: &mut Output, what: &str) {
        let value = format!("{what} rows={} batches={}", self.rows, self.batches + self.salt);
        out.messages.push(Message {
            topic: "counts".to_owned(),
            key: "k".to_owned(),
            headers: vec![("ce_id".to_owned(), value.clone())],
            value: Bytes::from(value),
        });
    }
}

impl Operator for Counting {
    fn on_batch(&mut self, batch: &Batch, out: &mut Output) -> Result<(), EngineError> {
        if let Payload::Logs(logs) = &batch.payload {
            self.rows += Logs::of(&logs.logs).len() as u64;
        }
        self.batches += 1;
        if self.batches.is_multiple_of(7) {
            self.say(out, "seventh");
        }
        Ok(())
    }

    fn on_progress(&mut self, progress: Progress, out: &mut Output) -> Result<(), EngineError> {
        self.say(out, &format!("at {} of {}", progress.watermark, progress.log_clock));
        Ok(())
    }

    fn save(&self) -> StateBlob {
        let bytes = [self.rows.to_le_bytes(), self.batches.to_le_bytes()].concat();
        StateBlob { operator: "counting".to_owned(), version: 1, bytes }
    }

    fn load(&mut self, blob: StateBlob) -> Result<(), EngineError> {
        let (rows, batches) = blob.bytes.split_at(8);
        self.rows = u64::from_le_bytes(rows.try_into().unwrap());
        self.batches = u64::from_le_bytes(batches.try_into().unwrap());
        Ok(())
    }
}

/// Logs whose rows come late by up to some seconds, lie far ahead, or cannot be decoded; and clock records.
fn records(seed: u64, n: u64) -> Arc<[Record]> {
    let mut state = seed | 1;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut arrived_at = START;
    let record = |arrived_at: i64, kind, body: String| Record {
        tenant: "t".into(),
        arrived_at,
        kind,
        encoding: Encoding::OtlpJson,
        compression: Compression::None,
        body: Bytes::from(body),
    };
    (0..n)
        .map(|_| {
            arrived_at += i64::try_from(random(900)).unwrap() * 1_000_000;
            match random(10) {
                0 => record(arrived_at, RecordKind::Logs, "{broken".to_owned()),
                1 | 2 => record(arrived_at, RecordKind::Clock, String::new()),
                shape => {
                    let late = i64::try_from(random(4_000)).unwrap() * 1_000_000;
                    let at = if shape == 3 { arrived_at + 3_600 * NANOS_PER_SEC } else { arrived_at - late };
                    let row = format!(r#"{{"timeUnixNano":"{at}","body":{{"stringValue":"x"}}}}"#);
                    let body =
                        format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{row},{row}]}}]}}]}}"#);
                    record(arrived_at, RecordKind::Logs, body)
                }
            }
        })
        .collect()
}

async fn run(disk: &Disk, records: &Arc<[Record]>, salt: u64) -> Result<LaneEnd, EngineError> {
    let records = Arc::clone(records);
    run_from(disk, move |resume: &ResumeAt| Ok(MemorySource::new(records, resume)), salt).await
}

async fn run_from<S: Source + 'static>(
    disk: &Disk,
    source: impl FnOnce(&ResumeAt) -> Result<S, EngineError>,
    salt: u64,
) -> Result<LaneEnd, EngineError> {
    let (sink, _) = FileSink::over(Arc::new(disk.clone()))?;
    let parts = LaneParts {
        source,
        decoder: Decoder::new(DecodeLimits::default()),
        operator: Counting { salt, ..Counting::default() },
        sink,
        dead_letters: NoDeadLetters,
        checkpoints: Checkpoints::new(Box::new(disk.clone())),
    };
    let config = LaneConfig {
        core: CoreConfig { checkpoint_secs: 5, ..CoreConfig::default() },
        queue_records: 4,
        queue_steps: 2,
        ..LaneConfig::default()
    };
    let (_handle, stop) = stop_signal();
    let status = watch::Sender::new(LaneStatus::default());
    run_lane(config, parts, (stop, status), &Telemetry::new().unwrap()).await
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Scenario: twenty kills, each after a random number of disk operations, each tearing what was not synced at a
    /// random byte; then a life without. Guarantees: the same messages byte for byte as an undisturbed run, the same
    /// digest, each once; and at no moment does the disk hold durably what the undisturbed run did not say.
    #[test]
    fn kills_do_not_show(
        seed in any::<u64>(),
        lives in prop::collection::vec((0_u64..40, 0_usize..200), 20),
    ) {
        let records = records(seed, 400);
        let undisturbed = Disk::default();
        undisturbed.live(u64::MAX);
        let expected_end = block_on(run(&undisturbed, &records, 0)).unwrap();
        let expected = undisturbed.crash(0);
        prop_assert!(expected_end.emitted > 100);

        let disk = Disk::default();
        for (operations, torn) in lives {
            disk.live(operations);
            let ended = block_on(run(&disk, &records, 0));
            prop_assert!(matches!(ended, Ok(_) | Err(EngineError::Stopped(_))), "{:?}", ended);
            let durable = disk.crash(torn);
            prop_assert!(expected.starts_with(&durable));
        }
        disk.live(u64::MAX);
        let end = block_on(run(&disk, &records, 0)).unwrap();
        prop_assert_eq!((end.emitted, end.digest), (expected_end.emitted, expected_end.digest));
        prop_assert_eq!(disk.crash(0), expected);
    }
}

/// Scenario: a lane dies between two checkpoints and comes back with an operator that says something else.
/// Guarantees: that is reported as a broken promise, and nothing that was published is published differently.
#[test]
fn another_answer_after_a_restart_is_reported() {
    let records = records(3, 400);
    for operations in 3..40 {
        let disk = Disk::default();
        disk.live(operations);
        block_on(run(&disk, &records, 0)).unwrap_err();
        let durable = disk.crash(0);
        disk.live(u64::MAX);
        let ended = block_on(run(&disk, &records, 1_000));
        assert!(disk.crash(0).starts_with(&durable));
        if let Err(error) = ended {
            assert!(error.to_string().contains("differs from the one that was published"), "{error}");
            return;
        }
    }
    panic!("no life ended between a published message and its checkpoint");
}

/// Gives records and then waits for ever.
struct Quiet(MemorySource);

impl Source for Quiet {
    async fn next(&mut self) -> Result<Option<Received>, EngineError> {
        match self.0.next().await? {
            Some(received) => Ok(Some(received)),
            None => std::future::pending().await,
        }
    }

    async fn commit(&mut self, upto: &Positions) -> Result<(), EngineError> {
        self.0.commit(upto).await
    }
}

/// Scenario: the disk dies while the input is quiet. Guarantees: the lane ends with the error, without waiting for a
/// record that may never come.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_disk_is_noticed_while_the_input_is_quiet() {
    let records = records(5, 60);
    for operations in 2..12 {
        let disk = Disk::default();
        disk.live(operations);
        let given = Arc::clone(&records);
        let lane = run_from(&disk, move |resume: &ResumeAt| Ok(Quiet(MemorySource::new(given, resume))), 0);
        let ended = tokio::time::timeout(Duration::from_secs(20), lane).await.expect("the lane ends in time");
        assert!(matches!(ended, Err(EngineError::Stopped(_))), "{ended:?}");
    }
}

/// Scenario: two sinks side by side, one of which lost its end in a crash. Guarantees: each gets every message once.
#[tokio::test]
async fn a_tee_fills_each_side() {
    use engine::sink::{Once, Sink};
    let message = |n: u64| Message {
        topic: "t".to_owned(),
        key: String::new(),
        headers: Vec::new(),
        value: Bytes::from(n.to_string()),
    };
    let all: Vec<Message> = (0..6).map(message).collect();
    let (mut ahead, mut behind) = (MemorySink::default(), MemorySink::default());
    ahead.write(&all[..5]).await.unwrap();
    behind.write(&all[..3]).await.unwrap();
    let mut tee = Once::new(Tee::new(ahead.clone(), behind.clone()));
    tee.resume(2).await.unwrap();
    tee.write(&all[2..]).await.unwrap();
    assert_eq!(ahead.messages(), all);
    assert_eq!(behind.messages(), all);
}

/// Gives the records of two partitions in an order that depends on nothing but this life's luck, unless it was
/// decided before.
struct Fickle {
    partitions: [(Arc<str>, Vec<Record>, usize); 2],
    order: Order,
    luck: u64,
}

impl Fickle {
    fn new(records: &[Record], resume: &ResumeAt, luck: u64) -> Self {
        let partition = |n: usize| {
            let name = format!("p/{n}");
            let held: Vec<Record> = records.iter().skip(n).step_by(2).cloned().collect();
            let next = usize::try_from(resume.positions.next_of(&name)).unwrap();
            (name.into(), held, next)
        };
        Self { partitions: [partition(0), partition(1)], order: resume.order.clone(), luck: luck | 1 }
    }
}

impl Source for Fickle {
    async fn next(&mut self) -> Result<Option<Received>, EngineError> {
        self.luck = self.luck.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let mut n = usize::from((self.luck >> 40).is_multiple_of(3));
        if let Some(Taken::Records { partition, .. }) = self.order.first() {
            n = usize::from(partition == "p/1");
            self.order.step();
        } else if self.partitions[n].2 == self.partitions[n].1.len() {
            n = 1 - n;
        }
        let (name, records, next) = &mut self.partitions[n];
        let Some(record) = records.get(*next).cloned() else { return Ok(None) };
        *next += 1;
        Ok(Some(Received { partition: Arc::clone(name), next_offset: *next as u64, record }))
    }

    fn decides_order(&self) -> bool {
        true
    }

    async fn commit(&mut self, _upto: &Positions) -> Result<(), EngineError> {
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Scenario: two partitions whose order is another one in each life; a dozen kills, each after a random number of
    /// disk operations; then a life without. Guarantees: what was published stays and is gone on from, no life says
    /// anything else about it, and every record is counted once.
    #[test]
    fn an_order_that_was_published_is_kept(
        seed in any::<u64>(),
        lives in prop::collection::vec((0_u64..60, 0_usize..200, any::<u64>()), 12),
    ) {
        let mut records: Vec<Record> = records(seed, 400).iter().cloned().collect();
        records.retain(|record| record.kind != RecordKind::Clock);
        let life = |disk: &Disk, luck: u64| {
            let records = records.clone();
            block_on(run_from(disk, move |resume: &ResumeAt| Ok(Fickle::new(&records, resume, luck)), 0))
        };
        let disk = Disk::default();
        let mut published = Vec::new();
        for (operations, torn, luck) in lives {
            disk.live(operations);
            let ended = life(&disk, luck);
            prop_assert!(matches!(ended, Ok(_) | Err(EngineError::Stopped(_))), "{:?}", ended);
            let durable = disk.crash(torn);
            prop_assert!(durable.starts_with(&published));
            published = durable;
        }
        disk.live(u64::MAX);
        let end = life(&disk, seed);
        prop_assert!(end.is_ok(), "{:?}", end);
        prop_assert!(disk.crash(0).starts_with(&published));
        let last = Checkpoints::new(Box::new(disk)).restore().unwrap().unwrap();
        let read: u64 = last.resume.positions.0.values().sum();
        prop_assert_eq!(read, records.len() as u64);
    }
}
