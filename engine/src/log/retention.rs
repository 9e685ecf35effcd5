//! Which segments may go: decided from plain values.
//!
//! Promises: age removes only what is committed and what no reader still needs; only the byte limit can force out
//! more, oldest first. What this module does not do: delete files.

use crate::record::UnixNanos;

/// A sealed segment, oldest first in every list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// Offset of its first record.
    pub(crate) base: u64,
    /// Offset after its last record.
    pub(crate) end: u64,
    /// Its size.
    pub(crate) bytes: u64,
    /// No record in it arrived later.
    pub(crate) newest_at: UnixNanos,
}

/// What bounds the log.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) bytes: u64,
    pub(crate) age_nanos: i64,
}

/// Why a segment goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    Age,
    Bytes,
    /// The byte limit, although somebody still needs it.
    Forced,
}

impl Why {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Bytes => "bytes",
            Self::Forced => "forced",
        }
    }
}

/// Which of the sealed segments go now, oldest first. `tail_bytes` is the size of the segment that is written to,
/// which never goes; everything before `needed_from` is read and committed.
pub(crate) fn removals(
    sealed: &[Sealed],
    tail_bytes: u64,
    needed_from: u64,
    now: UnixNanos,
    limits: Limits,
) -> Vec<(u64, Why)> {
    let mut total = tail_bytes + sealed.iter().map(|segment| segment.bytes).sum::<u64>();
    let mut gone = Vec::new();
    for segment in sealed {
        let free = segment.end <= needed_from;
        let over = total > limits.bytes;
        let old = now.saturating_sub(segment.newest_at) > limits.age_nanos;
        let why = match (free, over, old) {
            (true, true, _) => Why::Bytes,
            (true, false, true) => Why::Age,
            (false, true, _) => Why::Forced,
            _ => break,
        };
        total -= segment.bytes;
        gone.push((segment.base, why));
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments() -> Vec<Sealed> {
        (0..4)
            .map(|n| Sealed { base: n * 10, end: n * 10 + 10, bytes: 100, newest_at: n as i64 * 50 })
            .collect()
    }

    /// Scenario: four segments of 100 bytes under various limits. Guarantees: each rule removes what it names, from
    /// the oldest on and without holes; only the byte limit goes beyond what is needed.
    #[test]
    fn removals_follow_the_rules() {
        use Why::{Age, Bytes, Forced};
        let check = |needed_from, now, bytes, age_nanos, expected: &[(u64, Why)]| {
            let got = removals(&segments(), 20, needed_from, now, Limits { bytes, age_nanos });
            assert_eq!(got, expected, "needed from {needed_from}, now {now}, bytes {bytes}, age {age_nanos}");
        };
        check(40, 1_000, 9_999, 9_999, &[]);
        check(40, 1_000, 9_999, 899, &[(0, Age), (10, Age), (20, Age)]);
        check(20, 1_000, 9_999, 0, &[(0, Age), (10, Age)]);
        check(19, 1_000, 9_999, 0, &[(0, Age)]);
        check(0, 1_000, 9_999, 0, &[]);
        check(40, 0, 250, 9_999, &[(0, Bytes), (10, Bytes)]);
        check(10, 0, 250, 9_999, &[(0, Bytes), (10, Forced)]);
        check(0, 0, 0, 9_999, &[(0, Forced), (10, Forced), (20, Forced), (30, Forced)]);
    }
}
