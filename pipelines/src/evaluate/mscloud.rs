//! `evaluate mscloud`: Microsoft's cloud monitoring series; the first 15 % of each are only learned.

use std::path::Path;

use super::canaryrec::RecordingError;
use super::files::read_text;
use super::part::Selection;
use super::series::{LabelledSeries, bad_line, name_below, parse_time, rows, selected_csv_files};

/// Reads every selected `<kind>/<name>.csv.zst` of a folder: `TimeStamp,Value,Label`. An empty value is no number.
///
/// # Errors
/// [`RecordingError`] names file and line.
pub fn read_mscloud(selection: Selection<'_>) -> Result<Vec<LabelledSeries>, RecordingError> {
    let files = selected_csv_files(selection)?;
    files.iter().map(|path| read_file(selection.folder, path)).collect()
}

fn read_file(folder: &Path, path: &Path) -> Result<LabelledSeries, RecordingError> {
    let text = read_text(path)?;
    let (mut at, mut values, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    for (line, cells) in rows(&text) {
        let [time, value, label, ..] = cells.as_slice() else {
            return Err(bad_line(path, line, "not `TimeStamp,Value,Label`"));
        };
        at.push(parse_time(time).ok_or_else(|| bad_line(path, line, format!("`{time}` is no time")))?);
        values.push(
            if value.is_empty() { Ok(f64::NAN) } else { value.parse() }.map_err(
                |e: std::num::ParseFloatError| bad_line(path, line, format!("value `{value}`: {e}")),
            )?,
        );
        labels.push(label.parse::<f64>().is_ok_and(|label| label > 0.0));
    }
    let n = values.len();
    Ok(LabelledSeries { name: name_below(folder, path), at, values, labels, scored: n * 15 / 100..n })
}
