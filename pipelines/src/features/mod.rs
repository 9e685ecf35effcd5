//! Batches to feature rows: rate, errors and duration, edges, log lines, resources, other series and signs of life.
//!
//! [`Features`] is the stage; [`row`] is what it says to the stages on its right. Promises: event time only; the same
//! input gives the same rows, whatever the order of arrival and the cut into requests within the lateness; everything
//! is bounded, and what a bound costs is counted in [`FeatureCounts`]. What it does not do: judge.

mod buckets;
mod calls;
mod close;
mod counters;
mod counts;
mod edges;
mod identity;
mod intake;
mod keyed;
mod lines;
mod meaning;
mod names;
mod other;
mod own_time;
mod params;
mod presence;
mod resources;
pub mod row;
mod second;
mod shared;
mod sketch;
mod spans;
mod stage;
mod templates;
mod truth;

pub use counts::{Count, FeatureCounts};
pub use params::FeatureParams;
pub use row::{
    Arm, CallRow, CallSource, EdgeRow, FeatureRows, LineRow, LineSample, Pod, PresenceRow, ResourceRow,
    ResourceSignal, SeriesRow, ServiceKey, Subject, TemplateCount, TemplateMerge,
};
pub use sketch::{BUCKETS_MAX, LatencySketch, RELATIVE_ERROR};
pub use stage::Features;
