//! Where an event becomes a decision, a decision an effect, and an effect a record. Storage and repository are read, pure
//! functions decide, and this file carries out what they decided, in the order that survives a crash between any two
//! lines: record, effect, record.
//!
//! What it does not do: wait, talk to the engine, or read a clock.

mod oversight;
mod report;
mod revert;

pub use oversight::Heard;

use std::collections::BTreeMap;
use std::path::PathBuf;

use contract::{Outcome, OutcomeStatus, RiskEvent, Scope, Timestamp, revision_id};

use crate::config::{LimitsPlan, Plan};
use crate::error::{ActuatorError, Result};
use crate::freeze;
use crate::ledger::{Ledger, LedgerView, Record, Seen, Verb};
use crate::policy::{Decision, Reason, RevertPlan, Rules, decide, judge};
use report::{Report, Subject, subject_scope};

/// The places between which a crash must be harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The decision is on disk.
    Recorded,
    /// The branch is fetched and examined.
    Examined,
    /// The intent is on disk.
    Intended,
    /// The commit is made, in our clone.
    Committed,
    /// The branch of the repository has moved.
    Pushed,
    /// The branch was looked at again.
    Verified,
}

/// Every step, in order.
pub const STEPS: [Step; 6] =
    [Step::Recorded, Step::Examined, Step::Intended, Step::Committed, Step::Pushed, Step::Verified];

/// Called at every step; an error stops the work there, as a crash would.
pub type StepHook = Box<dyn FnMut(Step) -> Result<()> + Send>;

/// What was done with one event.
#[derive(Debug, Clone, PartialEq)]
pub struct Handled {
    /// What was decided.
    pub verb: Verb,
    /// Why.
    pub reason: Reason,
    /// What became of it; `None` if there is nothing to tell, or the remedy will be tried again.
    pub outcome: Option<Outcome>,
}

/// When an interrupted event is looked at again.
#[derive(Debug, Clone, Copy)]
struct Retry {
    n_failed: u32,
    not_before: Timestamp,
}

/// The desk.
///
/// # Invariants
/// One event at a time; an effect is made only after its intent is in the ledger.
pub struct Desk {
    ledger: Ledger,
    rules: Rules,
    limits: LimitsPlan,
    data_dir: PathBuf,
    retries: BTreeMap<String, Retry>,
    hook: Option<StepHook>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk")
            .field("ledger", &self.ledger)
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl Desk {
    /// Opens the ledger and takes a seat.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn open(plan: &Plan, now: Timestamp) -> Result<Self> {
        let ledger = Ledger::open(&plan.data_dir, now)?.keeping(plan.ledger);
        let (rules, data_dir) = (plan.rules.clone(), plan.data_dir.clone());
        Ok(Self { ledger, rules, limits: plan.limits, data_dir, retries: BTreeMap::new(), hook: None })
    }

    /// Has a hook called at every step.
    #[must_use]
    pub fn with_hook(mut self, hook: StepHook) -> Self {
        self.hook = Some(hook);
        self
    }

    /// What the ledger knows.
    #[must_use]
    pub fn view(&self) -> &LedgerView {
        self.ledger.view()
    }

    /// Decides about a verified event and carries the decision out. When it returns, the ledger holds the event.
    ///
    /// # Errors
    /// Only what makes it unsafe to go on: a ledger that cannot be written. A repository that cannot be reached is
    /// tried again by [`Desk::resume`].
    pub fn handle(&mut self, event: &RiskEvent, now: Timestamp) -> Result<Handled> {
        self.follow_switch(now)?;
        self.follow_inbox(now)?;
        match decide(event, self.view(), now, &self.rules) {
            Decision::Ignore(reason) => self.ignore(event, reason, now),
            Decision::Notify(reason) => {
                self.tell(event, (Verb::Notify, OutcomeStatus::NotActed), reason, now)
            }
            Decision::Await(reason) => {
                self.tell(event, (Verb::Await, OutcomeStatus::AwaitingApproval), reason, now)
            }
            Decision::Act(plan) => {
                let reason = Reason::new("act", format!("scope {} allows the revert", plan.rule.name));
                let seen = Seen {
                    pending: true,
                    event: Some(Box::new(event.clone())),
                    ..self.seen(event, Verb::Act, &reason)
                };
                self.ledger.append(&[Record::Seen(Box::new(seen))], now)?;
                let outcome = self.attempt(event, &plan, now)?;
                Ok(Handled { verb: Verb::Act, reason, outcome })
            }
        }
    }

    /// Goes on with events whose handling was interrupted, by a crash or by a repository that could not be reached.
    ///
    /// # Errors
    /// As [`Desk::handle`].
    pub fn resume(&mut self, now: Timestamp) -> Result<Vec<Outcome>> {
        self.follow_switch(now)?;
        self.follow_inbox(now)?;
        let mut outcomes = self.answer(now)?;
        for seen in self.view().unfinished() {
            let waits = self.retries.get(&seen.event_id).is_some_and(|retry| now < retry.not_before);
            if waits {
                continue;
            }
            let outcome = match &seen.event {
                Some(event) => self.resume_one(event, now)?,
                None => {
                    let report = Report {
                        target: "",
                        status: OutcomeStatus::NotActed,
                        reason: &seen.reason,
                        commit: None,
                    };
                    Some(self.finish(report.outcome(&Subject::of_seen(&seen), now), now)?)
                }
            };
            outcomes.extend(outcome);
        }
        Ok(outcomes)
    }

