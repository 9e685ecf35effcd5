//! The Arrow columns of metric points, row by row.
//!
//! What this module does not do: read bytes.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Float64Builder, Int32Array, Int64Array, ListBuilder, RecordBatch, UInt32Array,
    UInt64Array, UInt64Builder,
};
use arrow::datatypes::{DataType, Field};

use super::metrics::Point;
use crate::batch::{histogram_schema, number_schema, pack_negative, summary_schema};

#[derive(Debug, Default)]
pub(super) struct NumberColumns {
    pub(super) series: Vec<u32>,
    pub(super) start: Vec<i64>,
    pub(super) at: Vec<i64>,
    pub(super) value: Vec<f64>,
    pub(super) flags: Vec<u32>,
}

#[derive(Debug)]
pub(super) struct HistogramColumns {
    pub(super) series: Vec<u32>,
    pub(super) start: Vec<i64>,
    pub(super) at: Vec<i64>,
    pub(super) flags: Vec<u32>,
    pub(super) count: Vec<u64>,
    pub(super) sum: Vec<f64>,
    pub(super) min: Vec<f64>,
    pub(super) max: Vec<f64>,
    pub(super) bounds: ListBuilder<Float64Builder>,
    pub(super) counts: ListBuilder<UInt64Builder>,
    pub(super) scale: Vec<i32>,
    pub(super) zero: Vec<u64>,
    pub(super) positive_offset: Vec<i32>,
    pub(super) negative: Vec<i64>,
}

#[derive(Debug)]
pub(super) struct SummaryColumns {
    pub(super) series: Vec<u32>,
    pub(super) start: Vec<i64>,
    pub(super) at: Vec<i64>,
    pub(super) flags: Vec<u32>,
    pub(super) count: Vec<u64>,
    pub(super) sum: Vec<f64>,
    pub(super) quantiles: ListBuilder<Float64Builder>,
    pub(super) values: ListBuilder<Float64Builder>,
}

pub(super) fn floats() -> ListBuilder<Float64Builder> {
    ListBuilder::new(Float64Builder::new()).with_field(Field::new("item", DataType::Float64, false))
}

pub(super) fn counts() -> ListBuilder<UInt64Builder> {
    ListBuilder::new(UInt64Builder::new()).with_field(Field::new("item", DataType::UInt64, false))
}

impl NumberColumns {
    pub(super) fn push(&mut self, idx: u32, point: &Point) {
        self.series.push(idx);
        self.start.push(point.start as i64);
        self.at.push(point.at as i64);
        self.value.push(point.value.unwrap_or(f64::NAN));
        self.flags.push(point.flags);
    }

    pub(super) fn finish(self) -> RecordBatch {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from(self.series)),
            Arc::new(Int64Array::from(self.start)),
            Arc::new(Int64Array::from(self.at)),
            Arc::new(Float64Array::from(self.value)),
            Arc::new(UInt32Array::from(self.flags)),
        ];
        RecordBatch::try_new(number_schema(), columns)
            .expect("the columns are those of the schema, equally long")
    }
}

impl HistogramColumns {
    pub(super) fn push(&mut self, idx: u32, point: &Point, explicit: bool) {
        self.series.push(idx);
        self.start.push(point.start as i64);
        self.at.push(point.at as i64);
        self.flags.push(point.flags);
        self.count.push(point.count);
        self.sum.push(point.sum);
        self.min.push(point.min);
        self.max.push(point.max);
        let bounds: &[f64] = if explicit { &point.bounds } else { &[] };
        bounds.iter().for_each(|&bound| self.bounds.values().append_value(bound));
        self.bounds.append(true);
        point.counts.iter().for_each(|&count| self.counts.values().append_value(count));
        self.counts.append(true);
        self.scale.push(point.scale);
        self.zero.push(point.zero);
        self.positive_offset.push(point.positive_offset);
        self.negative.push(pack_negative(point.negative_offset, point.n_negative as u32));
    }

    pub(super) fn finish(mut self) -> RecordBatch {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from(self.series)),
            Arc::new(Int64Array::from(self.start)),
            Arc::new(Int64Array::from(self.at)),
            Arc::new(UInt32Array::from(self.flags)),
            Arc::new(UInt64Array::from(self.count)),
            Arc::new(Float64Array::from(self.sum)),
            Arc::new(Float64Array::from(self.min)),
            Arc::new(Float64Array::from(self.max)),
            Arc::new(self.bounds.finish()),
            Arc::new(self.counts.finish()),
            Arc::new(Int32Array::from(self.scale)),
            Arc::new(UInt64Array::from(self.zero)),
            Arc::new(Int32Array::from(self.positive_offset)),
            Arc::new(Int64Array::from(self.negative)),
        ];
        RecordBatch::try_new(histogram_schema(), columns)
            .expect("the columns are those of the schema, equally long")
    }
}

impl SummaryColumns {
    pub(super) fn push(&mut self, idx: u32, point: &Point) {
        self.series.push(idx);
        self.start.push(point.start as i64);
        self.at.push(point.at as i64);
        self.flags.push(point.flags);
        self.count.push(point.count);
        self.sum.push(point.sum);
        point.bounds.iter().for_each(|&quantile| self.quantiles.values().append_value(quantile));
        self.quantiles.append(true);
        point.values.iter().for_each(|&value| self.values.values().append_value(value));
        self.values.append(true);
    }

    pub(super) fn finish(mut self) -> RecordBatch {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(UInt32Array::from(self.series)),
            Arc::new(Int64Array::from(self.start)),
            Arc::new(Int64Array::from(self.at)),
            Arc::new(UInt32Array::from(self.flags)),
            Arc::new(UInt64Array::from(self.count)),
            Arc::new(Float64Array::from(self.sum)),
            Arc::new(self.quantiles.finish()),
            Arc::new(self.values.finish()),
        ];
        RecordBatch::try_new(summary_schema(), columns)
            .expect("the columns are those of the schema, equally long")
    }
}
