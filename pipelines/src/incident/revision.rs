//! One incident and its revisions.

use std::collections::BTreeMap;

use contract::{Change, Level, Outcome, RiskStatus, Scope};
use engine::record::{NANOS_PER_SEC, UnixNanos};
use serde::{Deserialize, Serialize};

use super::resolution::Resolution;
use crate::features::ServiceKey;
use crate::scoring::{Finding, RuleName, Suspect};

/// What makes two findings one incident: the same suspect change, or the same service without one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct IncidentKey {
    /// The service whose change is suspected, or that shows the symptom.
    pub service: ServiceKey,
    /// The suspected arm.
    pub suspect: Option<Suspect>,
}

impl IncidentKey {
    /// Who the incident is about, on the wire.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.suspect.as_ref().map_or_else(|| self.service.scope(), |suspect| suspect.scope(&self.service))
    }
}

/// A level that was reached falls when less was asked for all this time: every change of level is a revision, and voids
/// an approval that waits.
pub(crate) const LEVEL_HELD: UnixNanos = 60 * NANOS_PER_SEC;
/// At the earliest so long after the last one an `updated` without a change of level is published.
const UPDATE_GAP: UnixNanos = 30 * NANOS_PER_SEC;

/// An open incident.
///
/// # Invariants
/// `revision` counts the published notices; `first_rule` and `first_window_end` never change after opening.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// What makes it one incident.
    pub key: IncidentKey,
    /// End of the window in which it was opened.
    pub first_window_end: UnixNanos,
    /// The rule that opened it.
    pub first_rule: RuleName,
    /// The change behind the suspect.
    pub change: Option<Change>,
    /// Published revisions so far.
    pub revision: u32,
    /// Standing findings by service and rule; those of other services are symptoms.
    #[serde(with = "as_list")]
    pub findings: BTreeMap<(ServiceKey, RuleName), Finding>,
    /// Newest cell end of any of its findings.
    pub last_at: UnixNanos,
    /// What the actuator did.
    pub outcomes: Vec<Outcome>,
    /// The level that stands.
    held_level: Level,
    /// Since when less than that is asked for.
    pub less_since: Option<UnixNanos>,
    /// The level from which it fell last, until that is published.
    pub fell_from: Option<Level>,
    /// Level last published.
    published_level: Level,
    /// Number of services last published.
    published_services: usize,
    /// When the last notice was published.
    published_at: UnixNanos,
    /// News from the actuator that is not published yet.
    has_news: bool,
}

/// Something to publish about an incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// The incident as it is now; its `revision` is that of this notice.
    pub incident: Incident,
    /// Opened, updated or resolved.
    pub status: RiskStatus,
    /// End of the window of this notice.
    pub window_end: UnixNanos,
    /// Why it is resolved.
    pub resolution: Option<Resolution>,
}

impl Notice {
    /// Whether it is over because another incident explains it.
    #[must_use]
    pub fn is_absorbed(&self) -> bool {
        matches!(self.resolution, Some(Resolution::Explained { .. }))
    }
}

impl Incident {
    /// Opens an incident by its first finding.
    #[must_use]
    pub fn open(key: IncidentKey, finding: Finding, change: Option<Change>) -> Self {
        let mut incident = Self {
            key,
            first_window_end: finding.at,
            first_rule: finding.rule,
            change,
            revision: 0,
            findings: BTreeMap::new(),
            last_at: finding.at,
            outcomes: Vec::new(),
            held_level: Level::Monitor,
            less_since: None,
            fell_from: None,
            published_level: Level::Monitor,
            published_services: 0,
            published_at: UnixNanos::MIN,
            has_news: false,
        };
        incident.take(finding);
        incident
    }

    /// Takes in a standing finding.
    pub fn take(&mut self, finding: Finding) {
        self.last_at = self.last_at.max(finding.at);
        self.findings.insert((finding.service.clone(), finding.rule), finding);
        // a finding raises the level at once; only time lowers it
        self.held_level = self.held_level.max(self.asked_level());
    }

