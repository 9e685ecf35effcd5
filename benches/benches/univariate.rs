//! What a point costs in each tier, from a thousand to a million series, beside a random cut forest in the same run.
//!
//! Every series is a noisy day at one point a minute. One round gives each series one point; the figure is time per
//! point. The full tier is measured up to a hundred thousand series (400 MB), the hot tier to a million (128 MB).
//! `BELLWETHER_BENCH_SERIES` narrows the list of sizes, as in `1000,100000`.

use std::hint::black_box;

use benches::series::{hot_bank, noisy_day};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use krcf::{RandomCutForest, RandomCutForestOptions};
use models::bank::{BankPoint, HotSurprise, Judged, RowPoint, SurpriseColumns};
use models::univariate::{Lesson, MeanSurprise, SurpriseParams};

const MINUTE: i64 = 60_000_000_000;
/// Points that a model has seen before it is measured.
const LEARNED: i64 = 600;

fn sizes(most: usize) -> Vec<usize> {
    #[expect(clippy::disallowed_methods, reason = "a bench has no configuration file")]
    let wanted = std::env::var("BELLWETHER_BENCH_SERIES").ok();
    let listed = wanted.map(|list| list.split(',').filter_map(|size| size.parse().ok()).collect());
    let sizes: Vec<usize> = listed.unwrap_or_else(|| vec![1000, 10_000, 100_000, 1_000_000]);
    sizes.into_iter().filter(|size| *size <= most).collect()
}

/// A fixed order in which neighbours in time are not neighbours in memory.
fn scattered(n: usize) -> Vec<usize> {
    (0..n).map(|nth| (nth * 514_229) % n).collect()
}

fn single(c: &mut Criterion) {
    let mut group = c.benchmark_group("one series");
    group.throughput(Throughput::Elements(1));
    let mut full = MeanSurprise::new(&SurpriseParams::default().check().expect("defaults are valid"));
    let (mut hot, mut minute) = (HotSurprise::new(), 0);
    let options = RandomCutForestOptions {
        dimensions: 1,
        shingle_size: 8,
        num_trees: Some(30),
        sample_size: Some(256),
        random_seed: Some(1),
        ..Default::default()
    };
    let mut forest = RandomCutForest::new(options).expect("the options are those of its documentation");
    for _ in 0..5000 {
        minute += 1;
        full.observe(minute * MINUTE, noisy_day(0, minute), Lesson::Learn);
        hot.observe(minute * MINUTE, noisy_day(0, minute), Lesson::Learn);
        forest.update(&[noisy_day(0, minute) as f32]).expect("one value a point");
    }
    let mut next = || {
        minute += 1;
        (minute * MINUTE, noisy_day(0, minute))
    };
    group.bench_function("full tier", |b| {
        b.iter(|| {
            let (at, value) = next();
            black_box(full.observe(at, value, Lesson::Learn))
        });
    });
    group.bench_function("hot tier", |b| {
        b.iter(|| {
            let (at, value) = next();
            black_box(hot.observe(at, value, Lesson::Learn))
        });
    });
    group.bench_function("random cut forest, 30 trees of 256, shingle 8", |b| {
        b.iter(|| {
            let point = [next().1 as f32];
            let score = forest.score(&point);
            forest.update(&point).expect("one value a point");
            black_box(score)
        });
    });
    group.finish();
}

fn many_full(c: &mut Criterion) {
    let mut group = c.benchmark_group("full tier, columns");
    group.sample_size(10);
    for n in sizes(100_000) {
        let mut columns =
            SurpriseColumns::new(&SurpriseParams::default().check().expect("defaults are valid"));
        let rows: Vec<_> = (0..n).map(|_| columns.add()).collect();
        let order = scattered(n);
        let (mut minute, mut readings) = (0, Vec::new());
        let mut round = |minute: i64| {
            let point = |&nth: &usize| {
                let value = noisy_day(nth, minute);
                RowPoint { row: rows[nth], at: minute * MINUTE, value, lesson: Lesson::Learn }
            };
            let points: Vec<RowPoint> = order.iter().map(point).collect();
            columns.observe(&points, &mut readings);
            black_box(&readings);
        };
        let learned = LEARNED.min(30_000_000 / n as i64).max(60);
        (0..learned).for_each(|_| {
            minute += 1;
            round(minute);
        });
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::from_parameter(n), |b| {
            b.iter(|| {
                minute += 1;
                round(minute);
            });
        });
    }
    group.finish();
}

fn many_hot(c: &mut Criterion) {
    for n in sizes(1_000_000) {
        let mut group = c.benchmark_group(format!("hot tier, {n} series in scattered order"));
        group.sample_size(10).throughput(Throughput::Elements(n as u64));
        let order = scattered(n);
        one_by_one(&mut group, &order);
        in_a_bank(&mut group, &order);
        group.finish();
    }
}

type Group<'a> = BenchmarkGroup<'a, WallTime>;

/// Each point on its own: what it costs to wait for memory point by point.
fn one_by_one(group: &mut Group<'_>, order: &[usize]) {
    let mut hot: Vec<HotSurprise> = vec![HotSurprise::new(); order.len()];
    let mut minute = 0;
    let mut round = |minute: i64| {
        let mut score =
            |nth: usize| hot[nth].observe(minute * MINUTE, noisy_day(nth, minute), Lesson::Learn).is_some();
        black_box(order.iter().filter(|nth| score(**nth)).count());
    };
    (0..80).for_each(|_| {
        minute += 1;
        round(minute);
    });
    group.bench_function("point by point", |b| {
        b.iter(|| {
            minute += 1;
            round(minute);
        });
    });
}

/// Batches of 4096 points; the bank has no room for the full tier.
fn in_a_bank(group: &mut Group<'_>, order: &[usize]) {
    let mut bank = hot_bank(order.len());
    let (mut minute, mut judged) = (0, Vec::new());
    let mut round = |minute: i64| {
        for batch in order.chunks(4096) {
            let point = |&nth: &usize| {
                let (at, value) = (minute * MINUTE, noisy_day(nth, minute));
                BankPoint { series: nth as u32, at, value, lesson: Lesson::Learn }
            };
            let points: Vec<BankPoint> = batch.iter().map(point).collect();
            bank.observe(&points, &mut judged);
            black_box(judged.iter().filter(|judged| matches!(judged, Judged::Hot(_))).count());
        }
    };
    (0..80).for_each(|_| {
        minute += 1;
        round(minute);
    });
    group.bench_function("in batches", |b| {
        b.iter(|| {
            minute += 1;
            round(minute);
        });
    });
}

criterion_group!(benches, single, many_full, many_hot);
criterion_main!(benches);
