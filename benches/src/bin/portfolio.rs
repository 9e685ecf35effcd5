//! Prints what a point costs in both tiers together, with the default settings, from a thousand to a million
//! series, as `README.md` quotes it: `cargo run --release -p benches --bin portfolio [SERIES]..`.
//!
//! One bank of each size with the memory of `default.yaml` for the full tier, fed by batches of 4096 points, a
//! point a minute and series. The series differ as those of the product do ([`Mixed`]), so that places are asked
//! for, refused, taken away and given back all the time, a few series end every minute, and others come. *Filling*
//! is the first two hours, in which the series begin; *settling* the next four, in which the useful ones take their
//! places; then, after a day, the rounds that count, by turns in the order in which the series came and in a
//! shuffled one. Times are processor time of this thread: means of filling and settling, medians of the rounds
//! after; all of them hold what asking and changing places costs, and what series cost that end and come. Bytes are
//! what a copy of the bank takes of the heap. What is outside of the measured time: making the points. All sizes
//! take five minutes on a quiet machine.

use std::io::Write as _;

use allocation_counter::measure;
use benches::measure::{median, took_ns};
use benches::series::{Mixed, shuffled};
use models::bank::{Admission, AdmissionParams, Bank, BankPoint, Judged, SurpriseColumns};
use models::univariate::{Lesson, SurpriseParams};
use pipelines::config::read_files;

const MINUTE: i64 = 60_000_000_000;
const SIZES: [u32; 4] = [1_000, 10_000, 100_000, 1_000_000];
const BATCH: usize = 4_096;
/// Rounds until all series have begun, until the useful ones have places, and until the first round that counts.
const FILLED: i64 = 128;
const SETTLED: i64 = 384;
const WARM: i64 = 1_600;
/// Rounds of each order that count, at the least, and points in all of them.
const ROUNDS_MIN: usize = 12;
const POINTS: usize = 6_000_000;
/// A series of so many ends every minute, and another comes.
const ENDS: u32 = 2_000;

/// A bank and what it is fed with.
struct Fed {
    bank: Bank,
    n: u32,
    points: Vec<BankPoint>,
    judged: Vec<Judged>,
    /// Points of the last round, and those of them that the full tier judged.
    counted: (usize, usize),
}

/// The minute of the first point of a series among `n`: the order of their numbers is that in which they came.
fn begins(series: u32, n: u32) -> i64 {
    i64::from(series) * FILLED / i64::from(n)
}

impl Fed {
    fn new(n: u32) -> Self {
        let plan = read_files(&[], &[]).expect("the defaults are valid");
        let params =
            AdmissionParams { budget_bytes: plan.series.full_bytes_max, ..AdmissionParams::default() };
        let params = params.check().expect("the defaults are valid");
        let columns = SurpriseColumns::new(&SurpriseParams::default().check().expect("defaults are valid"));
        let bank = Bank::new(columns, Admission::new(&params, SurpriseColumns::bytes_per_row()), n);
        Self { bank, n, points: Vec::new(), judged: Vec::new(), counted: (0, 0) }
    }

    /// One point of each series that has begun; nanoseconds of the bank's time.
    fn round(&mut self, order: &[u32], minute: i64) -> f64 {
        let mut spent = self.comings_and_goings(minute);
        let n = self.n;
        self.counted = (0, 0);
        for batch in order.chunks(BATCH) {
            let begun = batch.iter().filter(|series| begins(**series, n) <= minute);
            let point = |&series: &u32| {
                let (at, value) = (minute * MINUTE, Mixed(series).value(minute));
                BankPoint { series, at, value, lesson: Lesson::Learn }
            };
            self.points.clear();
            self.points.extend(begun.map(point));
            spent += took_ns(|| self.bank.observe(&self.points, &mut self.judged));
            let in_full = self.judged.iter().filter(|judged| matches!(judged, Judged::Full(_)));
            self.counted = (self.counted.0 + self.points.len(), self.counted.1 + in_full.count());
        }
        spent
    }