    /// Takes in news from the actuator; the newest eight are kept.
    pub fn take_outcome(&mut self, outcome: Outcome) {
        if self.outcomes.iter().any(|known| known.id == outcome.id) {
            return;
        }
        if self.outcomes.len() == 8 {
            self.outcomes.remove(0);
        }
        self.outcomes.push(outcome);
        self.has_news = true;
    }

    /// The level that stands: the highest that was asked for, until less was asked for `LEVEL_HELD` long.
    #[must_use]
    pub fn level(&self) -> Level {
        self.held_level
    }

    /// Raises the level at once, and lowers it when its time is over.
    fn hold_level(&mut self, at: UnixNanos) {
        let asked = self.asked_level();
        if asked >= self.held_level {
            self.held_level = asked;
            self.less_since = None;
        } else if at >= self.less_since.get_or_insert(at).saturating_add(LEVEL_HELD) {
            self.fell_from = Some(self.held_level);
            self.held_level = asked;
            self.less_since = None;
        }
    }

    /// The highest level that any finding about the suspect's own service asks for; symptoms never raise it to `act`.
    #[must_use]
    pub fn asked_level(&self) -> Level {
        let own = self.findings.values().filter(|finding| finding.service == self.key.service);
        own.map(|finding| finding.level).max().unwrap_or(Level::Monitor)
    }

    /// The finding to lead with: highest level, then strongest rule.
    #[must_use]
    pub fn leading(&self) -> Option<&Finding> {
        let own = self.findings.values().filter(|finding| finding.service == self.key.service);
        own.max_by(|a, b| a.level.cmp(&b.level).then(b.rule.cmp(&a.rule)))
    }

    /// Services that show symptoms, besides its own.
    pub fn symptom_services(&self) -> impl Iterator<Item = &ServiceKey> {
        let mut last = None;
        self.findings.keys().map(|(service, _)| service).filter(move |service| {
            let fresh = **service != self.key.service && last != Some((*service).clone());
            last = Some((*service).clone());
            fresh
        })
    }

    /// A notice, if there is something that a reader would act on.
    pub fn notice(&mut self, at: UnixNanos) -> Option<Notice> {
        self.hold_level(at);
        let level = self.level();
        let services = self.symptom_services().count();
        let status = if self.revision == 0 { RiskStatus::Opened } else { RiskStatus::Updated };
        let rises = level > self.published_level;
        let differs = level != self.published_level || services != self.published_services;
        let due = at >= self.published_at.saturating_add(UPDATE_GAP);
        let publish = status == RiskStatus::Opened || rises || self.has_news || (differs && due);
        publish.then(|| self.publish(status, at, None))
    }

    /// The last notice.
    pub fn resolve(&mut self, at: UnixNanos, why: Resolution) -> Notice {
        self.publish(RiskStatus::Resolved, at, Some(why))
    }

    fn publish(&mut self, status: RiskStatus, at: UnixNanos, resolution: Option<Resolution>) -> Notice {
        self.revision += 1;
        self.published_level = self.level();
        self.published_services = self.symptom_services().count();
        self.published_at = at;
        self.has_news = false;
        let notice = Notice { incident: self.clone(), status, window_end: at, resolution };
        self.fell_from = None;
        notice
    }
}

/// Findings as a list: JSON has no maps with structured keys.
mod as_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Finding, RuleName, ServiceKey};

    type Findings = BTreeMap<(ServiceKey, RuleName), Finding>;

    pub(super) fn serialize<S: Serializer>(findings: &Findings, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(findings.values())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Findings, D::Error> {
        let findings = Vec::<Finding>::deserialize(deserializer)?;
        Ok(findings.into_iter().map(|finding| ((finding.service.clone(), finding.rule), finding)).collect())
    }
}
