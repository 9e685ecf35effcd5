//! The Arrow columns of metric points, row by row.
//!
//! What this module does not do: read bytes.

use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, Float64Array, Int32Array, Int64Array, RecordBatch, UInt32Array, UInt64Array};
use arrow::datatypes::{Float64Type, SchemaRef, UInt64Type};

use super::columns::{Held, ListColumn, into_lists};
use super::points::{BucketPoint, NumberPoint, PointHead, SummaryPoint};
use crate::batch::{histogram_schema, number_schema, pack_negative, summary_schema};

/// What every kind of point has.
#[derive(Debug, Default)]
struct HeadColumns {
    series: Vec<u32>,
    start: Vec<i64>,
    at: Vec<i64>,
    flags: Vec<u32>,
}

impl HeadColumns {
    fn new(rows: usize) -> Self {
        Self {
            series: Vec::with_capacity(rows),
            start: Vec::with_capacity(rows),
            at: Vec::with_capacity(rows),
            flags: Vec::with_capacity(rows),
        }
    }

    #[inline(always)]
    fn push(&mut self, head: &PointHead<'_>) {
        self.start.push(head.start as i64);
        self.at.push(head.at as i64);
        self.flags.push(head.flags);
    }

    fn pop(&mut self) {
        self.start.pop();
        self.at.pop();
        self.flags.pop();
    }
}

/// See [`number_schema`].
#[derive(Debug)]
pub(super) struct NumberColumns {
    head: HeadColumns,
    value: Vec<f64>,
}

impl NumberColumns {
    pub(super) fn new(rows: usize) -> Self {
        Self { head: HeadColumns::new(rows), value: Vec::with_capacity(rows) }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, point: &NumberPoint<'_>) {
        self.head.push(&point.head);
        self.value.push(point.value.unwrap_or(f64::NAN));
    }

    /// Says which series the next row is of that was not named yet.
    #[inline(always)]
    pub(super) fn name(&mut self, idx: u32) {
        self.head.series.push(idx);
    }

    /// Takes the last row back, which has no name yet.
    pub(super) fn pop(&mut self) {
        self.head.pop();
        self.value.pop();
    }

    pub(super) fn len(&self) -> usize {
        self.value.len()
    }

    pub(super) fn finish(self) -> RecordBatch {
        static NONE: LazyLock<RecordBatch> = LazyLock::new(|| RecordBatch::new_empty(number_schema()));
        if self.value.is_empty() {
            return NONE.clone();
        }
        let Self { head, value } = self;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from(head.series)),
            Arc::new(Int64Array::from(head.start)),
            Arc::new(Int64Array::from(head.at)),
            Arc::new(Float64Array::from(value)),
            Arc::new(UInt32Array::from(head.flags)),
        ];
        batch_of(number_schema(), columns)
    }
}

fn batch_of(schema: SchemaRef, columns: Vec<ArrayRef>) -> RecordBatch {
    RecordBatch::try_new(schema, columns).expect("the columns are those of the schema, equally long")
}

/// See [`histogram_schema`]. The reader of a point writes its bounds and counts; [`HistogramColumns::push`] closes
/// the row, [`HistogramColumns::abandon`] takes it back.
#[derive(Debug)]
pub(super) struct HistogramColumns {
    head: HeadColumns,
    count: Vec<u64>,
    sum: Vec<f64>,
    min: Vec<f64>,
    max: Vec<f64>,
    pub(super) bounds: ListColumn<f64>,
    pub(super) counts: ListColumn<u64>,
    scale: Vec<i32>,
    zero: Vec<u64>,
    positive_offset: Vec<i32>,
    negative: Vec<i64>,
}

impl HistogramColumns {
    /// With room for as much as another batch held, in bounds and in counts.
    pub(super) fn like([bounds, counts]: [Held; 2]) -> Self {
        let rows = counts.rows();
        Self {
            head: HeadColumns::new(rows),
            count: Vec::with_capacity(rows),
            sum: Vec::with_capacity(rows),
            min: Vec::with_capacity(rows),
            max: Vec::with_capacity(rows),
            bounds: ListColumn::like(bounds),
            counts: ListColumn::like(counts),
            scale: Vec::with_capacity(rows),
            zero: Vec::with_capacity(rows),
            positive_offset: Vec::with_capacity(rows),
            negative: Vec::with_capacity(rows),
        }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, point: &BucketPoint<'_>) {
        self.head.push(&point.head);
        self.count.push(point.count);
        self.sum.push(point.sum);
        self.min.push(point.min);
        self.max.push(point.max);
        self.bounds.close();
        self.counts.close();
        self.scale.push(point.scale);
        self.zero.push(point.zero);
        self.positive_offset.push(point.positive_offset);
        self.negative.push(pack_negative(point.negative_offset, point.n_negative));
    }

