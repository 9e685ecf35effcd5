//! The program is killed with -9 again and again; what it says must not show it.

use std::path::Path;
use std::time::Duration;

use engine::record::{Record, RecordKind};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::engine_process::{Engine, now};
use super::http::Connection;
use super::queue_recording;
use super::recording::{
    copy_log, ending_now, lay, moved, part, read_to_the_end, records, records_of, secs, told, wall,
};

const SEED: u64 = 7;

/// What an undisturbed run says about the same log.
fn undisturbed(data_dir: &Path, settings: &[&str]) -> Vec<String> {
    let other = tempfile::tempdir().unwrap();
    copy_log(data_dir, other.path());
    read_to_the_end(other.path(), settings);
    told(other.path())
}

/// Reads what the last process left unread, and holds everything against an undisturbed run.
fn holds(data_dir: &Path, n_kills: usize, settings: &[&str]) {
    let expected = undisturbed(data_dir, settings);
    let before = told(data_dir).len();
    read_to_the_end(data_dir, settings);
    let said = told(data_dir);
    println!("{n_kills} kills, {} risk events, {before} of them before the last start", said.len());
    assert!(expected.len() >= 2, "the recording must say something, or nothing is proven");
    assert_eq!(said, expected, "the same bytes");
}

/// Lives end after a random time; those of `told_before_kill` at once when so many events have been told.
fn killed_while_reading(
    recorded: Vec<Record>,
    settings: &[&str],
    lifetimes_ms: &[u64],
    told_before_kill: &[usize],
) {
    let dir = tempfile::tempdir().unwrap();
    lay(dir.path(), &ending_now(recorded));
    let mut n_events = Vec::new();
    for lifetime in lifetimes_ms {
        let engine = Engine::start_with(dir.path(), settings);
        std::thread::park_timeout(Duration::from_millis(*lifetime));
        engine.kill();
        n_events.push(told(dir.path()).len());
    }
    for n in told_before_kill {
        let engine = Engine::start_with(dir.path(), settings);
        engine.events(*n);
        engine.kill();
        n_events.push(told(dir.path()).len());
    }
    println!("events after each kill: {n_events:?}");
    holds(dir.path(), lifetimes_ms.len() + told_before_kill.len(), settings);
}

/// Scenario: the program works through a recorded rollout in its log and is killed five times: at random moments, and as
/// soon as it has told its first and its second event. Guarantees: its risk events are, byte for byte, those of an undisturbed
/// run over the same log.
#[test]
fn a_killed_reader_says_the_same_bytes() {
    println!("seed {SEED}");
    let mut chance = StdRng::seed_from_u64(SEED);
    let lifetimes: Vec<u64> = (0..3).map(|_| chance.gen_range(0..1500)).collect();
    killed_while_reading(records("err3"), &[], &lifetimes, &[1, 2]);
}

/// Scenario: the same while single series are learned for minutes, one stands out, and it is over. Guarantees: the same,
/// about that series.
#[test]
fn a_killed_reader_says_the_same_of_a_series() {
    println!("seed {SEED}");
    let folder = tempfile::tempdir().unwrap();
    queue_recording::write(folder.path());
    let mut chance = StdRng::seed_from_u64(SEED);
    let lifetimes: Vec<u64> = (0..3).map(|_| chance.gen_range(0..600)).collect();
    let recorded = records_of(folder.path().to_owned());
    killed_while_reading(recorded, &queue_recording::SETTINGS, &lifetimes, &[1, 2]);
}

/// Scenario: the same with twenty random moments, and lives so short that many end before the first checkpoint.
/// Guarantees: the same.
#[test]
#[ignore = "a minute; run with -- --ignored"]
fn twenty_kills_while_reading_say_the_same_bytes() {
    println!("seed {SEED}");
    let mut chance = StdRng::seed_from_u64(SEED);
    let lifetimes: Vec<u64> = (0..20).map(|_| chance.gen_range(0..800)).collect();
    killed_while_reading(records("err3"), &[], &lifetimes, &[]);
}

/// Scenario: a recorded bad rollout is sent over OTLP in real time for 100 s, and the program is killed twenty times at
/// random moments meanwhile; the sender repeats what was not acknowledged. Guarantees: everything that was acknowledged is
/// in the log, and the risk events are, byte for byte, those of an undisturbed run over that log.
#[test]
#[ignore = "two minutes of real time; run with -- --ignored"]
fn twenty_kills_while_receiving_say_the_same_bytes() {
    const KILLS: usize = 20;
    println!("seed {SEED}");
    let mut chance = StdRng::seed_from_u64(SEED);
    let dir = tempfile::tempdir().unwrap();
    // the last seconds of the stable version alone, the bad one beside it, and what follows
    let input = part(records("err15"), 125..220);
    let by = wall() + secs(3) - input[0].arrived_at;
    let input = moved(input, by);
    let last_at = input[input.len() - 1].arrived_at;
    let mut kill_at: Vec<i64> = (0..KILLS).map(|_| chance.gen_range(wall()..last_at)).collect();
    kill_at.sort_unstable();
    let mut engine = Engine::start(dir.path());
    let (mut acknowledged, mut n_kills) = (0, 0);
    for record in input.iter().filter(|record| record.kind != RecordKind::Clock) {
        let path = if record.kind == RecordKind::Metrics { "/v1/metrics" } else { "/v1/logs" };
        loop {
            if kill_at.get(n_kills).is_some_and(|at| wall() >= *at) {
                engine.kill();
                n_kills += 1;
                engine = Engine::start(dir.path());
            }
            let wait = u64::try_from(record.arrived_at - wall()).unwrap_or(0);
            if wait > 0 {
                std::thread::park_timeout(Duration::from_nanos(wait.min(20_000_000)));
                continue;
            }
            if is_taken(&engine, path, &record.body) {
                acknowledged += 1;
                break;
            }
        }
    }
    let last_second = now() + Duration::from_secs(3);
    while now() < last_second {
        std::thread::park_timeout(Duration::from_millis(100));
    }
    engine.stop();
    println!("{acknowledged} requests acknowledged");
    assert_eq!(n_kills, KILLS);
    holds(dir.path(), n_kills, &[]);
}

fn is_taken(engine: &Engine, path: &str, body: &[u8]) -> bool {
    let headers = [("content-type", "application/json")];
    let answer = Connection::open(engine.otlp_http).and_then(|mut to| to.ask("POST", path, &headers, body));
    answer.is_ok_and(|answer| answer.status == 200)
}
