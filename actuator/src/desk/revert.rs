//! Carrying out one revert, from the fetch to the look afterwards, and looking for one that an interrupted run made.

use contract::{Outcome, OutcomeStatus, RiskEvent, Timestamp, revision_id};
use git2::Oid;

use super::report::{Report, Subject, done_before, subject_scope};
use super::{Desk, Step};
use crate::act::{Finding, GIT_REVERT, Mirror, Pushed, Request, Reverted, Target};
use crate::error::{ActuatorError, Result};
use crate::freeze;
use crate::ledger::{Intent, Record};
use crate::policy::{Reason, RevertPlan};

/// One try to move the branch.
#[derive(Clone, Copy)]
struct Attempt<'a> {
    mirror: &'a Mirror,
    request: &'a Request,
    head: Oid,
    target: &'a Target,
}

enum Made {
    Commit(Oid),
    Refused(Reason),
    Raced,
}

impl Desk {
    /// The event may not be acted on any more. If an effect was begun, the world says whether it was made.
    pub(super) fn give_up(
        &mut self,
        event: &RiskEvent,
        reason: &Reason,
        now: Timestamp,
    ) -> Result<Option<Outcome>> {
        let subject = Subject::of_event(event);
        let intent = self.view().intent(&subject.event_id).cloned();
        let made = match &intent {
            Some(intent) => match self.look_for(event, intent, now) {
                Ok(made) => made,
                Err(error) => return self.postpone(&subject.event_id, error, now),
            },
            None => None,
        };
        let target = intent.map(|intent| intent.target).unwrap_or_default();
        let interrupted =
            Reason::new(&reason.code, format!("interrupted, then not allowed any more: {}", reason.text));
        let found = Reason::new("recovered", "the revert was on the branch already when the work went on");
        let report = match made {
            Some(commit) => {
                Report { target: &target, status: OutcomeStatus::Acted, reason: &found, commit: Some(commit) }
            }
            None => Report {
                target: &target,
                status: OutcomeStatus::NotActed,
                reason: &interrupted,
                commit: None,
            },
        };
        self.finish(report.outcome(&subject, now), now).map(Some)
    }

    fn look_for(&self, event: &RiskEvent, intent: &Intent, now: Timestamp) -> Result<Option<Oid>> {
        let Some(rule) = self.rules.rule_for(subject_scope(event)) else { return Ok(None) };
        let plan = RevertPlan {
            rule: rule.clone(),
            path: String::new(),
            scope: subject_scope(event).clone(),
            approved_by: None,
        };
        let Some(mut request) = self.request(event, &plan) else { return Ok(None) };
        (request.repository, request.branch) = (intent.repository.clone(), intent.branch.clone());
        let mirror = self.mirror(&intent.repository)?;
        match mirror.examine(mirror.fetch(&intent.branch)?, &request, now)? {
            Finding::AlreadyDone { commit, .. } => Ok(Some(commit)),
            _ => Ok(None),
        }
    }

    pub(super) fn carry_out(
        &mut self,
        event: &RiskEvent,
        plan: &RevertPlan,
        now: Timestamp,
    ) -> Result<Outcome> {
        let subject = Subject::of_event(event);
        let refused = |target: &str, reason: &Reason| {
            let report = Report { target, status: OutcomeStatus::Failed, reason, commit: None };
            Ok(report.outcome(&subject, now))
        };
        let Some(request) = self.request(event, plan) else {
            return refused("", &Reason::new("no_change", "the event names no change"));
        };
        let mirror = self.mirror(&request.repository)?;
        for _ in 0..self.limits.push_attempts {
            let head = mirror.fetch(&request.branch)?;
            let finding = mirror.examine(head, &request, now)?;
            self.step(Step::Examined)?;
            let target = match finding {
                Finding::Guilty(target) => target,
                Finding::Refused { target, reason } => return refused(&target, &reason),
                Finding::AlreadyDone { target, commit, event_id } => {
                    return Ok(done_before(&subject, (&target, commit), event_id.as_deref(), now));
                }
            };
            if let Some(reason) = self.demote_if_wrong(&mirror, head, plan, now)? {
                let (target, commit) = (&target.commit.to_string(), None);
                let report = Report { target, status: OutcomeStatus::NotActed, reason: &reason, commit };
                return Ok(report.outcome(&subject, now));
            }
            match self.make(&Attempt { mirror: &mirror, request: &request, head, target: &target }, now)? {
                Made::Commit(commit) => {
                    let text = format!("{} was reverted on {}", target.commit, request.branch);
                    let reason = Reason::new("reverted", text);
                    let target = target.commit.to_string();
                    let (status, commit) = (OutcomeStatus::Acted, Some(commit));
                    return Ok(
                        Report { target: &target, status, reason: &reason, commit }.outcome(&subject, now)
                    );
                }
                Made::Refused(reason) => return refused(&target.commit.to_string(), &reason),
                Made::Raced => {
                    tracing::info!(branch = request.branch, "lost a race for the branch, preparing again")
                }
            }
        }
        let (repository, branch) = (request.repository, request.branch);
        Err(ActuatorError::Raced { repository, branch, attempts: self.limits.push_attempts })
    }

    fn make(&mut self, attempt: &Attempt<'_>, now: Timestamp) -> Result<Made> {
        let Attempt { mirror, request, head, target } = *attempt;
        let intent = Intent {
            event_id: request.event_id.clone(),
            incident_id: request.incident_id.clone(),
            action: GIT_REVERT.to_owned(),
            target: target.commit.to_string(),
            repository: request.repository.clone(),
            branch: request.branch.clone(),
            head: head.to_string(),
            policy: request.policy.clone(),
        };
        self.ledger.append(&[Record::Intent(intent)], now)?;
        self.step(Step::Intended)?;
        let commit = match mirror.revert(head, target, request, now)? {
            Reverted::Commit(commit) => commit,
            Reverted::Refused(reason) => return Ok(Made::Refused(reason)),
        };
        self.step(Step::Committed)?;
        if let Some(why) = freeze::frozen(&self.data_dir) {
            return Ok(Made::Refused(Reason::new("frozen", format!("all actions are frozen: {why}"))));
        }
        if mirror.push(&request.branch, head, commit)? == Pushed::Raced {
            return Ok(Made::Raced);
        }
        self.step(Step::Pushed)?;
        if !mirror.contains(&request.branch, commit)? {
            let (repository, branch) = (request.repository.clone(), request.branch.clone());
            return Err(ActuatorError::NotThere { commit: commit.to_string(), branch, repository });
        }
        self.step(Step::Verified)?;
        Ok(Made::Commit(commit))
    }

    fn mirror(&self, repository: &str) -> Result<Mirror> {
        Mirror::open(&self.data_dir.join("repositories"), repository)
    }

    fn request(&self, event: &RiskEvent, plan: &RevertPlan) -> Option<Request> {
        Some(Request {
            repository: plan.rule.repository.clone(),
            branch: plan.rule.branch.clone(),
            path: plan.path.clone(),
            change: event.change.clone()?,
            event_id: revision_id(&event.incident_id, event.revision),
            incident_id: event.incident_id.clone(),
            evidence_digest: event.evidence_digest.clone(),
            explanation: event.explanation.clone(),
            policy: format!("{}@{}", plan.rule.name, self.rules.revision),
            author: self.rules.author.clone(),
            approved_by: plan.approved_by.clone(),
            max_commit_age_secs: plan.rule.max_commit_age_secs,
            config_window_secs: plan.rule.config_window_secs,
            whole_commit: plan.rule.whole_commit,
            walk_commits: self.limits.walk_commits,
        })
    }
}
