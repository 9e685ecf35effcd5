//! Labelled single series: reading them, and the run of production over them.
//!
//! A series is judged by the code of the scoring stage ([`Solo`]) with its default settings: both tiers, the alarm budget,
//! the episodes and what they withhold from learning. It sees the points one by one in the order of the file; what it has
//! scored is never touched again. A point that it cannot use (no number, a repeated timestamp) keeps the score of the point
//! before. Not done here: thresholds, figures.

use std::num::ParseIntError;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use engine::record::{NANOS_PER_SEC, UnixNanos};
use engine::time::clock::Clock;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use models::bank::{AdmissionParams, Judged};
use models::univariate::{Periods, SurpriseParams};

use super::canaryrec::RecordingError;
use super::part::Selection;
use crate::config::read_texts;
use crate::scoring::{SeriesParams, Solo};

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
    /// Points that were alarms, by their number: an episode opened there, or rose.
    pub alarms: Vec<usize>,
    /// Nanoseconds that the run took.
    pub nanos: i64,
    /// State at the end, bytes.
    pub state_bytes: usize,
}

/// A part of the full tier that can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DetectorPart {
    /// A view, by its number.
    View(u32),
    /// Periods beside the day.
    Rhythm,
}

impl FromStr for DetectorPart {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "rhythm" { Ok(Self::Rhythm) } else { text.parse().map(Self::View) }
    }
}

/// Production's way of judging a series, with its default settings or with parts left out.
#[derive(Debug, Clone)]
pub struct SeriesDetector(SeriesParams);

impl SeriesDetector {
    /// What production runs.
    #[must_use]
    pub fn full() -> Self {
        let plan = read_texts(&[], &[]).expect("the defaults are checked by a test");
        let params = SeriesParams::new(&plan.series, plan.time.window_secs);
        Self(params.expect("defaults are within their ranges"))
    }

    /// The same without memory for the full tier.
    #[must_use]
    pub fn hot() -> Self {
        let none = AdmissionParams { budget_bytes: 0, ..AdmissionParams::default() };
        let admission = none.check().expect("no memory is within its range");
        Self(SeriesParams { admission, ..Self::full().0 })
    }

    /// Production's way with other settings of the full tier; `None` if they are out of range.
    #[must_use]
    pub(super) fn with(params: SurpriseParams) -> Option<Self> {
        Some(Self(SeriesParams { surprise: params.check().ok()?, ..Self::full().0 }))
    }

    /// Without some parts of the full tier, to see what they are worth; `None` if no view is left or one does not exist.
    #[must_use]
    pub fn without(parts: &[DetectorPart]) -> Option<Self> {
        let mut params = SurpriseParams::default();
        for part in parts {
            match part {
                DetectorPart::Rhythm => params.periods = Periods::None,
                DetectorPart::View(view) => {
                    params.views &= !1_u32.checked_shl(*view).filter(|bit| params.views & bit != 0)?;
                }
            }
        }
        Self::with(params)
    }

    pub(super) fn params(&self) -> &SeriesParams {
        &self.0
    }

    /// With so many alarms a day, for the series and for the service that it stands for.
    #[must_use]
    pub fn with_alarms_per_day(&self, alarms_per_day: f64) -> Self {
        let budget = self.0.each.with_alarms_per_day(alarms_per_day);
        Self(SeriesParams { each: budget, shared: budget, ..self.0.clone() })
    }
}

/// Runs the detector over a series.
#[must_use]
pub fn score_series(series: &LabelledSeries, detector: &SeriesDetector) -> ScoredSeries {
    let clock = Clock::system();
    let started = clock.now();
    let mut solo = Solo::new(&detector.0);
    let (mut scores, mut alarms, mut last) = (Vec::with_capacity(series.at.len()), Vec::new(), 0.0);
    for (nth, (&at, &value)) in series.at.iter().zip(&series.values).enumerate() {
        let step = solo.step(at, value);
        last = match step.judged {
            Judged::Not => last,
            Judged::Hot(reading) => reading.score.value(),
            Judged::Full(reading) => reading.score.value(),
        };
        scores.push(last);
        if step.is_alarm {
            alarms.push(nth);
        }
    }
    ScoredSeries { scores, alarms, nanos: clock.now() - started, state_bytes: solo.model_bytes() }
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

/// Those of them that are selected, by their names.
///
/// # Errors
/// [`RecordingError::File`] for a folder that cannot be listed, or that holds none of them.
pub(super) fn selected_csv_files(selection: Selection<'_>) -> Result<Vec<PathBuf>, RecordingError> {
    let folder = selection.folder;
    let files = selection.of(csv_files(folder)?, |path| name_below(folder, path));
    if files.is_empty() {
        let source = std::io::Error::new(std::io::ErrorKind::NotFound, "no `.csv.zst` of this part in it");
        return Err(RecordingError::File { path: folder.to_owned(), source });
    }
    Ok(files)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::{read_kpi2018, read_mscloud};

    /// Scenario: a folder that holds no recording. Guarantees: that is said, not figures of nothing.
    #[test]
    fn a_folder_without_recordings_is_said() {
        let empty = tempfile::tempdir().unwrap();
        for read in [read_kpi2018, read_mscloud] {
            let error = read(Selection::all(empty.path())).unwrap_err();
            let why = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            assert!(why.contains("no `.csv.zst`"), "{error}: {why}");
        }
    }
}
