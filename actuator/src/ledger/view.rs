//! What the ledger knows, in memory and bounded: the past as `policy` sees it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use contract::{Outcome, OutcomeStatus, Timestamp};
use serde::{Deserialize, Serialize};

use super::chain::Entry;
use super::record::{Intent, Record, Seen, Verb};
use crate::inbox::Word;

/// Event ids that are remembered. Older ones are refused by their age.
const SEEN_MAX: usize = 100_000;
/// Incidents and outcomes that are remembered.
const FINISHED_MAX: usize = 20_000;
/// Events that wait, and words about them, that are remembered.
const WAITING_MAX: usize = 1_000;
/// Actions that are remembered for each service; the policy allows at most 100 a day.
const ACTIONS_MAX: usize = 1_000;

/// A set that forgets its oldest member when it is full. Written as its members, oldest first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<String>", into = "Vec<String>")]
struct Recent {
    order: VecDeque<String>,
    members: BTreeSet<String>,
}

impl From<Vec<String>> for Recent {
    fn from(order: Vec<String>) -> Self {
        Self { members: order.iter().cloned().collect(), order: order.into() }
    }
}

impl From<Recent> for Vec<String> {
    fn from(recent: Recent) -> Self {
        recent.order.into()
    }
}

impl Recent {
    /// Adds a member; gives back the one that was forgotten for it.
    fn add(&mut self, member: &str, max: usize) -> Option<String> {
        if !self.members.insert(member.to_owned()) {
            return None;
        }
        self.order.push_back(member.to_owned());
        let oldest = if self.order.len() > max { self.order.pop_front() } else { None };
        oldest.inspect(|oldest| {
            self.members.remove(oldest);
        })
    }
}

/// The past.
///
/// # Invariants
/// A function of the entries applied, in order. It is written into the ledger too ([`Record::Carried`]): a field that
/// is added must be readable where it is missing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LedgerView {
    last_event_id: Option<String>,
    seen: Recent,
    outcome_ids: Recent,
    finished_order: Recent,
    finished: BTreeMap<String, String>,
    actions: BTreeMap<String, VecDeque<Timestamp>>,
    unfinished: BTreeMap<String, Seen>,
    intents: BTreeMap<String, Intent>,
    unsent: Vec<Outcome>,
    frozen: Option<String>,
    /// Events that wait for a person, by incident; only the newest of an incident waits.
    waiting: BTreeMap<String, Seen>,
    words: BTreeMap<String, Word>,
    by_rule: BTreeMap<String, RuleRecord>,
}

/// What a scope of the policy did.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
struct RuleRecord {
    /// When, and by which commit, newest last.
    acted: VecDeque<(Timestamp, String)>,
    demoted: Option<String>,
}

impl LedgerView {
    /// The event after which the intake goes on.
    #[must_use]
    pub fn last_event_id(&self) -> Option<&str> {
        self.last_event_id.as_deref()
    }

    /// Whether an event was decided about before.
    #[must_use]
    pub fn has_seen(&self, event_id: &str) -> bool {
        self.seen.members.contains(event_id)
    }

    /// Whether an outcome was recorded before.
    #[must_use]
    pub fn has_outcome(&self, outcome_id: &str) -> bool {
        self.outcome_ids.members.contains(outcome_id)
    }

    /// What was done for an incident, if its remedy is in the world.
    #[must_use]
    pub fn finished_action(&self, incident_id: &str) -> Option<&str> {
        self.finished.get(incident_id).map(String::as_str)
    }

    /// When something was done for a service within the last `secs`, oldest first.
    pub fn actions_within(
        &self,
        scope_key: &str,
        now: Timestamp,
        secs: u64,
    ) -> impl Iterator<Item = Timestamp> {
        let all = self.actions.get(scope_key).into_iter().flatten().copied();
        all.filter(move |at| now.secs_since(*at) < secs as f64)
    }

    /// Who approved acting on exactly this evidence, if the approval still holds.
    #[must_use]
    pub fn approval(&self, incident_id: &str, digest: &str, now: Timestamp) -> Option<String> {
        match self.words.get(incident_id)? {
            Word::Approve { evidence_digest, by, until, .. } if evidence_digest == digest && now < *until => {
                Some(by.clone())
            }
            _ => None,
        }
    }

    /// Who rejected acting on this evidence, and why.
    #[must_use]
    pub fn rejection(&self, incident_id: &str, digest: &str) -> Option<String> {
        match self.words.get(incident_id)? {
            Word::Reject { evidence_digest, by, why, .. } if evidence_digest == digest => {
                Some(format!("{by} rejected it: {why}"))
            }
            _ => None,
        }
    }

    /// Events that wait for a person, by incident.
    pub fn waiting(&self) -> impl Iterator<Item = &Seen> {
        self.waiting.values()
    }

    /// Events that waited, and about whose very evidence a person has spoken.
    #[must_use]
    pub fn answered(&self, now: Timestamp) -> Vec<Seen> {
        let answered = |seen: &&Seen| {
            let (incident, digest) = (&seen.incident_id, &seen.evidence_digest);
            self.approval(incident, digest, now).is_some() || self.rejection(incident, digest).is_some()
        };
        self.waiting.values().filter(answered).cloned().collect()
    }

