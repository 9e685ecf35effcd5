//! From bytes to what is said about them: decoding, watermark, features, scoring, incidents, as one lane's heart does
//! it, per item. Reading, writing and checkpoints are not in it.
#![expect(clippy::unwrap_used, reason = "a bench may stop at any surprise")]

use benches::bodies::{self, N_ITEMS};
use benches::heart::{heart, received};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use engine::decode::Decoder;
use engine::record::RecordKind;
use engine::runtime::Core;
use pipelines::config::read_files;
use pipelines::wiring::Judge;

const SECS: u64 = 30;

fn run(c: &mut Criterion, name: &str, kind: RecordKind, body: fn(u64) -> Vec<u8>) {
    let plan = read_files(&[], &[]).unwrap();
    let received = received(kind, SECS, body);
    let n_bytes = received.iter().map(|received| received.record.body.len() as u64).sum();
    let mut group = c.benchmark_group("end_to_end");
    group
        .sample_size(10)
        .throughput(Throughput::ElementsAndBytes { elements: SECS * N_ITEMS, bytes: n_bytes });
    group.bench_function(name, |b| {
        let round = |heart: &mut Core<Decoder, Judge>| {
            received.iter().for_each(|one| drop(std::hint::black_box(heart.take(one).unwrap())));
        };
        b.iter_batched_ref(|| heart(&plan), round, BatchSize::LargeInput);
    });
    group.finish();
}

fn end_to_end(c: &mut Criterion) {
    run(c, "number_points", RecordKind::Metrics, |sec| bodies::numbers(10, sec));
    run(c, "histogram_points", RecordKind::Metrics, bodies::histograms);
    run(c, "spans", RecordKind::Spans, bodies::http_spans);
    run(c, "log_lines", RecordKind::Logs, bodies::logs);
}

criterion_group!(benches, end_to_end);
criterion_main!(benches);
