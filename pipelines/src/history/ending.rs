//! How an incident ended, from what the actuator told and what the telemetry showed.

use contract::{Outcome, OutcomeStatus};

use crate::incident::{Incident, Resolution};
use crate::scoring::Over;

/// How an incident ended, from the weakest word to the strongest. The order is part of the state's layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Ending {
    /// Nothing is known to have been done; it was not found any more.
    ByItself,
    /// The actuator only noted it, as its policy says.
    Noted,
    /// The actuator waited for a person until it was over.
    Unanswered,
    /// The suspected version went, and the one before served again, without the actuator.
    Withdrawn,
    /// The actuator could not do what it tried.
    Failed,
    /// A person refused what the actuator proposed.
    Rejected,
    /// The actuator found its remedy made already.
    AlreadyDone,
    /// The actuator reverted the change, without asking.
    Reverted,
    /// The actuator reverted the change after a person had approved it.
    Approved,
}

impl Ending {
    /// In the order of their numbers.
    pub(super) const ALL: [Self; 9] = [
        Self::ByItself,
        Self::Noted,
        Self::Unanswered,
        Self::Withdrawn,
        Self::Failed,
        Self::Rejected,
        Self::AlreadyDone,
        Self::Reverted,
        Self::Approved,
    ];

    /// On the wire.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::ByItself => "by_itself",
            Self::Noted => "noted",
            Self::Unanswered => "unanswered",
            Self::Withdrawn => "withdrawn",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::AlreadyDone => "already_done",
            Self::Reverted => "reverted",
            Self::Approved => "approved",
        }
    }
}

/// How it ended; `resolution` is why the telemetry says that it is over.
pub(super) fn ending_of(incident: &Incident, resolution: Option<&Resolution>) -> Ending {
    let told = incident.outcomes.iter().fold(Ending::ByItself, after);
    let is_gone = matches!(resolution, Some(Resolution::Over(Over::Gone { .. })));
    // what the actuator did explains that the version went
    if is_gone { told.max(Ending::Withdrawn) } else { told }
}

/// What is known after a word of the actuator; the strongest word stands.
pub(super) fn after(before: Ending, outcome: &Outcome) -> Ending {
    let told = match outcome.status {
        OutcomeStatus::Acted if before == Ending::Unanswered => Ending::Approved,
        OutcomeStatus::Acted => Ending::Reverted,
        OutcomeStatus::AlreadyDone => Ending::AlreadyDone,
        OutcomeStatus::Failed => Ending::Failed,
        OutcomeStatus::AwaitingApproval => Ending::Unanswered,
        // the actuator begins its reasons with a code
        OutcomeStatus::NotActed if outcome.reason.starts_with("rejected:") => Ending::Rejected,
        OutcomeStatus::NotActed => Ending::Noted,
    };
    told.max(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(status: OutcomeStatus, reason: &str) -> Outcome {
        let text = include_str!("../../../testdata/contract/v1/outcome.json");
        let known = Outcome::from_json(text.as_bytes()).expect("a recorded outcome");
        Outcome { status, reason: reason.to_owned(), ..known }
    }

    /// Scenario: the whole list. Guarantees: it is in the order of the numbers, which a family can count.
    #[test]
    fn endings_stand_in_their_order() {
        assert!(Ending::ALL.iter().enumerate().all(|(nth, ending)| *ending as usize == nth));
        assert!(
            Ending::Approved as usize + 1 == Ending::ALL.len()
                && Ending::ALL.len() <= models::families::ENDINGS
        );
    }

    /// Scenario: what the actuator says in turn. Guarantees: the strongest word stands, and an approval is told from an act without one.
    #[test]
    fn the_strongest_word_stands() {
        use OutcomeStatus::{Acted, AlreadyDone, AwaitingApproval, Failed, NotActed};
        let check = |said: &[(OutcomeStatus, &str)], ending: Ending| {
            let got = said
                .iter()
                .fold(Ending::ByItself, |before, (status, why)| after(before, &outcome(*status, why)));
            assert_eq!(got, ending, "{said:?}");
        };
        check(&[], Ending::ByItself);
        check(&[(NotActed, "observe: its mode is observe")], Ending::Noted);
        check(&[(AwaitingApproval, "approve: waits")], Ending::Unanswered);
        check(&[(AwaitingApproval, "approve: waits"), (NotActed, "rejected: by kim")], Ending::Rejected);
        check(&[(AwaitingApproval, "approve: waits"), (Acted, "reverted: x")], Ending::Approved);
        check(&[(Acted, "reverted: x"), (NotActed, "already_acted: x")], Ending::Reverted);
        check(&[(Failed, "conflict: x")], Ending::Failed);
        check(&[(Failed, "conflict: x"), (AlreadyDone, "already_done: y")], Ending::AlreadyDone);
    }
}
