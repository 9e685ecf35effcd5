//! Borrowed, typed views of the columns: the only place that downcasts.
//!
//! What this module does not do: copy, or check again what [`crate::decode`] promised about the columns.

use arrow::array::{
    Array, ArrayAccessor, AsArray, BinaryViewArray, BooleanArray, FixedSizeBinaryArray, GenericBinaryArray,
    ListArray, RecordBatch, StringArray, TypedDictionaryArray,
};
use arrow::datatypes::{Float64Type, Int32Type, Int64Type, UInt8Type, UInt32Type, UInt64Type};

use super::RawAttributes;
use crate::record::UnixNanos;

/// Span kind as in OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpanKind {
    /// Not told.
    Unspecified,
    /// Within one service.
    Internal,
    /// The callee's side of a call.
    Server,
    /// The caller's side of a call.
    Client,
    /// Sends a message.
    Producer,
    /// Takes a message.
    Consumer,
}

impl SpanKind {
    /// From the OTLP number; unknown numbers are `Unspecified`.
    #[must_use]
    pub const fn from_otlp(number: u8) -> Self {
        match number {
            1 => Self::Internal,
            2 => Self::Server,
            3 => Self::Client,
            4 => Self::Producer,
            5 => Self::Consumer,
            _ => Self::Unspecified,
        }
    }
}

/// Span status as in OTLP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SpanStatus {
    /// Not told.
    Unset,
    /// Said to be fine.
    Ok,
    /// Said to have failed.
    Error,
}

impl SpanStatus {
    /// From the OTLP number; unknown numbers are `Unset`.
    #[must_use]
    pub const fn from_otlp(number: u8) -> Self {
        match number {
            1 => Self::Ok,
            2 => Self::Error,
            _ => Self::Unset,
        }
    }
}

/// A gauge or sum point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number {
    /// Place in the batch's table of series.
    pub series_idx: u32,
    /// Start of counting; 0 if not told.
    pub start_at: UnixNanos,
    /// Time of the point.
    pub at: UnixNanos,
    /// The value.
    pub value: f64,
    /// OTLP data point flags; bit 0 = no recorded value.
    pub flags: u32,
}

/// View of [`super::number_schema`].
#[derive(Debug, Clone, Copy)]
pub struct Numbers<'a> {
    /// Column `series_idx`.
    pub series_idx: &'a [u32],
    /// Column `start_at`.
    pub start_at: &'a [i64],
    /// Column `at`.
    pub at: &'a [i64],
    /// Column `value`.
    pub value: &'a [f64],
    /// Column `flags`.
    pub flags: &'a [u32],
}

impl<'a> Numbers<'a> {
    /// Views the columns of a batch with the number schema.
    #[must_use]
    pub fn of(batch: &'a RecordBatch) -> Self {
        Self {
            series_idx: batch.column(0).as_primitive::<UInt32Type>().values(),
            start_at: batch.column(1).as_primitive::<Int64Type>().values(),
            at: batch.column(2).as_primitive::<Int64Type>().values(),
            value: batch.column(3).as_primitive::<Float64Type>().values(),
            flags: batch.column(4).as_primitive::<UInt32Type>().values(),
        }
    }

    /// Row by row.
    pub fn iter(&self) -> impl Iterator<Item = Number> + 'a {
        let this = *self;
        (0..this.at.len()).map(move |row| Number {
            series_idx: this.series_idx[row],
            start_at: this.start_at[row],
            at: this.at[row],
            value: this.value[row],
            flags: this.flags[row],
        })
    }
}

/// How the buckets of a histogram point are laid out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BucketLayout<'a> {
    /// `counts.len() == bounds.len() + 1`, or both empty if only count and sum were reported.
    Explicit {
        /// Upper bounds, rising.
        bounds: &'a [f64],
        /// Count per bucket.
        counts: &'a [u64],
    },
    /// Base 2^(2^-scale).
    Exponential {
        /// The scale.
        scale: i32,
        /// Points that are as good as zero.
        zero_count: u64,
        /// Index of the first positive bucket.
        positive_offset: i32,
        /// Count per positive bucket.
        positive: &'a [u64],
        /// Index of the first negative bucket.
        negative_offset: i32,
        /// Count per negative bucket.
        negative: &'a [u64],
    },
}

