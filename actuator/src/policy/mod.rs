//! Decides, and only decides: (event, what the ledger knows, clock reading, rules) to ignore, notify or act.
//!
//! Promises: the same inputs give the same decision; every decision carries a reason a person can act on. What it does
//! not do: read a clock, a file or a repository.

mod decide;
mod guard;
mod rules;

pub use decide::{Decision, Reason, RevertPlan, decide, judge};
pub use rules::{Author, FreezeWindow, Mode, Rules, ScopeMatch, ScopeRule, check_path_template};

#[cfg(test)]
mod tests;
