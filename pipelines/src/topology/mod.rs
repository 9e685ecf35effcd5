//! Who calls whom: learned from feature rows, never configured.
//!
//! Promises: bounded, expiring by event time, and a function of the rows' content. What it does not do: say which
//! service is at fault, or know versions: the scoring stage learns which arms a service runs.

mod graph;

pub use graph::CallGraph;