    pub(super) fn abandon(&mut self) {
        self.bounds.abandon();
        self.counts.abandon();
    }

    /// Says which series the next row is of that was not named yet.
    #[inline(always)]
    pub(super) fn name(&mut self, idx: u32) {
        self.head.series.push(idx);
    }

    /// Takes the last row back, which has no name yet.
    pub(super) fn pop(&mut self) {
        self.head.pop();
        self.count.pop();
        self.sum.pop();
        self.min.pop();
        self.max.pop();
        self.bounds.pop();
        self.counts.pop();
        self.scale.pop();
        self.zero.pop();
        self.positive_offset.pop();
        self.negative.pop();
    }

    /// How much it holds, in bounds and in counts.
    pub(super) fn held(&self) -> [Held; 2] {
        [self.bounds.held(), self.counts.held()]
    }

    pub(super) fn finish(self) -> RecordBatch {
        static NONE: LazyLock<RecordBatch> = LazyLock::new(|| RecordBatch::new_empty(histogram_schema()));
        if self.count.is_empty() {
            return NONE.clone();
        }
        let head = self.head;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from(head.series)),
            Arc::new(Int64Array::from(head.start)),
            Arc::new(Int64Array::from(head.at)),
            Arc::new(UInt32Array::from(head.flags)),
            Arc::new(UInt64Array::from(self.count)),
            Arc::new(Float64Array::from(self.sum)),
            Arc::new(Float64Array::from(self.min)),
            Arc::new(Float64Array::from(self.max)),
            into_lists::<Float64Type>(self.bounds),
            into_lists::<UInt64Type>(self.counts),
            Arc::new(Int32Array::from(self.scale)),
            Arc::new(UInt64Array::from(self.zero)),
            Arc::new(Int32Array::from(self.positive_offset)),
            Arc::new(Int64Array::from(self.negative)),
        ];
        batch_of(histogram_schema(), columns)
    }
}

/// See [`summary_schema`]. Quantiles and values are written by the reader, as bounds and counts of a histogram are.
#[derive(Debug)]
pub(super) struct SummaryColumns {
    head: HeadColumns,
    count: Vec<u64>,
    sum: Vec<f64>,
    pub(super) quantiles: ListColumn<f64>,
    pub(super) values: ListColumn<f64>,
}

impl SummaryColumns {
    /// With room for as much as another batch held, in quantiles and in their values.
    pub(super) fn like(held: Held) -> Self {
        let rows = held.rows();
        Self {
            head: HeadColumns::new(rows),
            count: Vec::with_capacity(rows),
            sum: Vec::with_capacity(rows),
            quantiles: ListColumn::like(held),
            values: ListColumn::like(held),
        }
    }

    pub(super) fn push(&mut self, point: &SummaryPoint<'_>) {
        self.head.push(&point.head);
        self.count.push(point.count);
        self.sum.push(point.sum);
        self.quantiles.close();
        self.values.close();
    }

    pub(super) fn abandon(&mut self) {
        self.quantiles.abandon();
        self.values.abandon();
    }

    /// Says which series the next row is of that was not named yet.
    #[inline(always)]
    pub(super) fn name(&mut self, idx: u32) {
        self.head.series.push(idx);
    }

    /// Takes the last row back, which has no name yet.
    pub(super) fn pop(&mut self) {
        self.head.pop();
        self.count.pop();
        self.sum.pop();
        self.quantiles.pop();
        self.values.pop();
    }

    /// How much it holds, in quantiles.
    pub(super) fn held(&self) -> Held {
        self.quantiles.held()
    }

    pub(super) fn finish(self) -> RecordBatch {
        static NONE: LazyLock<RecordBatch> = LazyLock::new(|| RecordBatch::new_empty(summary_schema()));
        if self.count.is_empty() {
            return NONE.clone();
        }
        let head = self.head;
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from(head.series)),
            Arc::new(Int64Array::from(head.start)),
            Arc::new(Int64Array::from(head.at)),
            Arc::new(UInt32Array::from(head.flags)),
            Arc::new(UInt64Array::from(self.count)),
            Arc::new(Float64Array::from(self.sum)),
            into_lists::<Float64Type>(self.quantiles),
            into_lists::<Float64Type>(self.values),
        ];
        batch_of(summary_schema(), columns)
    }
}
