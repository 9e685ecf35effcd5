//! What a judgement rests on, inside the event: enough to make it again without the raw telemetry.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Rule, Timestamp};

/// Numbers, rows and state behind one revision of an incident.
///
/// Whoever holds the rule of the same name and version sets it to `state`, gives it `rows`, and gets the same answer; the
/// digest of its state afterwards says so. Everybody else can still read `facts` and `rows`.
///
/// ```
/// let capsule = contract::Capsule::default();
/// assert!(capsule.rows.is_empty() && capsule.state.is_empty());
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Capsule {
    /// The rule that `state` and `rows` belong to; an empty name where they belong to none.
    pub rule: Rule,
    /// Settings, and numbers from other stages, by name with the unit at its end.
    pub facts: BTreeMap<String, f64>,
    /// End of the tick that the first row belongs to.
    pub rows_from: Timestamp,
    /// Names of the numbers of a row.
    pub columns: Vec<String>,
    /// What went into the rule last, oldest first; times in nanoseconds after `rows_from`.
    pub rows: Vec<Vec<i64>>,
    /// Rows that went in before these, and that are in `state`.
    pub n_rows_before: u64,
    /// State of the rule before the first row: base64 of zstd of its own layout; empty where the rule holds none.
    pub state: String,
    /// `sha256:` of the state after the last row; empty where the rule holds none.
    pub state_digest: String,
}
