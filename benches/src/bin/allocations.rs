//! Prints how often an item makes the heap work, on its way from bytes to columns: `cargo run --release -p benches
//! --bin allocations`. A program of its own, because counting needs an allocator of its own.
#![expect(clippy::unwrap_used, reason = "a bench may stop at any surprise")]

use std::io::Write as _;

use allocation_counter::measure;
use benches::bodies::N_ITEMS;
use benches::cases::{Case, cases, decode_with_prost};
use engine::decode::{DecodeLimits, Decoder};

/// What one decoding allocates, warm, and what prost allocates for the same.
fn row(Case { name, record }: &Case) -> String {
    let mut decoder = Decoder::new(DecodeLimits::default());
    // the first time everything is new; from the second on the columns know their size
    for _ in 0..2 {
        decoder.decode(record).unwrap();
    }
    let columns = measure(|| drop(decoder.decode(record).unwrap())).count_total;
    let prost = measure(|| decode_with_prost(record)).count_total;
    let per_item = |count: u64| count as f64 / N_ITEMS as f64;
    format!("| {name} | {columns} | {:.3} | {prost} | {:.1} |", per_item(columns), per_item(prost))
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "| {N_ITEMS} of | allocations | per item | prost's | per item |\n|---|---|---|---|---|")?;
    for case in cases() {
        writeln!(out, "{}", row(&case))?;
    }
    Ok(())
}
