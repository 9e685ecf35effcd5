//! Window arithmetic: pure functions of event time.
//!
//! Windows are aligned to 1970 and half open: `[start, start + length)`. A point that stands for the time since the
//! point before covers `(previous, at]`. What this module does not do: hold state, or know what is counted.

use crate::record::UnixNanos;

/// Start of the window of this length that holds `at`; also right before 1970. A length below 1 counts as 1.
#[must_use]
pub fn floor(at: UnixNanos, length: UnixNanos) -> UnixNanos {
    at.saturating_sub(at.rem_euclid(length.max(1)))
}

/// The smallest window boundary at or after `at`.
#[must_use]
pub fn ceil(at: UnixNanos, length: UnixNanos) -> UnixNanos {
    match at.rem_euclid(length.max(1)) {
        0 => at,
        rest => at.saturating_add(length.max(1) - rest),
    }
}

/// The boundaries in `(after, upto]`, oldest first: what is due when time has come from `after` to `upto`.
pub fn ticks(after: UnixNanos, upto: UnixNanos, step: UnixNanos) -> impl Iterator<Item = UnixNanos> {
    let step = step.max(1);
    let first = floor(after, step).saturating_add(step);
    std::iter::successors(Some(first), move |tick| tick.checked_add(step))
        .take_while(move |tick| *tick <= upto)
}

/// Start of every window that the time `(previous, at]` touches, oldest first.
pub fn covered(previous: UnixNanos, at: UnixNanos, length: UnixNanos) -> impl Iterator<Item = UnixNanos> {
    let length = length.max(1);
    let first = floor(previous.saturating_add(1).min(at), length);
    std::iter::successors(Some(first), move |start| start.checked_add(length))
        .take_while(move |start| *start <= at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Scenario: moments around boundaries, also before 1970. Guarantees: floor and ceil are exact.
    #[test]
    fn boundaries() {
        for (at, length, low, high) in
            [(0, 10, 0, 0), (9, 10, 0, 10), (10, 10, 10, 10), (-1, 10, -10, 0), (7, 0, 7, 7)]
        {
            assert_eq!((floor(at, length), ceil(at, length)), (low, high), "at {at}, length {length}");
        }
        assert_eq!(ticks(10, 31, 10).collect::<Vec<_>>(), [20, 30]);
        assert_eq!(ticks(9, 10, 10).collect::<Vec<_>>(), [10]);
        assert_eq!(ticks(10, 10, 10).count(), 0);
        assert_eq!(covered(5, 25, 10).collect::<Vec<_>>(), [0, 10, 20]);
        assert_eq!(covered(9, 10, 10).collect::<Vec<_>>(), [10]);
    }

    proptest! {
        /// Scenario: time comes from a to c in one go or by way of b. Guarantees: the same ticks.
        #[test]
        fn ticks_add_up(a in -1_000_i64..1_000, d in 0_i64..500, e in 0_i64..500, step in 1_i64..50) {
            let (b, c) = (a + d, a + d + e);
            let whole: Vec<_> = ticks(a, c, step).collect();
            let parts: Vec<_> = ticks(a, b, step).chain(ticks(b, c, step)).collect();
            prop_assert_eq!(whole, parts);
        }
    }
}
