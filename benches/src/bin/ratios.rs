//! Prints the table of ratios that `README.md` quotes: `cargo run --release -p benches --bin ratios`.
//!
//! Both sides of a ratio run in turns in this one process and on this one thread; times are processor time, medians.
#![expect(clippy::unwrap_used, reason = "a bench may stop at any surprise")]

use std::io::Write as _;

use benches::bodies::N_ITEMS;
use benches::cases::{Case, cases, decode_with_prost};
use benches::measure::side_by_side;
use engine::decode::{DecodeLimits, Decoder, inspect};

/// As the program itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 300;

/// Bytes to columns beside bytes to prost's message structs; and what the front door pays to look a body through.
fn row(Case { name, record }: &Case) -> String {
    let limits = DecodeLimits::default();
    let mut decoder = Decoder::new(limits.clone());
    assert_eq!(decoder.decode(record).unwrap().1.total(), 0);
    let (columns, prost) =
        side_by_side(ROUNDS, || decoder.decode(record).unwrap(), || decode_with_prost(record));
    let look = || inspect(record.kind, record.encoding, record.compression, &record.body, &limits).unwrap();
    let (door, prost_too) = side_by_side(ROUNDS, look, || decode_with_prost(record));
    let (items, bytes) = (N_ITEMS as f64, record.body.len() as f64);
    format!(
        "| {name} | {:.0} | {:.1} | {:.0} | {:.1} | {:.0} | 1/{:.1} | {:.1} | 1/{:.1} |",
        bytes / items,
        columns / items,
        bytes / columns * 1e3,
        prost / items,
        bytes / prost * 1e3,
        prost / columns,
        door / items,
        prost_too / door,
    )
}

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "| {N_ITEMS} of | bytes each | columns ns | MB/s | prost ns | MB/s | ratio | door ns | ratio |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|---|")?;
    for case in cases() {
        writeln!(out, "{}", row(&case))?;
    }
    Ok(())
}
