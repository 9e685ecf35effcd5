//! The one place of the demo that reads the wall clock.
//!
//! Everything else takes the time as an argument. It does not schedule anything.

use contract::Timestamp;

/// Nanoseconds since 1970, now.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the demo's one reader of the wall clock")]
pub fn unix_nanos() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

/// The same as the contract writes it.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::from_unix_nanos(unix_nanos())
}
