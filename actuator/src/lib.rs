//! Heals the GitOps way: takes in risk events, decides by policy, reverts the guilty commit once, records all of it, and
//! tells the engine what became of it.
//!
//! Promises: nothing is done that the policy does not allow; nothing is done twice; a record is on disk before and after
//! each effect; whatever cannot be verified or decided is reported, not guessed. What it does not do: judge telemetry,
//! know any model, or hold more rights than the repositories that the policy names.
//!
//! An event passes the modules in this order: [`intake`] verifies it, [`policy`] decides, [`ledger`] records, [`act`] does
//! it, [`outcome`] tells. [`desk`] is where they meet, [`mod@run`] the tasks around it.

pub mod act;
mod api;
pub mod cli;
pub mod config;
pub mod desk;
pub mod error;
pub mod freeze;
pub mod inbox;
pub mod intake;
pub mod ledger;
pub mod outcome;
pub mod oversight;
pub mod policy;
pub mod run;
pub mod telemetry;
