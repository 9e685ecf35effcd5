//! Labelled single series: reading them, and the run of the production detector over them.
//!
//! The detector has its default settings and sees the points one by one in the order of the file; what it has scored is
//! never touched again. A point that it cannot use (no number, a repeated timestamp) keeps the score of the point before.
//! Not done here: thresholds, figures.

use std::ops::Range;
use std::path::{Path, PathBuf};

use engine::record::{NANOS_PER_SEC, UnixNanos};
use engine::time::clock::Clock;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use models::bank::HotSurprise;
use models::univariate::{Lesson, MeanSurprise, SurpriseParams, SurpriseValidParams};

use super::canaryrec::RecordingError;

/// One labelled series.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledSeries {
    /// Its path below the folder, without the ending.
    pub name: String,
    /// Event time of each point.
    pub at: Vec<UnixNanos>,
    /// Values; NaN where there is none.
    pub values: Vec<f64>,
    /// Whether a point belongs to an anomaly.
    pub labels: Vec<bool>,
    /// The points that count; those before them are only learned.
    pub scored: Range<usize>,
}

impl LabelledSeries {
    /// Days that the scored points span.
    #[must_use]
    pub fn scored_days(&self) -> f64 {
        let at = &self.at[self.scored.clone()];
        match (at.first(), at.last()) {
            (Some(first), Some(last)) => (last - first) as f64 / (86_400.0 * NANOS_PER_SEC as f64),
            _ => 0.0,
        }
    }
}

/// What the detector said about a series.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredSeries {
    /// A score for every point; 0 before the first one.
    pub scores: Vec<f64>,
    /// What alarms are raised by, for every point that had a reading.
    pub alarm_scores: Vec<Option<f64>>,
    /// Nanoseconds that the run took.
    pub nanos: i64,
    /// State at the end, bytes.
    pub state_bytes: usize,
}

/// Which of production's detectors is run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SeriesDetector {
    /// The full tier.
    Full(SurpriseValidParams),
    /// The small one that every series has.
    Hot,
}

impl SeriesDetector {
    /// What production runs.
    #[must_use]
    pub fn full() -> Self {
        Self::without(&[]).expect("defaults are within their ranges")
    }

    /// The full tier without some of its views, to see what they are worth; `None` if none is left or one does not exist.
    #[must_use]
    pub fn without(views: &[u32]) -> Option<Self> {
        let mut params = SurpriseParams::default();
        for view in views {
            let bit = 1_u32.checked_shl(*view).filter(|bit| params.views & bit != 0)?;
            params.views &= !bit;
        }
        params.check().ok().map(Self::Full)
    }

    /// (score, what alarms are raised by) of every point that has a reading, and the bytes of state.
    fn run(&self, series: &LabelledSeries) -> (Vec<Option<(f64, f64)>>, usize) {
        let points = series.at.iter().zip(&series.values);
        match self {
            Self::Full(params) => {
                let mut detector = MeanSurprise::new(params);
                let scores = points.map(|(&at, &value)| {
                    let reading = detector.observe(at, value, Lesson::Learn)?;
                    Some((reading.score.value(), reading.onset))
                });
                (scores.collect(), detector.state_bytes())
            }
            Self::Hot => {
                let mut detector = HotSurprise::new();
                let scores = points.map(|(&at, &value)| {
                    let reading = detector.observe(at, value, Lesson::Learn)?;
                    Some((reading.score.value(), reading.surprise))
                });
                (scores.collect(), size_of::<HotSurprise>())
            }
        }
    }
}

/// Runs the detector over a series.
#[must_use]
pub fn score_series(series: &LabelledSeries, detector: &SeriesDetector) -> ScoredSeries {
    let clock = Clock::system();
    let started = clock.now();
    let (readings, state_bytes) = detector.run(series);
    let nanos = clock.now() - started;
    let mut last = 0.0;
    let scores = readings.iter().map(|reading| {
        last = reading.map_or(last, |(score, _)| score);
        last
    });
    let scores = scores.collect();
    let alarm_scores = readings.iter().map(|reading| reading.map(|(_, alarm)| alarm)).collect();
    ScoredSeries { scores, alarm_scores, nanos, state_bytes }
}

/// All `.csv.zst` files below a folder, sorted by path.
///
/// # Errors
/// [`RecordingError::File`] for a folder that cannot be listed.
pub(super) fn csv_files(folder: &Path) -> Result<Vec<PathBuf>, RecordingError> {
    let fail = |source| RecordingError::File { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.is_dir() {
            found.extend(csv_files(&path)?);
        } else if path.to_string_lossy().ends_with(".csv.zst") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Path of a file below a folder, without its last `.zst`.
pub(super) fn name_below(folder: &Path, path: &Path) -> String {
    let below = path.strip_prefix(folder).unwrap_or(path).to_string_lossy();
    below.strip_suffix(".zst").unwrap_or(&below).to_owned()
}

/// Cells of the rows after the header, with their line numbers; quotes around cells are taken off.
pub(super) fn rows(text: &str) -> impl Iterator<Item = (usize, Vec<&str>)> {
    let lines = text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(idx, line)| (idx + 1, line.split(',').map(|cell| cell.trim().trim_matches('"')).collect()))
}

/// A date and time in UTC, as in `2014-04-01 00:05:00` or `2018-03-15T00:00:00Z`.
pub(super) fn parse_time(text: &str) -> Option<UnixNanos> {
    let civil: DateTime = text.trim_end_matches('Z').parse().ok()?;
    let timestamp = Offset::UTC.to_timestamp(civil).ok()?;
    UnixNanos::try_from(timestamp.as_nanosecond()).ok()
}

/// A line that is not what the layout says.
pub(super) fn bad_line(path: &Path, line: usize, why: impl Into<String>) -> RecordingError {
    RecordingError::Line { path: path.to_owned(), line, why: why.into() }
}
