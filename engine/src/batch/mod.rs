//! The one currency between the stages: Arrow columns, with attributes kept once per series or resource.
//!
//! A row names its resource by index into `resources`, or its series by place in [`MetricBatch::series`], a table that
//! all batches of a decoder share, so that nothing is copied. Consumers key their state by [`SeriesId`] or [`ResourceId`], which are functions of content and do not
//! depend on attribute order, on the batch or on the run.
//!
//! What this module deliberately does not do: parse bytes ([`crate::decode`]) or give a metric a meaning.

mod attributes;
mod dimension;
mod schema;
mod series_table;
mod view;

pub(crate) use view::{EXPLICIT_SCALE, pack_negative};

pub use attributes::{AttributeValue, Attributes, RawAttributes, RawValue};
pub use dimension::{MetricKind, Resource, ResourceId, Scope, Series, SeriesId, Temporality};
pub use schema::{
    HISTOGRAM_COLUMNS, LOG_COLUMNS, NUMBER_COLUMNS, SPAN_COLUMNS, SUMMARY_COLUMNS, histogram_schema,
    log_schema, number_schema, span_schema, summary_schema,
};
pub use series_table::SeriesTable;
pub use view::{
    BucketLayout, Histogram, Histograms, LogRow, Logs, Number, Numbers, SpanKind, SpanRow, SpanStatus, Spans,
    Summaries, Summary,
};

use std::sync::Arc;

use arrow::array::RecordBatch;
use bytes::Bytes;

use crate::record::{RecordKind, UnixNanos};

/// What one record became.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Whose data it is.
    pub tenant: Arc<str>,
    /// The record's arrival stamp.
    pub arrived_at: UnixNanos,
    /// The content.
    pub payload: Payload,
}

/// The content of a batch.
#[derive(Debug, Clone)]
pub enum Payload {
    /// Metric points.
    Metrics(MetricBatch),
    /// Log records.
    Logs(LogBatch),
    /// Spans.
    Spans(SpanBatch),
    /// A change, outcome, label or configuration, as received (unpacked JSON).
    Message {
        /// Which of them.
        kind: RecordKind,
        /// JSON text.
        body: Bytes,
    },
}

/// Metric points of one request. Rows refer to `series` by place.
#[derive(Debug, Clone)]
pub struct MetricBatch {
    /// The series of this and other batches of the decoder.
    pub series: Arc<SeriesTable>,
    /// Gauges and sums, see [`number_schema`].
    pub numbers: RecordBatch,
    /// Explicit and exponential histograms, see [`histogram_schema`].
    pub histograms: RecordBatch,
    /// Summaries, see [`summary_schema`].
    pub summaries: RecordBatch,
}

/// Log records of one request. Rows refer to `resources` by index.
#[derive(Debug, Clone)]
pub struct LogBatch {
    /// The dictionary.
    pub resources: Vec<Arc<Resource>>,
    /// See [`log_schema`].
    pub logs: RecordBatch,
}

/// Spans of one request. Rows refer to `resources` by index.
#[derive(Debug, Clone)]
pub struct SpanBatch {
    /// The dictionary.
    pub resources: Vec<Arc<Resource>>,
    /// See [`span_schema`].
    pub spans: RecordBatch,
}
