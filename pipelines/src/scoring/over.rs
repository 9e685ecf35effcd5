//! Why what was found is over.
//!
//! What it does not do: word it before somebody is told; `Display` does then.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a statement does not stand any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Over {
    /// The new arm has gone and the one before serves.
    Gone {
        /// The arm that went.
        new: String,
        /// The arm that serves.
        stable: String,
    },
    /// The new arm has served alone for so long that it is the stable one.
    ServedAlone {
        /// That arm.
        new: String,
        /// How long, in seconds.
        secs: i64,
    },
    /// A newer arm has taken its place.
    Followed {
        /// The arm before.
        old: String,
        /// The newer one.
        by: String,
    },
    /// A rule does not hold any more; in its own words.
    ByRule(String),
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone { new, stable } => write!(f, "{new} is gone and {stable} serves"),
            Self::ServedAlone { new, secs } => write!(f, "{new} has served alone for {secs} s"),
            Self::Followed { old, by } => write!(f, "{old} was followed by {by}"),
            Self::ByRule(words) => f.write_str(words),
        }
    }
}
