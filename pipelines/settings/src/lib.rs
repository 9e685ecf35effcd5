//! Settings as people write them: YAML documents laid over each other, `--set path=value` on top, and a reader that
//! hands out checked values.
//!
//! Promises: every fault is collected with file, line, key and what is allowed; none stops the reading; what nobody
//! asked for is a fault too. What this crate deliberately does not do: know any setting, or hold a plan: each program
//! has its own `config` for that.
//!
//! ```
//! let mut reader = settings::Reader::default();
//! reader.add_yaml("a.yaml", "time:\n  window_secs: 7000\n");
//! assert_eq!(reader.whole("time.window_secs", 10, 1..=300), 10);
//! let faults = reader.finish();
//! assert_eq!(
//!     faults[0].to_string(),
//!     "a.yaml:2: time.window_secs: is \"7000\", must be a whole number from 1 to 300"
//! );
//! ```

mod document;
mod fault;
mod files;
mod reader;
mod unknown;

#[cfg(test)]
mod tests;

pub use fault::Fault;
pub use files::{NamedText, read_files};
pub use reader::Reader;
