//! What it costs to turn a request into columns, beside what prost needs to turn it into message structs.
//!
//! The columns carry the identity of every series and resource; prost's structs do not yet. Caches are warm, as they
//! are for every export after a process's first.
#![expect(clippy::unwrap_used, reason = "a bench may stop at any surprise")]

use benches::bodies::N_ITEMS;
use benches::cases::{Case, cases, decode_with_prost};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine::decode::{DecodeLimits, Decoder};

fn decode(c: &mut Criterion) {
    for Case { name, record } in cases() {
        let mut group = c.benchmark_group(name);
        let bytes = record.body.len() as u64;
        group.throughput(Throughput::ElementsAndBytes { elements: N_ITEMS, bytes });
        let mut decoder = Decoder::new(DecodeLimits::default());
        assert_eq!(decoder.decode(&record).unwrap().1.total(), 0);
        group.bench_function("columns", |b| b.iter(|| decoder.decode(&record).unwrap()));
        group.bench_function("prost", |b| b.iter(|| decode_with_prost(&record)));
        group.finish();
    }
}

criterion_group!(benches, decode);
criterion_main!(benches);