/// A histogram point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Histogram<'a> {
    /// Place in the batch's table of series.
    pub series_idx: u32,
    /// Start of counting; 0 if not told.
    pub start_at: UnixNanos,
    /// Time of the point.
    pub at: UnixNanos,
    /// OTLP data point flags.
    pub flags: u32,
    /// How many.
    pub count: u64,
    /// Their sum; NaN if not told.
    pub sum: f64,
    /// The smallest; NaN if not told.
    pub min: f64,
    /// The largest; NaN if not told.
    pub max: f64,
    /// The buckets.
    pub buckets: BucketLayout<'a>,
}

/// `negative_offset` column: offset in the lower 32 bits, number of negative counts in the upper 32 bits.
pub(crate) const fn pack_negative(offset: i32, n_counts: u32) -> i64 {
    ((n_counts as i64) << 32) | (offset as u32 as i64)
}

const fn unpack_negative(packed: i64) -> (i32, usize) {
    (packed as u32 as i32, (packed >> 32) as usize)
}

/// `scale` column of explicit histograms.
pub(crate) const EXPLICIT_SCALE: i32 = i32::MIN;

/// View of [`super::histogram_schema`].
#[derive(Debug, Clone, Copy)]
pub struct Histograms<'a> {
    batch: &'a RecordBatch,
    bounds: &'a ListArray,
    counts: &'a ListArray,
}

impl<'a> Histograms<'a> {
    /// Views the columns of a batch with the histogram schema.
    #[must_use]
    pub fn of(batch: &'a RecordBatch) -> Self {
        Self { batch, bounds: batch.column(8).as_list(), counts: batch.column(9).as_list() }
    }

    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One row.
    #[must_use]
    pub fn row(&self, row: usize) -> Histogram<'a> {
        let int = |column: usize| self.batch.column(column).as_primitive::<Int64Type>().value(row);
        let float = |column: usize| self.batch.column(column).as_primitive::<Float64Type>().value(row);
        let uint = |column: usize| self.batch.column(column).as_primitive::<UInt64Type>().value(row);
        let counts = list_u64(self.counts, row);
        let scale = self.batch.column(10).as_primitive::<Int32Type>().value(row);
        let buckets = if scale == EXPLICIT_SCALE {
            BucketLayout::Explicit { bounds: list_f64(self.bounds, row), counts }
        } else {
            let (negative_offset, n_negative) = unpack_negative(int(13));
            let (negative, positive) = counts.split_at(n_negative.min(counts.len()));
            let positive_offset = self.batch.column(12).as_primitive::<Int32Type>().value(row);
            BucketLayout::Exponential {
                scale,
                zero_count: uint(11),
                positive_offset,
                positive,
                negative_offset,
                negative,
            }
        };
        Histogram {
            series_idx: self.batch.column(0).as_primitive::<UInt32Type>().value(row),
            start_at: int(1),
            at: int(2),
            flags: self.batch.column(3).as_primitive::<UInt32Type>().value(row),
            count: uint(4),
            sum: float(5),
            min: float(6),
            max: float(7),
            buckets,
        }
    }

    /// Row by row.
    pub fn iter(&self) -> impl Iterator<Item = Histogram<'a>> + 'a {
        let this = *self;
        (0..this.len()).map(move |row| this.row(row))
    }
}

fn list_f64(list: &ListArray, row: usize) -> &[f64] {
    let offsets = list.value_offsets();
    &list.values().as_primitive::<Float64Type>().values()[offsets[row] as usize..offsets[row + 1] as usize]
}

fn list_u64(list: &ListArray, row: usize) -> &[u64] {
    let offsets = list.value_offsets();
    &list.values().as_primitive::<UInt64Type>().values()[offsets[row] as usize..offsets[row + 1] as usize]
}

