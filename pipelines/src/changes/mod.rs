//! Announced changes: what CDEvents and CloudEvents said, kept until the telemetry shows it.
//!
//! Promises: bounded, newest kept; an announcement never creates a suspicion by itself, it only gives a change that
//! was noticed in the telemetry its name, commit and author. What it does not do: notice changes (`topology`).

mod announced;

pub use announced::{Announced, Announcement, check_announcement};