    /// Why a scope of the policy may only suggest, if it did something wrong.
    #[must_use]
    pub fn demoted(&self, rule: &str) -> Option<&str> {
        self.by_rule.get(rule)?.demoted.as_deref()
    }

    /// How often a scope of the policy acted within the last `secs`.
    #[must_use]
    pub fn n_acted(&self, rule: &str, now: Timestamp, secs: u64) -> usize {
        let acted = self.by_rule.get(rule).into_iter().flat_map(|record| &record.acted);
        acted.filter(|(at, _)| now.secs_since(*at) < secs as f64).count()
    }

    /// The commits by which a scope of the policy acted, newest last.
    #[must_use]
    pub fn commits_of(&self, rule: &str) -> Vec<String> {
        let acted = self.by_rule.get(rule).into_iter().flat_map(|record| &record.acted);
        acted.map(|(_, commit)| commit.clone()).collect()
    }

    /// Why everything is stopped, if it is.
    #[must_use]
    pub fn frozen(&self) -> Option<&str> {
        self.frozen.as_deref()
    }

    /// Events whose handling was interrupted, by event id.
    #[must_use]
    pub fn unfinished(&self) -> Vec<Seen> {
        self.unfinished.values().cloned().collect()
    }

    /// The effect that was begun for an unfinished event.
    #[must_use]
    pub fn intent(&self, event_id: &str) -> Option<&Intent> {
        self.intents.get(event_id)
    }

    /// Outcomes that still have to be told, oldest first.
    #[must_use]
    pub fn unsent(&self) -> &[Outcome] {
        &self.unsent
    }

    /// Takes in one entry.
    pub fn apply(&mut self, entry: &Entry) {
        match &entry.record {
            Record::Seen(seen) => self.apply_seen(seen),
            Record::Intent(intent) => {
                self.intents.insert(intent.event_id.clone(), intent.clone());
            }
            Record::Outcome { outcome } => self.apply_outcome(outcome),
            Record::Sent { outcome_id, .. } => self.unsent.retain(|outcome| outcome.id != *outcome_id),
            Record::Frozen { why } => self.frozen = Some(why.clone()),
            Record::Thawed => self.frozen = None,
            Record::Word { word } => self.apply_word(word),
            Record::Demoted { scope, why } => {
                self.by_rule.entry(scope.clone()).or_default().demoted = Some(why.clone());
            }
            Record::Carried { known } => *self = LedgerView::clone(known),
            Record::Cut { .. } => {}
        }
    }

    fn apply_seen(&mut self, seen: &Seen) {
        self.last_event_id = Some(seen.event_id.clone());
        self.seen.add(&seen.event_id, SEEN_MAX);
        // whatever comes after an event that waits is newer evidence
        self.waiting.remove(&seen.incident_id);
        if seen.verb == Verb::Await && seen.event.is_some() {
            self.waiting.insert(seen.incident_id.clone(), seen.clone());
            if self.waiting.len() > WAITING_MAX {
                self.waiting.pop_first();
            }
        }
        if seen.pending {
            self.unfinished.insert(seen.event_id.clone(), seen.clone());
        }
    }

    fn apply_word(&mut self, word: &Word) {
        match word {
            Word::Approve { incident_id, .. } | Word::Reject { incident_id, .. } => {
                self.words.insert(incident_id.clone(), word.clone());
                if self.words.len() > WAITING_MAX {
                    self.words.pop_first();
                }
            }
            // what was held against it is settled
            Word::Rearm { scope, .. } => {
                let record = self.by_rule.entry(scope.clone()).or_default();
                record.demoted = None;
                record.acted.iter_mut().for_each(|(_, commit)| commit.clear());
            }
        }
    }

    fn apply_outcome(&mut self, outcome: &Outcome) {
        let seen = self.unfinished.remove(&outcome.event_id);
        if let (Some(seen), OutcomeStatus::Acted, Some(commit)) = (seen, outcome.status, &outcome.commit) {
            let rule = seen.policy.split('@').next().unwrap_or_default().to_owned();
            let record = self.by_rule.entry(rule).or_default();
            record.acted.push_back((outcome.at, commit.clone()));
            if record.acted.len() > ACTIONS_MAX {
                record.acted.pop_front();
            }
        }
        self.intents.remove(&outcome.event_id);
        if !self.has_outcome(&outcome.id) {
            self.unsent.push(outcome.clone());
        }
        self.outcome_ids.add(&outcome.id, FINISHED_MAX);
        if matches!(outcome.status, OutcomeStatus::Acted | OutcomeStatus::AlreadyDone) {
            if let Some(forgotten) = self.finished_order.add(&outcome.incident_id, FINISHED_MAX) {
                self.finished.remove(&forgotten);
            }
            self.finished.insert(outcome.incident_id.clone(), outcome.reason.clone());
        }
        if outcome.status == OutcomeStatus::Acted {
            let actions = self.actions.entry(outcome.scope.key()).or_default();
            actions.push_back(outcome.at);
            if actions.len() > ACTIONS_MAX {
                actions.pop_front();
            }
        }
    }
}
