//! What judging costs: the canary test per tick, and the scoring stage per row that closed.
#![expect(clippy::unwrap_used, reason = "a bench may stop at any surprise")]

use std::collections::BTreeSet;

use benches::batches::{by_second, progress};
use benches::bodies;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use engine::record::{NANOS_PER_SEC, RecordKind};
use models::sequential::{CanaryParams, CanaryTest, Mode, OwnTimes, PodCounts, PodIdx, Tick};
use pipelines::config::read_files;
use pipelines::features::{FeatureParams, FeatureRows, Features};
use pipelines::scoring::{Scoring, ScoringParams, SeriesParams};

const TICKS: u64 = 300;
const SECS: u64 = 60;

/// Five minutes of a rollout with eight stable pods and two new ones, 50 requests a second each.
fn canary(c: &mut Criterion) {
    let params = CanaryParams::default().check().unwrap();
    let pod = |nth: u32, tick: u64| PodCounts {
        pod: PodIdx(nth),
        requests: 50,
        bad: [u64::from((tick + u64::from(nth)).is_multiple_of(7)), (tick + u64::from(nth)) % 3, 0, 0, 0],
        own: OwnTimes {
            requests: 50,
            ln_micros: 100_000_000,
            ln_squares_micros: 210_000_000,
            excused_ln_micros: 0,
            unsure_ln_micros: 0,
        },
        age_secs: 600.0,
    };
    let ticks: Vec<(Vec<PodCounts>, Vec<PodCounts>)> = (1..=TICKS)
        .map(|tick| ((0..8).map(|n| pod(n, tick)).collect(), (8..10).map(|n| pod(n, tick)).collect()))
        .collect();
    let mut group = c.benchmark_group("judge");
    group.throughput(Throughput::Elements(TICKS));
    group.bench_function("canary_tick", |b| {
        let round = |test: &mut CanaryTest| {
            for (nth, (control, canary)) in (1..).zip(&ticks) {
                let at = nth * NANOS_PER_SEC;
                std::hint::black_box(test.observe(&Tick { at, span_secs: 1.0, control, canary }));
            }
        };
        b.iter_batched_ref(|| CanaryTest::new(&params, Mode::Events, 0), round, BatchSize::SmallInput);
    });
    group.finish();
}

fn n_rows(rows: &FeatureRows) -> usize {
    let n_numbers = rows.resources.len() + rows.series.len();
    rows.calls.len() + rows.edges.len() + rows.lines.len() + n_numbers + rows.presence.len()
}

/// A minute of 2,000 spans a second from twenty pods, as the rows that closed each second.
fn scoring(c: &mut Criterion) {
    let plan = read_files(&[], &[]).unwrap();
    let canary = CanaryParams::default().check().unwrap();
    let series = SeriesParams::new(&plan.series, plan.time.window_secs).unwrap();
    let params = ScoringParams { canary, slo: plan.slo.clone(), series, services_max: plan.limits.services };
    let mut features = Features::new(FeatureParams::default());
    let rows: Vec<FeatureRows> = (1..)
        .zip(by_second(RecordKind::Spans, SECS, bodies::http_spans))
        .map(|(sec, batch)| {
            features.on_batch(&batch);
            features.on_progress(progress(sec))
        })
        .collect();
    let (calm, mut group) = (BTreeSet::new(), c.benchmark_group("judge"));
    group.sample_size(10).throughput(Throughput::Elements(rows.iter().map(n_rows).sum::<usize>() as u64));
    group.bench_function("scoring_row", |b| {
        let round = |scoring: &mut Scoring| {
            rows.iter().for_each(|rows| drop(std::hint::black_box(scoring.on_rows(rows, &calm))));
        };
        b.iter_batched_ref(|| Scoring::new(params.clone()), round, BatchSize::LargeInput);
    });
    group.finish();
}

criterion_group!(benches, canary, scoring);
criterion_main!(benches);