    /// Notes that an outcome left the house, or never will.
    ///
    /// # Errors
    /// [`ActuatorError::File`] if the ledger cannot be written.
    pub fn note_sent(&mut self, outcome_id: &str, accepted: bool, now: Timestamp) -> Result<()> {
        self.ledger.append(&[Record::Sent { outcome_id: outcome_id.to_owned(), accepted }], now)
    }

    fn follow_switch(&mut self, now: Timestamp) -> Result<()> {
        let thrown = freeze::frozen(&self.data_dir);
        if thrown.as_deref() == self.view().frozen() {
            return Ok(());
        }
        let record = thrown.map_or(Record::Thawed, |why| Record::Frozen { why });
        self.ledger.append(&[record], now)
    }

    fn policy_of(&self, scope: &Scope) -> String {
        let rule = self.rules.rule_for(scope);
        rule.map_or_else(|| "-".to_owned(), |rule| format!("{}@{}", rule.name, self.rules.revision))
    }

    fn seen(&self, event: &RiskEvent, verb: Verb, reason: &Reason) -> Seen {
        let scope = subject_scope(event);
        Seen {
            event_id: revision_id(&event.incident_id, event.revision),
            incident_id: event.incident_id.clone(),
            verb,
            reason: reason.clone(),
            policy: self.policy_of(scope),
            evidence_digest: event.evidence_digest.clone(),
            scope: scope.clone(),
            pending: false,
            event: None,
        }
    }

    fn ignore(&mut self, event: &RiskEvent, reason: Reason, now: Timestamp) -> Result<Handled> {
        if reason.code != "duplicate" {
            let seen = self.seen(event, Verb::Ignore, &reason);
            self.ledger.append(&[Record::Seen(Box::new(seen))], now)?;
        }
        Ok(Handled { verb: Verb::Ignore, reason, outcome: None })
    }

    fn tell(
        &mut self,
        event: &RiskEvent,
        (verb, status): (Verb, OutcomeStatus),
        reason: Reason,
        now: Timestamp,
    ) -> Result<Handled> {
        let report = Report { target: "", status, reason: &reason, commit: None };
        let outcome = report.outcome(&Subject::of_event(event), now);
        // Later revisions of an incident with the same answer are recorded, but told once.
        let told = self.view().has_outcome(&outcome.id);
        // what waits is kept whole: the approval comes later than the event
        let kept = (verb == Verb::Await).then(|| Box::new(event.clone()));
        let seen = Seen { pending: !told, event: kept, ..self.seen(event, verb, &reason) };
        let mut records = vec![Record::Seen(Box::new(seen))];
        if !told {
            records.push(Record::Outcome { outcome: Box::new(outcome.clone()) });
        }
        self.ledger.append(&records, now)?;
        Ok(Handled { verb, reason, outcome: (!told).then_some(outcome) })
    }

    fn resume_one(&mut self, event: &RiskEvent, now: Timestamp) -> Result<Option<Outcome>> {
        match judge(event, self.view(), now, &self.rules) {
            Decision::Act(plan) => self.attempt(event, &plan, now),
            Decision::Await(reason) => self.wait_on(event, &reason, now),
            Decision::Ignore(reason) | Decision::Notify(reason) => self.give_up(event, &reason, now),
        }
    }

    fn attempt(&mut self, event: &RiskEvent, plan: &RevertPlan, now: Timestamp) -> Result<Option<Outcome>> {
        let subject = Subject::of_event(event);
        match self.step(Step::Recorded).and_then(|()| self.carry_out(event, plan, now)) {
            Ok(outcome) => {
                self.retries.remove(&subject.event_id);
                self.finish(outcome, now).map(Some)
            }
            Err(error) => self.postpone(&subject.event_id, error, now),
        }
    }

    /// A repository that cannot be reached is tried again, later each time, for as long as the event is fresh.
    fn postpone(&mut self, event_id: &str, error: ActuatorError, now: Timestamp) -> Result<Option<Outcome>> {
        if !matches!(
            error,
            ActuatorError::Git { .. } | ActuatorError::Raced { .. } | ActuatorError::NotThere { .. }
        ) {
            return Err(error);
        }
        let n_failed = self.retries.get(event_id).map_or(1, |retry| retry.n_failed + 1);
        let wait_secs = 1_i64 << n_failed.min(5);
        let not_before =
            Timestamp::from_unix_nanos(now.unix_nanos().saturating_add(wait_secs * 1_000_000_000));
        tracing::warn!(
            event_id,
            n_failed,
            wait_secs,
            error = error.chain(),
            "the revert could not be made, will try again"
        );
        self.retries.insert(event_id.to_owned(), Retry { n_failed, not_before });
        Ok(None)
    }

    fn finish(&mut self, outcome: Outcome, now: Timestamp) -> Result<Outcome> {
        self.ledger.append(&[Record::Outcome { outcome: Box::new(outcome.clone()) }], now)?;
        Ok(outcome)
    }

    fn step(&mut self, step: Step) -> Result<()> {
        self.hook.as_mut().map_or(Ok(()), |hook| hook(step))
    }
}
