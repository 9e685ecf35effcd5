//! Two sides in one run, in processor time of this thread: on a machine that others use too, only their ratio counts.
//!
//! Rounds alternate between the sides, so that a slow minute of the machine falls on both; the median round counts.
//! What this module does not do: say whether a ratio is good.

use std::hint::black_box;

use rustix::time::{ClockId, clock_gettime};

/// Processor time of this thread, in nanoseconds.
fn cpu_ns() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

/// Nanoseconds of processor time that one call took.
pub fn took_ns<T>(work: impl FnOnce() -> T) -> f64 {
    let began = cpu_ns();
    black_box(work());
    cpu_ns() - began
}

/// The middle one, or the upper of two; not a number if there are none.
pub fn median(mut rounds: Vec<f64>) -> f64 {
    rounds.sort_by(f64::total_cmp);
    rounds.get(rounds.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Median nanoseconds of processor time of one call of each side, over alternating rounds.
pub fn side_by_side<A, B>(rounds: usize, mut a: impl FnMut() -> A, mut b: impl FnMut() -> B) -> (f64, f64) {
    let (mut of_a, mut of_b) = (Vec::with_capacity(rounds), Vec::with_capacity(rounds));
    for _ in 0..rounds {
        of_a.push(took_ns(&mut a));
        of_b.push(took_ns(&mut b));
    }
    (median(of_a), median(of_b))
}

/// Median nanoseconds of processor time of one call; each round works on a value that `set_up` makes outside of the
/// measured time.
pub fn alone<S, T>(rounds: usize, mut set_up: impl FnMut() -> S, mut work: impl FnMut(S) -> T) -> f64 {
    let round = |_| {
        let state = set_up();
        took_ns(|| work(state))
    };
    median((0..rounds).map(round).collect())
}
