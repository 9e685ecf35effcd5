//! Call rows to the golden signals of a service and of its operations: rate, share of errors, duration.
//!
//! A point covers a window, or a whole export where exports are further apart; it ends with a tick of the service, so that
//! every pod's cell is in exactly one point. Operations without requests have a rate of 0 until they are forgotten. What it
//! does not do: judge.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::record::{NANOS_PER_SEC, UnixNanos};
use serde::{Deserialize, Serialize};

use super::name::{CallSignal, Point, SeriesName};
use crate::features::{CallRow, LatencySketch};
use crate::scoring::cells::ServiceTick;

/// Fewer requests say nothing about shares and durations.
const REQUESTS_MIN: u64 = 10;
/// Points without a request after which an operation is forgotten.
const IDLE_MAX: u16 = 360;
/// Windows without a tick after which a point begins anew.
const PAUSE_WINDOWS: i64 = 3;

/// Sums of one operation, or of all.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Sums {
    requests: u64,
    errors: u64,
    duration_us: u64,
    idle: u16,
}

/// The open point of one service.
///
/// # Invariants
/// `ready` is empty between two steps; operations are bounded by the features stage.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Golden {
    opened_at: UnixNanos,
    ended_at: UnixNanos,
    total: Sums,
    durations: LatencySketch,
    operations: BTreeMap<Arc<str>, Sums>,
    #[serde(skip)]
    ready: Vec<Point>,
}

impl Golden {
    /// Takes in a row; after the tick that it completed, if it completed one.
    pub(crate) fn add(&mut self, row: &CallRow) {
        let add = |sums: &mut Sums| {
            sums.requests += row.requests;
            sums.errors += row.errors;
            sums.duration_us = sums.duration_us.saturating_add(row.duration_us_sum);
        };
        match self.operations.get_mut(&row.operation) {
            Some(sums) => add(sums),
            None => add(self.operations.entry(Arc::clone(&row.operation)).or_default()),
        }
    }

    /// Takes in a complete tick; closes the point once it is a window long.
    pub(crate) fn on_tick(&mut self, tick: &ServiceTick, window_secs: u64) {
        let window = window_secs as i64 * NANOS_PER_SEC;
        let pause = PAUSE_WINDOWS * window.max(tick.span);
        if self.ended_at == 0 || tick.end_at - tick.span > self.ended_at + pause {
            self.opened_at = tick.end_at - tick.span;
            self.total = Sums::default();
            self.durations = LatencySketch::default();
        }
        self.ended_at = tick.end_at;
        for tally in tick.pods.values() {
            self.total.requests += tally.requests;
            self.total.errors += tally.errors;
            self.durations.merge(&tally.durations);
        }
        if tick.end_at - self.opened_at >= window {
            self.close(tick.end_at);
        }
    }

    /// The points that closed since the last call.
    pub(crate) fn take(&mut self) -> Vec<Point> {
        std::mem::take(&mut self.ready)
    }

    fn close(&mut self, at: UnixNanos) {
        let secs = (at - self.opened_at) as f64 / NANOS_PER_SEC as f64;
        let all: Arc<str> = Arc::from("");
        let p90_ms = self.durations.quantile(0.9).map(|micros| micros / 1e3);
        self.total.points(&mut self.ready, (&all, at, secs), p90_ms);
        // with one operation the total says it all
        if self.operations.len() > 1 {
            for (operation, sums) in &self.operations {
                let mean_ms = sums.duration_us as f64 / 1e3 / sums.requests.max(1) as f64;
                sums.points(&mut self.ready, (operation, at, secs), Some(mean_ms));
            }
        }
        for sums in self.operations.values_mut() {
            let idle = if sums.requests == 0 { sums.idle + 1 } else { 0 };
            *sums = Sums { idle, ..Sums::default() };
        }
        self.operations.retain(|_, sums| sums.idle < IDLE_MAX);
        self.opened_at = at;
        self.total = Sums::default();
        self.durations = LatencySketch::default();
    }
}

impl Sums {
    fn points(
        &self,
        ready: &mut Vec<Point>,
        (operation, at, secs): (&Arc<str>, UnixNanos, f64),
        duration_ms: Option<f64>,
    ) {
        let mut push = |signal, value| {
            ready.push(Point { name: SeriesName::Calls(signal, Arc::clone(operation)), at, value });
        };
        let requests = self.requests as f64;
        push(CallSignal::Rate, requests / secs);
        if self.requests < REQUESTS_MIN {
            return;
        }
        push(CallSignal::ErrorShare, self.errors as f64 / requests);
        if let Some(duration_ms) = duration_ms {
            push(CallSignal::Duration, duration_ms);
        }
    }
}
