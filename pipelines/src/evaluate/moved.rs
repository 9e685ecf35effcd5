//! `evaluate kpi2018|mscloud --moved`: a service comes up in another cluster, and what is found on its first day there.
//!
//! Each series is known for a quarter of its length; then, at places spread over the rest, the same series goes on for a day as
//! that of a new service, once beginning like the known one and once with nothing, and with more or less load. The detector is
//! production's with its defaults. What it does not do: judge the sibling itself, except beside them.

use engine::record::{NANOS_PER_SEC, UnixNanos};
use models::accuracy::episodes_found;
use serde::Serialize;

use super::points::REACH;
use super::series::{LabelledSeries, SeriesDetector};
use crate::scoring::{Begins, Solo};

/// Moves of each series.
const MOVES: usize = 8;
/// How long each is watched.
const WATCHED: UnixNanos = 86_400 * NANOS_PER_SEC;
/// What the new place has of the known one's load.
const LOADS: [f64; 3] = [1.0, 0.5, 2.0];

/// What was found on first days.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct FirstDays {
    /// Labelled events.
    pub events: usize,
    /// Of them found.
    pub found: usize,
    /// Alarms that belong to none.
    pub false_alarms: usize,
    /// The same, by day.
    pub false_alarms_per_day: f64,
}

/// First days at one load.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MovedReport {
    /// What the new place has of the known one's load.
    pub load: f64,
    /// First days.
    pub days: usize,
    /// The known series, had it stayed.
    pub stayed: FirstDays,
    /// Begun like the known one.
    pub like_sibling: FirstDays,
    /// Begun with nothing.
    pub with_nothing: FirstDays,
}

/// Moves all series.
#[must_use]
pub fn evaluate_moved(series: &[LabelledSeries], detector: &SeriesDetector) -> Vec<MovedReport> {
    let mut reports = LOADS.map(|load| {
        let none = FirstDays::default();
        MovedReport { load, days: 0, stayed: none, like_sibling: none, with_nothing: none }
    });
    for series in series {
        move_series(series, detector, &mut reports);
    }
    for report in &mut reports {
        for figures in [&mut report.stayed, &mut report.like_sibling, &mut report.with_nothing] {
            figures.false_alarms_per_day = figures.false_alarms as f64 / report.days.max(1) as f64;
        }
    }
    reports.to_vec()
}

fn move_series(series: &LabelledSeries, detector: &SeriesDetector, reports: &mut [MovedReport]) {
    let points = series.at.len();
    let mut solo = Solo::new(detector.params());
    let mut known = Vec::with_capacity(points);
    let mut moves = (0..MOVES).map(|nth| points / 4 + nth * (points - points / 4) / MOVES).peekable();
    let mut days = Vec::new();
    for (nth, (&at, &value)) in series.at.iter().zip(&series.values).enumerate() {
        if moves.next_if_eq(&nth).is_some() {
            days.push((nth, solo.clone()));
        }
        known.push(solo.step(at, value).is_alarm);
    }
    for (from, sibling) in days {
        let until = series.at[from] + WATCHED;
        let upto = from + series.at[from..].iter().take_while(|at| **at < until).count();
        let labels = &series.labels[from..upto];
        for report in reports.iter_mut() {
            report.days += 1;
            report.stayed.count(labels, &known[from..upto]);
            for (begins, figures) in [
                (Begins::LikeThis, &mut report.like_sibling),
                (Begins::WithNothing, &mut report.with_nothing),
            ] {
                let mut moved = sibling.moved(begins);
                let points = series.at[from..upto].iter().zip(&series.values[from..upto]);
                let alarms: Vec<bool> =
                    points.map(|(at, value)| moved.step(*at, report.load * value).is_alarm).collect();
                figures.count(labels, &alarms);
            }
        }
    }
}

impl FirstDays {
    fn count(&mut self, labels: &[bool], alarms: &[bool]) {
        let rows: Vec<usize> = (0..alarms.len()).filter(|nth| alarms[*nth]).collect();
        let found = episodes_found(labels, &rows, REACH);
        self.events += found.episodes;
        self.found += found.delays_points.len();
        self.false_alarms += found.false_alarms;
    }
}