/// A summary point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary<'a> {
    /// Place in the batch's table of series.
    pub series_idx: u32,
    /// Start of counting; 0 if not told.
    pub start_at: UnixNanos,
    /// Time of the point.
    pub at: UnixNanos,
    /// OTLP data point flags.
    pub flags: u32,
    /// How many.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// Quantiles, 0 to 1.
    pub quantiles: &'a [f64],
    /// Their values.
    pub values: &'a [f64],
}

/// View of [`super::summary_schema`].
#[derive(Debug, Clone, Copy)]
pub struct Summaries<'a> {
    batch: &'a RecordBatch,
}

impl<'a> Summaries<'a> {
    /// Views the columns of a batch with the summary schema.
    #[must_use]
    pub fn of(batch: &'a RecordBatch) -> Self {
        Self { batch }
    }

    /// Row by row.
    pub fn iter(&self) -> impl Iterator<Item = Summary<'a>> + 'a {
        let batch = self.batch;
        (0..batch.num_rows()).map(move |row| Summary {
            series_idx: batch.column(0).as_primitive::<UInt32Type>().value(row),
            start_at: batch.column(1).as_primitive::<Int64Type>().value(row),
            at: batch.column(2).as_primitive::<Int64Type>().value(row),
            flags: batch.column(3).as_primitive::<UInt32Type>().value(row),
            count: batch.column(4).as_primitive::<UInt64Type>().value(row),
            sum: batch.column(5).as_primitive::<Float64Type>().value(row),
            quantiles: list_f64(batch.column(6).as_list(), row),
            values: list_f64(batch.column(7).as_list(), row),
        })
    }
}

fn id16(array: &FixedSizeBinaryArray, row: usize) -> [u8; 16] {
    array.value(row).try_into().expect("the column is 16 bytes wide")
}

fn id8(array: &FixedSizeBinaryArray, row: usize) -> [u8; 8] {
    array.value(row).try_into().expect("the column is 8 bytes wide")
}

/// A span.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpanRow<'a> {
    /// Index into the batch's resources.
    pub resource_idx: u32,
    /// Trace id.
    pub trace_id: [u8; 16],
    /// Span id.
    pub span_id: [u8; 8],
    /// Parent's span id; `None` for a root.
    pub parent_span_id: Option<[u8; 8]>,
    /// Span name.
    pub name: &'a str,
    /// Kind.
    pub kind: SpanKind,
    /// Start.
    pub start_at: UnixNanos,
    /// End.
    pub end_at: UnixNanos,
    /// Status.
    pub status: SpanStatus,
    /// How many spans it stands for.
    pub sampling_weight: f64,
    /// Attributes, read lazily.
    pub attributes: RawAttributes<'a>,
    /// Per link 24 bytes: trace id, span id.
    pub links: &'a [u8],
    /// Encoded `repeated Event`.
    pub events: &'a [u8],
}

/// View of [`super::span_schema`].
#[derive(Debug, Clone, Copy)]
pub struct Spans<'a> {
    batch: &'a RecordBatch,
    trace_id: &'a FixedSizeBinaryArray,
    span_id: &'a FixedSizeBinaryArray,
    parent: &'a FixedSizeBinaryArray,
    name: &'a StringArray,
    attributes: &'a BinaryViewArray,
    links: &'a GenericBinaryArray<i32>,
    events: &'a BinaryViewArray,
}

