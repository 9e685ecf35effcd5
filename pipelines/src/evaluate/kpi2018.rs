//! `evaluate kpi2018`: the KPIs of the 2018 AIOps challenge; the first half of each is only learned.

use std::path::Path;

use engine::record::NANOS_PER_SEC;

use super::canaryrec::RecordingError;
use super::files::read_text;
use super::part::Selection;
use super::series::{LabelledSeries, bad_line, name_below, rows, selected_csv_files};

/// Reads every selected `<id>.csv.zst` of a folder: `timestamp,value,label,part`, Unix seconds, `part` is `train` or `test`.
///
/// # Errors
/// [`RecordingError`] names file and line.
pub fn read_kpi2018(selection: Selection<'_>) -> Result<Vec<LabelledSeries>, RecordingError> {
    let files = selected_csv_files(selection)?;
    files.iter().map(|path| read_file(selection.folder, path)).collect()
}

pub(super) fn read_file(folder: &Path, path: &Path) -> Result<LabelledSeries, RecordingError> {
    let text = read_text(path)?;
    let name = name_below(folder, path);
    let mut series =
        LabelledSeries { name, at: Vec::new(), values: Vec::new(), labels: Vec::new(), scored: 0..0 };
    for (line, cells) in rows(&text) {
        let row = match cells.as_slice() {
            [time, value, label, part] => {
                time.parse::<i64>().ok().zip(value.parse().ok()).zip(Some((label, part)))
            }
            _ => None,
        };
        let ((secs, value), (label, part)) =
            row.ok_or_else(|| bad_line(path, line, "not `timestamp,value,label,part`"))?;
        series.at.push(secs.saturating_mul(NANOS_PER_SEC));
        series.values.push(value);
        series.labels.push(*label == "1");
        series.scored.start += usize::from(*part == "train");
    }
    series.scored.end = series.values.len();
    Ok(series)
}
