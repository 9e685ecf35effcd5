//! The Arrow schemas of metric, log and span columns. Times are nanoseconds since 1970 (`Int64`), 0 where absent.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Fields, Schema, SchemaRef};

fn list(of: DataType) -> DataType {
    DataType::List(Arc::new(Field::new("item", of, false)))
}

fn schema_of(columns: &[(&str, DataType, bool)]) -> SchemaRef {
    let fields: Fields =
        columns.iter().map(|(name, kind, nullable)| Field::new(*name, kind.clone(), *nullable)).collect();
    Arc::new(Schema::new(fields))
}

/// Column names of [`number_schema`], in order.
pub const NUMBER_COLUMNS: [&str; 5] = ["series_idx", "start_at", "at", "value", "flags"];
/// Column names of [`histogram_schema`], in order.
pub const HISTOGRAM_COLUMNS: [&str; 14] = [
    "series_idx",
    "start_at",
    "at",
    "flags",
    "count",
    "sum",
    "min",
    "max",
    "bounds",
    "counts",
    "scale",
    "zero_count",
    "positive_offset",
    "negative_offset",
];
/// Column names of [`summary_schema`], in order.
pub const SUMMARY_COLUMNS: [&str; 8] =
    ["series_idx", "start_at", "at", "flags", "count", "sum", "quantiles", "values"];
/// Column names of [`span_schema`], in order.
pub const SPAN_COLUMNS: [&str; 13] = [
    "resource_idx",
    "trace_id",
    "span_id",
    "parent_span_id",
    "name",
    "kind",
    "start_at",
    "end_at",
    "status",
    "sampling_weight",
    "attributes",
    "links",
    "events",
];
/// Column names of [`log_schema`], in order.
pub const LOG_COLUMNS: [&str; 11] = [
    "resource_idx",
    "at",
    "observed_at",
    "severity",
    "logger",
    "body",
    "body_is_text",
    "trace_id",
    "span_id",
    "event_name",
    "attributes",
];

static NUMBERS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let [series, start, at, value, flags] = NUMBER_COLUMNS;
    schema_of(&[
        (series, DataType::UInt32, false),
        (start, DataType::Int64, false),
        (at, DataType::Int64, false),
        (value, DataType::Float64, false),
        (flags, DataType::UInt32, false),
    ])
});

static HISTOGRAMS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let [series, start, at, flags, count, sum, min, max, bounds, counts, scale, zero, positive, negative] =
        HISTOGRAM_COLUMNS;
    schema_of(&[
        (series, DataType::UInt32, false),
        (start, DataType::Int64, false),
        (at, DataType::Int64, false),
        (flags, DataType::UInt32, false),
        (count, DataType::UInt64, false),
        (sum, DataType::Float64, false),
        (min, DataType::Float64, false),
        (max, DataType::Float64, false),
        // explicit: n bounds, n + 1 counts; exponential: no bounds, negative counts then positive counts
        (bounds, list(DataType::Float64), false),
        (counts, list(DataType::UInt64), false),
        // exponential only; scale is i32::MIN for explicit buckets
        (scale, DataType::Int32, false),
        (zero, DataType::UInt64, false),
        (positive, DataType::Int32, false),
        // offset of the negative buckets, and in the upper half how many of `counts` are negative: see `view`
        (negative, DataType::Int64, false),
    ])
});

static SUMMARIES: LazyLock<SchemaRef> = LazyLock::new(|| {
    let [series, start, at, flags, count, sum, quantiles, values] = SUMMARY_COLUMNS;
    schema_of(&[
        (series, DataType::UInt32, false),
        (start, DataType::Int64, false),
        (at, DataType::Int64, false),
        (flags, DataType::UInt32, false),
        (count, DataType::UInt64, false),
        (sum, DataType::Float64, false),
        (quantiles, list(DataType::Float64), false),
        (values, list(DataType::Float64), false),
    ])
});

static SPANS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let [resource, trace, span, parent, name, kind, start, end, status, weight, attributes, links, events] =
        SPAN_COLUMNS;
    schema_of(&[
        (resource, DataType::UInt32, false),
        (trace, DataType::FixedSizeBinary(16), false),
        (span, DataType::FixedSizeBinary(8), false),
        (parent, DataType::FixedSizeBinary(8), true),
        (name, DataType::Utf8, false),
        (kind, DataType::UInt8, false),
        (start, DataType::Int64, false),
        (end, DataType::Int64, false),
        (status, DataType::UInt8, false),
        (weight, DataType::Float64, false),
        // encoded `repeated KeyValue`, a part of the body, read lazily through `RawAttributes`
        (attributes, DataType::BinaryView, false),
        // per link 24 bytes: trace id, span id
        (links, DataType::Binary, false),
        // encoded `repeated Event`, a part of the body, read lazily
        (events, DataType::BinaryView, false),
    ])
});

static LOGS: LazyLock<SchemaRef> = LazyLock::new(|| {
    let [resource, at, observed, severity, logger, body, is_text, trace, span, event, attributes] =
        LOG_COLUMNS;
    schema_of(&[
        (resource, DataType::UInt32, false),
        (at, DataType::Int64, false),
        (observed, DataType::Int64, false),
        (severity, DataType::UInt8, false),
        // of few different ones, each for many rows
        (logger, DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8)), false),
        // text as it is; every other kind of body as canonical JSON
        (body, DataType::Utf8, false),
        (is_text, DataType::Boolean, false),
        (trace, DataType::FixedSizeBinary(16), true),
        (span, DataType::FixedSizeBinary(8), true),
        (event, DataType::Utf8, false),
        (attributes, DataType::BinaryView, false),
    ])
});

/// Gauges and sums: one row per point.
#[must_use]
pub fn number_schema() -> SchemaRef {
    Arc::clone(&NUMBERS)
}

/// Explicit and exponential histograms: one row per point. `sum`, `min` and `max` are NaN where absent.
#[must_use]
pub fn histogram_schema() -> SchemaRef {
    Arc::clone(&HISTOGRAMS)
}

/// Summaries: one row per point.
#[must_use]
pub fn summary_schema() -> SchemaRef {
    Arc::clone(&SUMMARIES)
}

/// Spans: one row per span. `sampling_weight` is 1 without head sampling, else 1/probability from `ot=th:`.
#[must_use]
pub fn span_schema() -> SchemaRef {
    Arc::clone(&SPANS)
}

/// Log records: one row per record. `severity` is the OTLP severity number, 0 if unset.
#[must_use]
pub fn log_schema() -> SchemaRef {
    Arc::clone(&LOGS)
}