    /// New series in the beginning; later some end, and as many come under their numbers.
    fn comings_and_goings(&mut self, minute: i64) -> f64 {
        let here = self.bank.len() as u32;
        let new = (here..self.n).take_while(|series| begins(*series, self.n) <= minute).count() as u32;
        let ending = (0..if minute < FILLED { 0 } else { self.n })
            .filter(|series| (i64::from(*series) * 7_919 + minute) % i64::from(ENDS) == 0);
        let ending: Vec<u32> = ending.collect();
        let bank = &mut self.bank;
        took_ns(|| {
            for series in here..here + new {
                bank.add(Mixed(series).weight());
            }
            for series in ending {
                bank.remove(series);
                bank.add(Mixed(series).weight());
            }
        })
    }

    /// Nanoseconds a point over these rounds, all together.
    fn mean(&mut self, order: &[u32], minutes: std::ops::Range<i64>) -> f64 {
        let (mut spent, mut points) = (0.0, 0);
        for minute in minutes {
            spent += self.round(order, minute);
            points += self.counted.0;
        }
        spent / points as f64
    }
}

/// What is told of a size.
struct Row {
    /// Nanoseconds a point.
    filling: f64,
    settling: f64,
    in_order: f64,
    scattered: f64,
    /// Places held, and points of the last round that the full tier judged.
    full: usize,
    judged_full: usize,
    /// Places changed and refused, of a million points.
    replaced: f64,
    refused: f64,
}

/// One size, and the bank that it leaves.
fn measured(n: u32) -> (Row, Bank) {
    let in_order: Vec<u32> = (0..n).collect();
    let scattered = shuffled(in_order.clone());
    let mut fed = Fed::new(n);
    let filling = fed.mean(&in_order, 0..FILLED);
    let settling = fed.mean(&in_order, FILLED..SETTLED);
    fed.mean(&in_order, SETTLED..WARM);
    let before = fed.bank.admission().counts();
    let rounds = (POINTS / n as usize).clamp(ROUNDS_MIN, 64) as i64;
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for minute in (WARM..WARM + 2 * rounds).step_by(2) {
        first.push(fed.round(&in_order, minute) / f64::from(n));
        second.push(fed.round(&scattered, minute + 1) / f64::from(n));
    }
    let after = fed.bank.admission().counts();
    let of_million = |count: u64| count as f64 * 1e6 / (f64::from(n) * 2.0 * rounds as f64);
    let row = Row {
        filling,
        settling,
        in_order: median(first),
        scattered: median(second),
        full: fed.bank.admission().occupancy().0,
        judged_full: fed.counted.1,
        replaced: of_million(after.1 - before.1),
        refused: of_million(after.0 - before.0),
    };
    (row, fed.bank)
}

fn main() -> std::io::Result<()> {
    let asked: Vec<u32> = std::env::args().skip(1).filter_map(|size| size.parse().ok()).collect();
    let sizes = if asked.is_empty() { SIZES.to_vec() } else { asked };
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "| series | full | judged there | places changed, refused, a million points | bytes a series \
         | filling, ns | settling, ns | in their order, ns | ratio | shuffled, ns | ratio |\n|{}",
        "---|".repeat(11)
    )?;
    let mut least = None;
    for n in sizes {
        let (row, bank) = measured(n);
        // a copy takes what is in use, without room to grow
        let mut copy = None;
        let heap = measure(|| copy = Some(bank.clone())).bytes_current;
        let (first, second) = *least.get_or_insert((row.in_order, row.scattered));
        writeln!(
            out,
            "| {n} | {} | {} | {:.0}, {:.0} | {:.0} | {:.0} | {:.0} | {:.0} | {:.2} | {:.0} | {:.2} |",
            row.full,
            row.judged_full,
            row.replaced,
            row.refused,
            heap as f64 / f64::from(n),
            row.filling,
            row.settling,
            row.in_order,
            row.in_order / first,
            row.scattered,
            row.scattered / second
        )?;
    }
    Ok(())
}
