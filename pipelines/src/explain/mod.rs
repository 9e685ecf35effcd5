//! One risk event in words: what was seen, what was expected, what speaks against it, by which rule, and whether the
//! judgement can be made again from the event alone.
//!
//! Promises: says nothing that the event does not hold. What it does not do: look for events, or print.

mod rules;
mod words;

use contract::{Capsule, RiskEvent};

use crate::scoring::{Rerun, rerun};

pub use words::words;

/// How the judgement fared when it was made again.
#[derive(Debug, Clone, PartialEq)]
pub enum Remade {
    /// The rule ran again over the rows of the event.
    Ran(Box<Rerun>),
    /// It could not; why, in words.
    Not(String),
}

impl Remade {
    /// Whether the judgement came out differently.
    #[must_use]
    pub fn differs(&self) -> bool {
        matches!(self, Self::Ran(rerun) if !rerun.is_same)
    }
}

/// Makes the judgement of an event again.
#[must_use]
pub fn remake(event: &RiskEvent) -> Remade {
    match &event.capsule {
        None => {
            Remade::Not("this revision says that it is over; the ones before it hold the numbers".to_owned())
        }
        Some(Capsule { state, .. }) if state.is_empty() => {
            Remade::Not(format!("rule {} keeps no state; its numbers stand above", event.rule.name))
        }
        Some(capsule) => match rerun(capsule) {
            Ok(rerun) => Remade::Ran(Box::new(rerun)),
            Err(why) => Remade::Not(why),
        },
    }
}
