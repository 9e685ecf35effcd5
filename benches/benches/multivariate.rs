//! What many metrics together cost: the vector detector a metric point, replicas compared, and DBSCAN beside it.
//!
//! Vectors are those of [`benches::series`].

use benches::series::vectors;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use models::multivariate::{Learning, VectorDetector, VectorParams};
use models::siblings::{SiblingDetector, SiblingParams, replica_groups};

const MINUTE: i64 = 60_000_000_000;
const WARM: usize = 3_000;
const MEASURED: usize = 1_000;

fn detector(c: &mut Criterion) {
    let mut group = c.benchmark_group("vector_detector");
    group.sample_size(20);
    for width in [5, 19, 38] {
        let vectors = vectors(width, WARM + MEASURED);
        let params = VectorParams::default().check().expect("defaults are within their ranges");
        let mut warm = VectorDetector::new(&params, width);
        for (nth, x) in vectors[..WARM].iter().enumerate() {
            warm.observe(nth as i64 * MINUTE, x, Learning::Learn);
        }
        group.throughput(Throughput::Elements((width * MEASURED) as u64));
        group.bench_function(format!("{width} metrics, per metric point"), |b| {
            let run = |mut detector: VectorDetector| {
                for (nth, x) in vectors[WARM..].iter().enumerate() {
                    detector.observe((WARM + nth) as i64 * MINUTE, x, Learning::Learn);
                }
                detector
            };
            b.iter_batched(|| warm.clone(), run, BatchSize::LargeInput);
        });
    }
    group.finish();
}

fn siblings(c: &mut Criterion) {
    let mut group = c.benchmark_group("siblings");
    for replicas in [5, 20, 100] {
        let rows: Vec<(u64, Vec<f64>)> = (0..).zip(vectors(8, replicas)).collect();
        let plain: Vec<&[f64]> = rows.iter().map(|(_, x)| x.as_slice()).collect();
        let params = SiblingParams::default().check().expect("defaults are within their ranges");
        let mut detector = SiblingDetector::new(&params, 8);
        group.throughput(Throughput::Elements(replicas as u64 * 8));
        group.bench_function(format!("{replicas} replicas of 8 metrics, leave-one-out distance"), |b| {
            b.iter(|| detector.observe(&rows));
        });
        group.bench_function(format!("{replicas} replicas of 8 metrics, linfa DBSCAN"), |b| {
            b.iter(|| replica_groups(&plain, &[1.0; 8]));
        });
    }
    group.finish();
}

criterion_group!(benches, detector, siblings);
criterion_main!(benches);
