//! How much of what was published is kept.
//!
//! Pure. Age is counted between messages, by the time that they carry, so that two runs over the same input keep the
//! same. What this module does not do: know what a reader or a checkpoint still needs; who asks takes no more than
//! that allows.

use std::collections::VecDeque;

/// Bounds of the kept messages. Both are reached in strides, so that the file is not written anew for every message:
/// above `bytes_max` the older half goes, and what is an eighth older than `secs_max` takes everything with it that is
/// older than `secs_max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Bytes of the file.
    pub bytes_max: u64,
    /// Age of a message when the newest one was said.
    pub secs_max: u64,
}

/// Where a message stands, and when it was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) place: u64,
    /// Nanoseconds since 1970; never before the message ahead of it.
    pub(super) at: i64,
}

impl Retention {
    /// How many of the oldest messages are too many, in a file from `begin` to `end`. The newest always stays.
    pub(super) fn surplus(&self, held: &VecDeque<Held>, (begin, end): (u64, u64)) -> usize {
        let (Some(oldest), Some(newest)) = (held.front(), held.back()) else { return 0 };
        let too_large = if end.saturating_sub(begin) > self.bytes_max {
            held.partition_point(|held| end - held.place > self.bytes_max / 2)
        } else {
            0
        };
        let nanos_max = i64::try_from(self.secs_max.saturating_mul(1_000_000_000)).unwrap_or(i64::MAX);
        let limit = newest.at.saturating_sub(nanos_max);
        let too_old = if oldest.at < limit.saturating_sub(nanos_max / 8) {
            held.partition_point(|held| held.at < limit)
        } else {
            0
        };
        too_large.max(too_old).min(held.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: ten messages of 10 bytes, one a second, under several bounds. Guarantees: within the bounds nothing
    /// goes; above them so much goes that half the bytes, or the whole age, is left; the newest stays whatever happens.
    #[test]
    fn what_is_too_much_goes_in_strides() {
        let held: VecDeque<Held> =
            (0..10).map(|nth| Held { place: nth * 10, at: nth as i64 * 1_000_000_000 }).collect();
        let check = |bytes_max, secs_max, expected| {
            let surplus = Retention { bytes_max, secs_max }.surplus(&held, (0, 100));
            assert_eq!(surplus, expected, "{bytes_max} bytes, {secs_max} s");
        };
        check(100, 9, 0);
        check(99, 9, 6);
        check(100, 8, 0);
        check(100, 7, 2);
        check(100, 4, 5);
        check(40, 8, 8);
        check(0, 0, 9);
        assert_eq!(Retention { bytes_max: 0, secs_max: 0 }.surplus(&VecDeque::new(), (0, 0)), 0);
    }
}
