//! What it costs to put rows into windows: the features stage, from batches to the rows that close, per item.
//!
//! One round is half a minute of 2,000 items a second, from an empty state on.

use benches::batches::{by_second, progress};
use benches::bodies::{self, N_ITEMS};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use engine::record::RecordKind;
use pipelines::features::{FeatureParams, Features};

const SECS: u64 = 30;

fn run(c: &mut Criterion, name: &str, kind: RecordKind, body: fn(u64) -> Vec<u8>) {
    let batches = by_second(kind, SECS, body);
    let mut group = c.benchmark_group("window");
    group.sample_size(10).throughput(Throughput::Elements(SECS * N_ITEMS));
    group.bench_function(name, |b| {
        let round = |features: &mut Features| {
            for (sec, batch) in (1..).zip(&batches) {
                features.on_batch(batch);
                std::hint::black_box(features.on_progress(progress(sec)));
            }
        };
        b.iter_batched_ref(|| Features::new(FeatureParams::default()), round, BatchSize::LargeInput);
    });
    group.finish();
}

fn window(c: &mut Criterion) {
    run(c, "number_points", RecordKind::Metrics, |sec| bodies::numbers(10, sec));
    run(c, "histogram_points", RecordKind::Metrics, bodies::histograms);
    run(c, "spans", RecordKind::Spans, bodies::http_spans);
    run(c, "log_lines", RecordKind::Logs, bodies::logs);
}

criterion_group!(benches, window);
criterion_main!(benches);
