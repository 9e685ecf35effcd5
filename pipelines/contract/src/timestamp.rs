//! Points in time as the wire writes them: RFC 3339 in UTC, nanoseconds since 1970 inside.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ContractError;

/// Nanoseconds since 1970-01-01T00:00:00Z; on the wire RFC 3339 in UTC.
///
/// ```
/// use contract::Timestamp;
/// let at: Timestamp = "2026-11-24T08:00:00+01:00".parse()?;
/// assert_eq!(at.to_string(), "2026-11-24T07:00:00Z");
/// assert_eq!(at.unix_nanos(), 1_795_503_600_000_000_000);
/// # Ok::<(), contract::ContractError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From nanoseconds since 1970.
    #[must_use]
    pub const fn from_unix_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub const fn unix_nanos(self) -> i64 {
        self.0
    }

    /// Seconds from `earlier` to `self`; negative if `self` comes first.
    #[must_use]
    pub fn secs_since(self, earlier: Self) -> f64 {
        (self.0.saturating_sub(earlier.0)) as f64 / 1e9
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(at) => write!(f, "{at}"),
            Err(_) => f.write_str("1970-01-01T00:00:00Z"),
        }
    }
}

impl FromStr for Timestamp {
    type Err = ContractError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = |why: String| ContractError::Time { given: text.to_owned(), why };
        let at: jiff::Timestamp = text.parse().map_err(|e: jiff::Error| bad(e.to_string()))?;
        i64::try_from(at.as_nanosecond()).map(Self).map_err(|e| bad(e.to_string()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'_, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "date-time"})
    }
}
