//! Replicas of one workload against each other, and clusters where clusters are the right answer.
//!
//! [`SiblingDetector`] says which replica behaves unlike its siblings *now*, compared with how unlike each other they
//! usually are; what moves all of them together is no outlier. [`replica_groups`] (DBSCAN) tells one stray replica from
//! two camps, [`day_types`] (k-means) sorts days by their shape. Promises: pure, seeded, bounded, the order of the
//! replicas does not matter. Deliberately absent: why a replica is different, and single series.

mod day_types;
mod groups;
mod outlier;

#[cfg(any(test, feature = "testkit"))]
pub(crate) use day_types::sorted_days;
pub use day_types::{DayTypes, day_types};
pub use groups::{ReplicaGroup, replica_groups};
pub use outlier::{
    MAX_METRICS, MAX_REPLICAS, ReplicaScore, SiblingDetector, SiblingParams, SiblingValidParams,
};
