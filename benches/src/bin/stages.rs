//! Prints what the stages behind decoding cost, in processor time: `cargo run --release -p benches --bin stages`.
//!
//! The same rounds as `window` and `end_to_end` in `benches/`, for machines on which a wall clock tells little.
#![expect(clippy::unwrap_used, reason = "a bench may stop at any surprise")]

use std::hint::black_box;
use std::io::Write as _;

use benches::batches::{by_second, progress};
use benches::bodies::{self, N_ITEMS};
use benches::heart::{heart, received};
use benches::measure::alone;
use engine::record::RecordKind;
use pipelines::config::read_files;
use pipelines::features::{FeatureParams, Features};

/// As the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SECS: u64 = 30;
const ROUNDS: usize = 9;

type Body = fn(u64) -> Vec<u8>;

/// From batches to the rows that close, from an empty state on.
fn window_ns(kind: RecordKind, body: Body) -> f64 {
    let batches = by_second(kind, SECS, body);
    let round = |mut features: Features| {
        for (sec, batch) in (1..).zip(&batches) {
            features.on_batch(batch);
            black_box(features.on_progress(progress(sec)));
        }
    };
    alone(ROUNDS, || Features::new(FeatureParams::default()), round)
}

/// From bytes to what is said about them.
fn end_to_end_ns(kind: RecordKind, body: Body) -> f64 {
    let plan = read_files(&[], &[]).unwrap();
    let received = received(kind, SECS, body);
    alone(
        ROUNDS,
        || heart(&plan),
        |mut heart| {
            received.iter().for_each(|one| drop(black_box(heart.take(one).unwrap())));
        },
    )
}

fn main() -> std::io::Result<()> {
    let cases: [(&str, RecordKind, Body); 4] = [
        ("number points", RecordKind::Metrics, |sec| bodies::numbers(10, sec)),
        ("histogram points", RecordKind::Metrics, bodies::histograms),
        ("spans as an SDK writes them", RecordKind::Spans, bodies::http_spans),
        ("log lines", RecordKind::Logs, bodies::logs),
    ];
    let mut out = std::io::stdout().lock();
    writeln!(out, "| an item of | window ns | end to end ns |\n|---|---|---|")?;
    let items = (SECS * N_ITEMS) as f64;
    for (name, kind, body) in cases {
        let (window, whole) = (window_ns(kind, body) / items, end_to_end_ns(kind, body) / items);
        writeln!(out, "| {name} | {window:.0} | {whole:.0} |")?;
    }
    Ok(())
}
