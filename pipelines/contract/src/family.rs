//! What an incident is like among those that ended before it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// A family of incidents that were like this one. For information: no level, risk or recommendation rests on it.
///
/// ```
/// let family = contract::Family { members: 2, ..contract::Family::default() };
/// let text = serde_json::to_string(&family).unwrap();
/// assert_eq!(serde_json::from_str::<contract::Family>(&text).unwrap(), family);
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Family {
    /// Stays the same while members come; a function of the incident that founded it.
    pub id: String,
    /// What its members have in common, in words; may change as members come.
    pub name: String,
    /// Incidents that ended in it.
    pub members: u32,
    /// When the first of them was found last.
    pub first_at: Timestamp,
    /// When one of them was found last.
    pub last_at: Timestamp,
    /// How many of them ended in which way: `by_itself`, `noted`, `unanswered`, `withdrawn` (the suspected version went, without the
    /// actuator), `failed`, `rejected`, `already_done`, `reverted`, `approved` (reverted after approval); others may come.
    pub endings: BTreeMap<String, u32>,
    /// Services that it has hit, the last one first; eight at the most.
    pub services: Vec<String>,
    /// 1 like the mean of its members, 0 as unlike as a member may be; a measure, not a probability.
    pub likeness: f64,
    /// The member most like this incident, of those that are remembered one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nearest_incident: Option<String>,
    /// What this incident and most members show.
    pub shared: Vec<String>,
    /// What most members showed and this incident has not shown so far.
    pub missing: Vec<String>,
    /// What this incident shows and most members did not.
    pub unusual: Vec<String>,
}

impl Family {
    /// How its members ended, for people.
    ///
    /// ```
    /// let endings = [("by_itself".to_owned(), 2), ("reverted".to_owned(), 1)].into();
    /// let family = contract::Family { endings, ..contract::Family::default() };
    /// assert_eq!(family.ended(), "2 by itself, 1 reverted");
    /// ```
    #[must_use]
    pub fn ended(&self) -> String {
        let ended =
            self.endings.iter().map(|(ending, count)| format!("{count} {}", ending.replace('_', " ")));
        ended.collect::<Vec<_>>().join(", ")
    }
}
