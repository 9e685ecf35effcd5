//! Labelled machines of many metrics (SMD, ASD, JumpStarter): reading them.
//!
//! `<machine>_train.csv.zst` and `<machine>_test.csv.zst` have a row for each time step and a column for each metric,
//! `<machine>_test_label.txt.zst` has 0 or 1 for each test row. `<machine>_interpretation.txt`, where there is one,
//! names the metrics at fault: `first-last:metric,metric`, rows from 0, metrics from 1. Not done here: scoring.

use std::ops::Range;
use std::path::{Path, PathBuf};

use super::canaryrec::RecordingError;
use super::files::read_text;
use super::part::Selection;
use super::series::bad_line;

const TEST: &str = "_test.csv.zst";

/// One labelled machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Machine {
    /// File stem.
    pub name: String,
    /// Metrics.
    pub width: usize,
    /// Values, row by row: unlabelled rows first, then labelled ones.
    pub values: Vec<f64>,
    /// Labels of the last rows.
    pub labels: Vec<bool>,
    /// What is known of the labelled events.
    pub causes: Vec<Cause>,
}

/// Which metrics are at fault in which labelled rows, both from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// Labelled rows.
    pub rows: Range<usize>,
    /// Metrics.
    pub metrics: Vec<usize>,
}

impl Machine {
    /// All rows in order, from a folder and a stem.
    ///
    /// # Errors
    /// [`RecordingError`] names file and line.
    pub fn read(folder: &Path, name: &str) -> Result<Self, RecordingError> {
        let path = |ending: &str| folder.join(format!("{name}{ending}"));
        let (width, mut values) = read_rows(&path("_train.csv.zst"))?;
        let (test_width, test) = read_rows(&path(TEST))?;
        if test_width != width {
            return Err(bad_line(&path(TEST), 1, format!("has {test_width} metrics, training has {width}")));
        }
        values.extend(test);
        let labels = read_labels(&path("_test_label.txt.zst"))?;
        if labels.len() * width > values.len() {
            return Err(bad_line(&path("_test_label.txt.zst"), labels.len(), "more labels than rows"));
        }
        let causes = path("_interpretation.txt");
        let causes = if causes.is_file() { read_causes(&causes)? } else { Vec::new() };
        Ok(Self { name: name.to_owned(), width, values, labels, causes })
    }
}

/// Folder and stem of every machine of a selection, sorted.
///
/// # Errors
/// [`RecordingError::File`] for a folder that cannot be listed.
pub fn list_machines(selection: Selection<'_>) -> Result<Vec<(PathBuf, String)>, RecordingError> {
    Ok(selection.of(machines_below(selection.folder)?, |(_, name)| name.clone()))
}

fn machines_below(folder: &Path) -> Result<Vec<(PathBuf, String)>, RecordingError> {
    let fail = |source| RecordingError::File { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path.is_dir() {
            found.extend(machines_below(&path)?);
        } else if let Some(name) = path.file_name().and_then(|name| name.to_str()?.strip_suffix(TEST)) {
            found.push((folder.to_owned(), name.to_owned()));
        }
    }
    found.sort();
    Ok(found)
}

fn read_rows(path: &Path) -> Result<(usize, Vec<f64>), RecordingError> {
    let text = read_text(path)?;
    let width = text.lines().next().map_or(0, |line| line.split(',').count());
    if width == 0 || width > models::multivariate::MAX_WIDTH {
        return Err(bad_line(path, 1, format!("has {width} metrics")));
    }
    let mut values = Vec::new();
    for (nth, line) in text.lines().enumerate() {
        let before = values.len();
        // an empty cell is a missing value
        values.extend(line.split(',').map(|cell| cell.trim().parse().unwrap_or(f64::NAN)));
        if values.len() != before + width {
            return Err(bad_line(
                path,
                nth + 1,
                format!("has {} metrics, not {width}", values.len() - before),
            ));
        }
    }
    Ok((width, values))
}

fn read_labels(path: &Path) -> Result<Vec<bool>, RecordingError> {
    let text = read_text(path)?;
    let label = |(nth, line): (usize, &str)| match line.trim().parse::<f64>() {
        Ok(label) => Ok(label != 0.0),
        Err(_) => Err(bad_line(path, nth + 1, format!("`{line}` is not 0 or 1"))),
    };
    text.lines().enumerate().map(label).collect()
}

fn read_causes(path: &Path) -> Result<Vec<Cause>, RecordingError> {
    let text = read_text(path)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let cause = |(nth, line): (usize, &str)| {
        cause_of(line).ok_or_else(|| bad_line(path, nth + 1, "not `first-last:metric,metric`"))
    };
    lines.map(cause).collect()
}

fn cause_of(line: &str) -> Option<Cause> {
    let (rows, metrics) = line.split_once(':')?;
    let (first, last) = rows.split_once('-')?;
    let metric = |text: &str| text.trim().parse::<usize>().ok()?.checked_sub(1);
    let metrics: Option<Vec<usize>> = metrics.split(',').map(metric).collect();
    let (first, last) = (first.trim().parse().ok()?, last.trim().parse::<usize>().ok()?);
    Some(Cause { rows: first..last.checked_add(1)?, metrics: metrics? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(path: &Path, text: &str) {
        std::fs::write(path, zstd::encode_all(text.as_bytes(), 0).unwrap()).unwrap();
    }

    /// Scenario: a machine of two metrics with a missing value and a cause, in a folder of a folder; then a row too
    /// short.
    /// Guarantees: rows, labels and causes are as written, counted from 0; the fault names file and line.
    #[test]
    fn machines_are_read_as_laid_out() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("set");
        std::fs::create_dir(&folder).unwrap();
        packed(&folder.join("m_train.csv.zst"), "1,2\n3,4\n");
        packed(&folder.join("m_test.csv.zst"), "5,\n7,8\n");
        packed(&folder.join("m_test_label.txt.zst"), "0\n1\n");
        std::fs::write(folder.join("m_interpretation.txt"), "1-1:2\n").unwrap();
        assert_eq!(list_machines(Selection::all(outer.path())).unwrap(), [(folder.clone(), "m".to_owned())]);
        let machine = Machine::read(&folder, "m").unwrap();
        assert_eq!((machine.width, &machine.labels[..]), (2, &[false, true][..]));
        assert!(machine.values[5].is_nan() && machine.values[..5] == [1.0, 2.0, 3.0, 4.0, 5.0]);
        assert_eq!(machine.causes, [Cause { rows: 1..2, metrics: vec![1] }]);
        packed(&folder.join("m_test.csv.zst"), "5,6\n7\n");
        let error = Machine::read(&folder, "m").unwrap_err().to_string();
        assert!(error.ends_with("m_test.csv.zst:2: has 1 metrics, not 2"), "{error}");
    }
}
