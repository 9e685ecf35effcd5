//! Event time of the rows of a batch: what the watermark learns from, what is late, what is set aside.
//!
//! The event time of a point is `at`, of a log line `at` (or when it was observed), of a span its end, because that is
//! when it can be sent. What this module does not do: decide the watermark, or drop late rows; operators decide that.

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::Int64Type;

use crate::batch::{Batch, Payload};
use crate::error::EngineError;
use crate::record::{RecordKind, UnixNanos};

/// What a batch says about time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Times {
    /// Rows in it.
    pub(crate) rows: u64,
    /// Of them, rows before the watermark.
    pub(crate) late: u64,
    /// Rows that were set aside, not in `rows`.
    pub(crate) ahead: u64,
    /// Event time of the oldest row that is not too old to learn from.
    pub(crate) oldest: Option<UnixNanos>,
}

/// The limits against which rows are held.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Rows after this are set aside.
    pub(crate) ahead_of: UnixNanos,
    /// Rows before this are too old to learn from.
    pub(crate) learn_from: UnixNanos,
    /// Rows before this are late.
    pub(crate) watermark: Option<UnixNanos>,
}

/// Sets rows aside that lie too far ahead, and says what the rest tells about time.
pub(crate) fn sift(batch: &mut Batch, bounds: Bounds) -> Result<Times, EngineError> {
    let mut times = Times::default();
    match &mut batch.payload {
        Payload::Metrics(metrics) => {
            for table in [&mut metrics.numbers, &mut metrics.histograms, &mut metrics.summaries] {
                sift_table(table, &["at"], bounds, &mut times)?;
            }
        }
        Payload::Logs(logs) => sift_table(&mut logs.logs, &["at", "observed_at"], bounds, &mut times)?,
        Payload::Spans(spans) => sift_table(&mut spans.spans, &["end_at", "start_at"], bounds, &mut times)?,
        Payload::Message { .. } => {}
    }
    Ok(times)
}

/// The newest event time of a batch, for stamping recordings that carry no arrival stamp.
#[must_use]
pub fn newest_row(batch: &Batch) -> Option<UnixNanos> {
    let newest = |table: &RecordBatch, names: &[&str]| rows(table, names).into_iter().flatten().max();
    match &batch.payload {
        Payload::Metrics(metrics) => [&metrics.numbers, &metrics.histograms, &metrics.summaries]
            .into_iter()
            .filter_map(|table| newest(table, &["at"]))
            .max(),
        Payload::Logs(logs) => newest(&logs.logs, &["at", "observed_at"]),
        Payload::Spans(spans) => newest(&spans.spans, &["end_at", "start_at"]),
        Payload::Message { .. } => None,
    }
}

/// Which learning stream a batch belongs to.
pub(crate) fn stream(batch: &Batch) -> Option<RecordKind> {
    match &batch.payload {
        Payload::Metrics(_) => Some(RecordKind::Metrics),
        Payload::Logs(_) => Some(RecordKind::Logs),
        Payload::Spans(_) => Some(RecordKind::Spans),
        Payload::Message { .. } => None,
    }
}

/// Per row the first of these columns that is set; 0 is how OTLP says unset.
fn rows(table: &RecordBatch, names: &[&str]) -> Vec<Option<UnixNanos>> {
    let columns: Vec<_> =
        names.iter().filter_map(|name| table.column_by_name(name)?.as_primitive_opt::<Int64Type>()).collect();
    (0..table.num_rows())
        .map(|row| {
            columns
                .iter()
                .filter(|column| row < column.len())
                .map(|column| column.value(row))
                .find(|at| *at != 0)
        })
        .collect()
}

fn sift_table(
    table: &mut RecordBatch,
    names: &[&str],
    bounds: Bounds,
    times: &mut Times,
) -> Result<(), EngineError> {
    let rows = rows(table, names);
    let ahead = |at: &Option<UnixNanos>| at.is_some_and(|at| at > bounds.ahead_of);
    let n_ahead = rows.iter().filter(|at| ahead(at)).count();
    for at in rows.iter().filter(|at| !ahead(at)).copied().flatten() {
        times.late += u64::from(bounds.watermark.is_some_and(|watermark| at < watermark));
        if at >= bounds.learn_from {
            times.oldest = Some(times.oldest.map_or(at, |oldest| oldest.min(at)));
        }
    }
    times.rows += (rows.len() - n_ahead) as u64;
    times.ahead += n_ahead as u64;
    if n_ahead > 0 {
        let keep: BooleanArray = rows.iter().map(|at| Some(!ahead(at))).collect();
        *table = filter_record_batch(table, &keep)
            .map_err(|error| EngineError::Invariant(format!("rows cannot be set aside: {error}")))?;
    }
    Ok(())
}
