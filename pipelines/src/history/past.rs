//! The fingerprints of open incidents, and the families of those that ended.

use std::collections::{BTreeMap, VecDeque};

use contract::{Family, Outcome, RiskStatus, Timestamp};
use models::families::{Alike, Families, FamilyParams, Fingerprint, Joined};
use serde::{Deserialize, Serialize};

use super::ending::{Ending, after, ending_of};
use super::naming::{compared, name};
use super::shows::shown_by;
use crate::incident::Notice;

/// Tenants whose past is kept; those that come later have none.
const TENANTS_MAX: usize = 256;
/// Services that a family names.
const SERVICES_MAX: usize = 8;

/// What the history counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FamilyCounts {
    /// Families there are now.
    pub families: u64,
    /// Incidents that are remembered one by one now.
    pub incidents: u64,
    /// Incidents that were told of as one of a family when they were opened.
    pub known: u64,
    /// Incidents that were unlike anything before when they were opened.
    pub new: u64,
    /// Families that had to go for others.
    pub evicted: u64,
    /// Incidents that left nothing because too many tenants are known.
    pub refused: u64,
}

/// What one tenant's incidents left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Past {
    families: Families,
    /// By family: services that it has hit, the last one last.
    services: BTreeMap<u128, VecDeque<String>>,
}

/// What ended before, by tenant, and what the open incidents have shown so far.
///
/// # Invariants
/// No more tenants than `TENANTS_MAX`; as many open ones as incidents are open; per tenant the bounds of [`Families`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct History {
    tenants: BTreeMap<String, Past>,
    open: BTreeMap<String, Fingerprint>,
    counts: FamilyCounts,
}

impl Past {
    fn new() -> Self {
        let params = FamilyParams::default().check().expect("the defaults are checked by a test");
        Self { families: Families::new(params), services: BTreeMap::new() }
    }

    /// Notes where an incident of a service went.
    fn note(&mut self, service: String, joined: Joined) {
        if let Some(gone) = joined.evicted {
            self.services.remove(&gone);
        }
        let services = self.services.entry(joined.family).or_default();
        services.retain(|known| *known != service);
        services.push_back(service);
        if services.len() > SERVICES_MAX {
            services.pop_front();
        }
    }

    fn on_the_wire(&self, alike: &Alike<'_>, x: &Fingerprint) -> Family {
        let family = alike.family;
        let compared = compared(family, x);
        let counted = Ending::ALL.into_iter().zip(family.endings()).filter(|(_, count)| **count > 0);
        Family {
            id: contract::content_id(&["family", &id_text(family.id())]),
            name: name(family),
            members: family.members(),
            first_at: Timestamp::from_unix_nanos(family.first_at()),
            last_at: Timestamp::from_unix_nanos(family.last_at()),
            endings: counted.map(|(ending, count)| (ending.as_str().to_owned(), *count)).collect(),
            services: self.services.get(&family.id()).into_iter().flatten().rev().cloned().collect(),
            likeness: contract::rounded(alike.likeness),
            nearest_incident: alike.nearest.map(|member| id_text(member.incident)),
            shared: compared.shared,
            missing: compared.missing,
            unusual: compared.unusual,
        }
    }
}

impl History {
    /// Takes in a notice of the incident of this id; gives the family of incidents that ended before it, if it is like one. What has
    /// ended is learned after that.
    pub fn on_notice(&mut self, notice: &Notice, incident_id: &str) -> Option<Family> {
        let incident = &notice.incident;
        let before = self.open.remove(incident_id).unwrap_or_default();
        let shown = before.widened(&shown_by(incident));
        let tenant = &*incident.key.service.tenant;
        let past = self.tenants.get(tenant);
        let family = past.and_then(|past| Some(past.on_the_wire(&past.families.alike(&shown)?, &shown)));
        match notice.status {
            RiskStatus::Resolved if notice.is_absorbed() => {}
            RiskStatus::Resolved => {
                let ending = ending_of(incident, notice.resolution.as_ref());
                let service = incident.key.service.service.to_string();
                self.learn((tenant, service), incident.last_at, (incident_id, &shown), ending);
            }
            RiskStatus::Opened | RiskStatus::Updated => {
                if notice.status == RiskStatus::Opened {
                    let count = if family.is_some() { &mut self.counts.known } else { &mut self.counts.new };
                    *count += 1;
                }
                self.open.insert(incident_id.to_owned(), shown);
            }
        }
        family
    }

    /// Word of the actuator about an incident that is over already.
    pub fn on_late_outcome(&mut self, outcome: &Outcome) {
        let Some(id) = id_of(&outcome.incident_id) else { return };
        for past in self.tenants.values_mut() {
            let known = past.families.remembered().find(|known| known.incident == id);
            let Some(before) = known.and_then(|known| Ending::ALL.get(usize::from(known.ending))) else {
                continue;
            };
            past.families.correct(id, after(*before, outcome) as u8);
        }
    }

    /// What was counted, and what there is now.
    #[must_use]
    pub fn counts(&self) -> FamilyCounts {
        let pasts = || self.tenants.values();
        FamilyCounts {
            families: pasts().map(|past| past.families.iter().count() as u64).sum(),
            incidents: pasts().map(|past| past.families.remembered().count() as u64).sum(),
            ..self.counts
        }
    }

    fn learn(
        &mut self,
        (tenant, service): (&str, String),
        at: i64,
        (id, x): (&str, &Fingerprint),
        ending: Ending,
    ) {
        if !self.tenants.contains_key(tenant) && self.tenants.len() >= TENANTS_MAX {
            self.counts.refused += 1;
            return;
        }
        let past = self.tenants.entry(tenant.to_owned()).or_insert_with(Past::new);
        let joined = id_of(id).and_then(|id| past.families.join(id, at, x, ending as u8));
        let Some(joined) = joined else { return };
        self.counts.evicted += u64::from(joined.evicted.is_some());
        past.note(service, joined);
    }
}

/// Incident ids are 32 hex digits.
fn id_of(text: &str) -> Option<u128> {
    u128::from_str_radix(text, 16).ok()
}

fn id_text(id: u128) -> String {
    format!("{id:032x}")
}

#[cfg(test)]
#[path = "past_tests.rs"]
mod tests;
