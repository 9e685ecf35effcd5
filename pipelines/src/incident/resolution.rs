//! Why an incident is over.
//!
//! What it does not do: word it before somebody is told; `Display` does then.

use std::fmt;

use crate::scoring::Over;

/// Why an incident is over.
///
/// ```
/// use pipelines::incident::Resolution;
/// use pipelines::scoring::Over;
/// let gone = Resolution::Over(Over::Gone { new: "v2".to_owned(), stable: "v1".to_owned() });
/// assert_eq!(gone.to_string(), "v2 is gone and v1 serves");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// What was found is over.
    Over(Over),
    /// It became part of another incident, whose change explains it.
    Explained {
        /// The service that was changed.
        service: String,
        /// What it was changed to.
        to: String,
    },
    /// Nothing was found for so many seconds.
    Quiet {
        /// How long.
        secs: i64,
    },
}

impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Over(over) => over.fmt(f),
            Self::Explained { service, to } => write!(f, "explained by the change of {service} to {to}"),
            Self::Quiet { secs } => write!(f, "nothing found any more for {secs} s"),
        }
    }
}
