//! Checked settings. What it does not do: know how they were written.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::ledger::Retention;
use crate::policy::Rules;

/// Where events come from and outcomes go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntakeKind {
    /// The engine's HTTP API.
    Http,
    /// Kafka topics.
    Kafka,
}

/// The engine's HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnginePlan {
    /// Base URL without a trailing slash.
    pub url: String,
    /// A silent connection is opened again after this long.
    pub idle_secs: u64,
}

/// The Kafka topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaPlan {
    /// host:port, at least one.
    pub brokers: Vec<String>,
    /// Consumer group.
    pub group_id: String,
    /// Topic of the risk events.
    pub risk_events_topic: String,
    /// Topic of the outcomes.
    pub outcomes_topic: String,
}

/// Bounds on work and input; those on time stand in the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitsPlan {
    /// A longer event is passed over.
    pub event_bytes: usize,
    /// How often a lost race is run again.
    pub push_attempts: u32,
    /// How many commits are looked at.
    pub walk_commits: usize,
}

/// Everything that `run` needs to know.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// Ledger, freeze switch, clones.
    pub data_dir: PathBuf,
    /// Own API.
    pub api_address: SocketAddr,
    /// Where events come from.
    pub intake: IntakeKind,
    /// The engine's HTTP API.
    pub engine: EnginePlan,
    /// The Kafka topics.
    pub kafka: KafkaPlan,
    /// How much of the ledger is kept.
    pub ledger: Retention,
    /// Bounds.
    pub limits: LimitsPlan,
    /// The policy.
    pub rules: Rules,
}
