//! Batches to feature rows: rate, errors and duration, edges, log lines, resources, other series and signs of life.

pub mod row;
mod sketch;

pub use row::{
    Arm, CallRow, CallSource, EdgeRow, FeatureRows, LineRow, LineSample, Pod, PresenceRow, ResourceRow,
    ResourceSignal, SeriesRow, ServiceKey, Subject,
};
pub use sketch::{BUCKETS_MAX, LatencySketch, RELATIVE_ERROR};
