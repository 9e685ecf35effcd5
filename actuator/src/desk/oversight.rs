//! People at the desk: approvals, rejections and what a scope loses when somebody had to take a revert back.

use contract::{Outcome, OutcomeStatus, RiskEvent, Timestamp};
use git2::Oid;

use super::Desk;
use super::report::{Report, Subject};
use crate::act::Mirror;
use crate::error::Result;
use crate::inbox;
use crate::ledger::{Record, Seen, Verb};
use crate::oversight::{Accepted, Refusal, Said, holds_until};
use crate::policy::{Decision, Mode, Reason, RevertPlan, judge};

/// Where the word stands in the ledger and what to answer, or why it means nothing.
pub type Heard = std::result::Result<(u64, Accepted), Refusal>;

impl Desk {
    /// Takes in what people said since the last look.
    pub(super) fn follow_inbox(&mut self, now: Timestamp) -> Result<()> {
        for (path, word) in inbox::waiting(&self.data_dir)? {
            tracing::info!(?word, "a person spoke");
            self.ledger.append(&[Record::Word { word }], now)?;
            inbox::done(&path)?;
        }
        Ok(())
    }

    /// Hears a person out: what still means something is in the ledger when this returns. The number of its entry, and
    /// what to answer.
    ///
    /// # Errors
    /// What makes it unsafe to go on: a ledger or an inbox that cannot be written.
    pub fn hear(&mut self, said: &Said, now: Timestamp) -> Result<Heard> {
        // who spoke before is heard before
        self.follow_inbox(now)?;
        let accepted = match said.decide(self.view(), self.rules.max_event_age_secs, now) {
            Ok(accepted) => accepted,
            Err(refusal) => return Ok(Err(refusal)),
        };
        inbox::put(&self.data_dir, &accepted.word, now)?;
        self.follow_inbox(now)?;
        Ok(Ok((self.ledger.newest_seq(), accepted)))
    }

    /// What waits for a person, with the time until which it may be approved.
    #[must_use]
    pub fn waiting(&self) -> Vec<(Seen, Timestamp)> {
        let fresh_secs = self.rules.max_event_age_secs;
        let until = |seen: &Seen| Some(holds_until(seen.event.as_deref()?, fresh_secs));
        self.view().waiting().filter_map(|seen| Some((seen.clone(), until(seen)?))).collect()
    }

    /// Goes on with events that waited for a person who has spoken.
    pub(super) fn answer(&mut self, now: Timestamp) -> Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        for seen in self.view().answered(now) {
            let Some(event) = &seen.event else { continue };
            outcomes.extend(self.answer_one(event, now)?);
        }
        Ok(outcomes)
    }

    fn answer_one(&mut self, event: &RiskEvent, now: Timestamp) -> Result<Option<Outcome>> {
        match judge(event, self.view(), now, &self.rules) {
            Decision::Act(plan) => {
                let by = plan.approved_by.clone().unwrap_or_default();
                let reason = Reason::new("approved", format!("{by} approved the revert on this evidence"));
                let seen = Seen {
                    pending: true,
                    event: Some(Box::new(event.clone())),
                    ..self.seen(event, Verb::Act, &reason)
                };
                self.ledger.append(&[Record::Seen(Box::new(seen))], now)?;
                self.attempt(event, &plan, now)
            }
            Decision::Ignore(reason) | Decision::Notify(reason) | Decision::Await(reason) => {
                let told = self.tell(event, (Verb::Notify, OutcomeStatus::NotActed), reason, now)?;
                Ok(told.outcome)
            }
        }
    }

    /// A commit of ours that a person took back was wrong: the scope that made it may only suggest from now on.
    pub(super) fn demote_if_wrong(
        &mut self,
        mirror: &Mirror,
        head: Oid,
        plan: &RevertPlan,
        now: Timestamp,
    ) -> Result<Option<Reason>> {
        let mut ours = self.view().commits_of(&plan.rule.name);
        ours.retain(|commit| !commit.is_empty());
        if plan.rule.mode != Mode::Auto || ours.is_empty() {
            return Ok(None);
        }
        let Some((our, by)) = mirror.taken_back(head, &ours, self.limits.walk_commits)? else {
            return Ok(None);
        };
        let (scope, why) =
            (plan.rule.name.clone(), format!("{by} took back {our}, which was made without asking"));
        tracing::warn!(scope, why, "the scope may only suggest from now on");
        self.ledger.append(&[Record::Demoted { scope: scope.clone(), why: why.clone() }], now)?;
        let text =
            format!("scope {scope} may only suggest from now on: {why}; rearm it when that is settled");
        Ok(Some(Reason::new("demoted", text)))
    }

    /// What an interrupted event that waits for a person comes to.
    pub(super) fn wait_on(
        &mut self,
        event: &RiskEvent,
        reason: &Reason,
        now: Timestamp,
    ) -> Result<Option<Outcome>> {
        let report = Report { target: "", status: OutcomeStatus::AwaitingApproval, reason, commit: None };
        let outcome = report.outcome(&Subject::of_event(event), now);
        self.finish(outcome, now).map(Some)
    }
}
