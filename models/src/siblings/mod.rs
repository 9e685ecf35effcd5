//! Replicas of one workload against each other, and clusters where clusters are the right answer.
//!
//! [`SiblingDetector`] says which replica behaves unlike its siblings *now*, compared with how unlike each other they
//! usually are; what moves all of them together is no outlier. [`replica_groups`] (DBSCAN) tells one stray replica from
//! two camps. Promises: pure, seeded, bounded, the order of the replicas does not matter. Deliberately absent: why a replica is different, and single series.

mod groups;
mod outlier;

pub use groups::{ReplicaGroup, replica_groups};
pub use outlier::{
    MAX_METRICS, MAX_REPLICAS, ReplicaScore, SiblingDetector, SiblingParams, SiblingValidParams,
};
