//! The append-only audit: what was seen, decided, intended, done and reported.
//!
//! Promises: a record is on disk before anything rests on it; records are chained by hash, so that a change to any of
//! them is found; a line that a crash tore is cut off and the cut is recorded. A file that is full is closed and the
//! next one begins with what all before it come to; the oldest files are let go within the bounds that were set, and
//! what is left can be verified from its first entry on. What it does not do: decide, act, or notice that whole lines
//! were cut from the end, or whole files removed from the front, while the program was down (keep a copy elsewhere for
//! that).

mod chain;
mod files;
mod pages;
mod record;
mod store;
mod view;

pub use chain::{Chain, ChainFault, Entry, read_chain};
pub use files::{Retention, read_ledger};
pub use pages::{Page, read_page};
pub use record::{Intent, Record, Seen, Verb};
pub use store::{LEDGER_FILE, Ledger};
pub use view::LedgerView;

#[cfg(test)]
mod tests;