impl<'a> Spans<'a> {
    /// Views the columns of a batch with the span schema.
    #[must_use]
    pub fn of(batch: &'a RecordBatch) -> Self {
        Self {
            batch,
            trace_id: batch.column(1).as_fixed_size_binary(),
            span_id: batch.column(2).as_fixed_size_binary(),
            parent: batch.column(3).as_fixed_size_binary(),
            name: batch.column(4).as_string(),
            attributes: batch.column(10).as_binary_view(),
            links: batch.column(11).as_binary(),
            events: batch.column(12).as_binary_view(),
        }
    }

    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One row.
    #[must_use]
    pub fn row(&self, row: usize) -> SpanRow<'a> {
        SpanRow {
            resource_idx: self.batch.column(0).as_primitive::<UInt32Type>().value(row),
            trace_id: id16(self.trace_id, row),
            span_id: id8(self.span_id, row),
            parent_span_id: self.parent.is_valid(row).then(|| id8(self.parent, row)),
            name: self.name.value(row),
            kind: SpanKind::from_otlp(self.batch.column(5).as_primitive::<UInt8Type>().value(row)),
            start_at: self.batch.column(6).as_primitive::<Int64Type>().value(row),
            end_at: self.batch.column(7).as_primitive::<Int64Type>().value(row),
            status: SpanStatus::from_otlp(self.batch.column(8).as_primitive::<UInt8Type>().value(row)),
            sampling_weight: self.batch.column(9).as_primitive::<Float64Type>().value(row),
            attributes: RawAttributes(self.attributes.value(row)),
            links: self.links.value(row),
            events: self.events.value(row),
        }
    }

    /// Row by row.
    pub fn iter(&self) -> impl Iterator<Item = SpanRow<'a>> + 'a {
        let this = *self;
        (0..this.len()).map(move |row| this.row(row))
    }
}

/// A log record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogRow<'a> {
    /// Index into the batch's resources.
    pub resource_idx: u32,
    /// Event time; the observed time where none was given.
    pub at: UnixNanos,
    /// When a collector saw it.
    pub observed_at: UnixNanos,
    /// OTLP severity number; 17 and above are errors.
    pub severity: u8,
    /// Instrumentation scope name: the logger.
    pub logger: &'a str,
    /// Text, or canonical JSON of any other body.
    pub body: &'a str,
    /// Whether the body was text.
    pub body_is_text: bool,
    /// Trace id, if it has one.
    pub trace_id: Option<[u8; 16]>,
    /// Span id, if it has one.
    pub span_id: Option<[u8; 8]>,
    /// Event name; empty if none.
    pub event_name: &'a str,
    /// Attributes, read lazily (`code.*`, `exception.*`).
    pub attributes: RawAttributes<'a>,
}

/// View of [`super::log_schema`].
#[derive(Debug, Clone, Copy)]
pub struct Logs<'a> {
    batch: &'a RecordBatch,
    logger: TypedDictionaryArray<'a, UInt32Type, StringArray>,
    body: &'a StringArray,
    is_text: &'a BooleanArray,
    trace_id: &'a FixedSizeBinaryArray,
    span_id: &'a FixedSizeBinaryArray,
    event_name: &'a StringArray,
    attributes: &'a BinaryViewArray,
}

impl<'a> Logs<'a> {
    /// Views the columns of a batch with the log schema.
    #[must_use]
    pub fn of(batch: &'a RecordBatch) -> Self {
        Self {
            batch,
            logger: batch.column(4).as_dictionary().downcast_dict().expect("the loggers are texts"),
            body: batch.column(5).as_string(),
            is_text: batch.column(6).as_boolean(),
            trace_id: batch.column(7).as_fixed_size_binary(),
            span_id: batch.column(8).as_fixed_size_binary(),
            event_name: batch.column(9).as_string(),
            attributes: batch.column(10).as_binary_view(),
        }
    }

    /// How many rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One row.
    #[must_use]
    pub fn row(&self, row: usize) -> LogRow<'a> {
        LogRow {
            resource_idx: self.batch.column(0).as_primitive::<UInt32Type>().value(row),
            at: self.batch.column(1).as_primitive::<Int64Type>().value(row),
            observed_at: self.batch.column(2).as_primitive::<Int64Type>().value(row),
            severity: self.batch.column(3).as_primitive::<UInt8Type>().value(row),
            logger: self.logger.value(row),
            body: self.body.value(row),
            body_is_text: self.is_text.value(row),
            trace_id: self.trace_id.is_valid(row).then(|| id16(self.trace_id, row)),
            span_id: self.span_id.is_valid(row).then(|| id8(self.span_id, row)),
            event_name: self.event_name.value(row),
            attributes: RawAttributes(self.attributes.value(row)),
        }
    }

    /// Row by row.
    pub fn iter(&self) -> impl Iterator<Item = LogRow<'a>> + 'a {
        let this = *self;
        (0..this.len()).map(move |row| this.row(row))
    }
}
