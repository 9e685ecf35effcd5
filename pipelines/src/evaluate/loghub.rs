//! Labelled log files as Loghub lays them out.
//!
//! `<system>_2k.log_structured.csv` has a row per line with `Content` (the line without its header) and `EventId` or
//! `EventTemplate`. Where only the raw log and `<log>_templates.csv` are there, a line's label is the template with the most
//! text that fits its end, and its content begins where the template does. Files may be packed with zstd.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::canaryrec::RecordingError;
use super::files::read_lines_of_any_bytes;
use super::logs::LabelledLines;

/// Folders below the one that was named.
const DEPTH_MAX: usize = 3;
const STRUCTURED: [&str; 2] = ["_structured_corrected.csv", "_structured.csv"];
const TEMPLATES: &str = "_templates.csv";

/// Every labelled log below a folder, by path.
pub(crate) fn labelled_files(folder: &Path) -> Result<Vec<LabelledLines>, RecordingError> {
    let mut files = BTreeSet::new();
    list(folder, DEPTH_MAX, &mut files)?;
    let mut systems = Vec::new();
    let stem = |file: &Path, end: &str| {
        let name = file.to_string_lossy();
        let name = name.strip_suffix(".zst").unwrap_or(&name);
        name.strip_suffix(end).map(str::to_owned)
    };
    let mut done = BTreeSet::new();
    for end in STRUCTURED {
        for (file, stem) in files.iter().filter_map(|file| Some((file, stem(file, end)?))) {
            if done.insert(stem.clone()) {
                systems.push(LabelledLines { system: name_of(&stem), lines: structured(file)? });
            }
        }
    }
    for (file, stem) in files.iter().filter_map(|file| Some((file, stem(file, TEMPLATES)?))) {
        let log = [PathBuf::from(&stem), PathBuf::from(format!("{stem}.zst"))]
            .into_iter()
            .find(|log| log.is_file());
        if let Some(log) = log.filter(|_| done.insert(stem.clone())) {
            systems.push(LabelledLines { system: name_of(&stem), lines: by_template(file, &log)? });
        }
    }
    systems.sort_by(|a, b| a.system.cmp(&b.system));
    Ok(systems)
}

fn name_of(stem: &str) -> String {
    let name =
        Path::new(stem).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    name.strip_suffix(".log").map(str::to_owned).unwrap_or(name)
}

fn list(folder: &Path, depth: usize, files: &mut BTreeSet<PathBuf>) -> Result<(), RecordingError> {
    let failed = |source| RecordingError::File { path: folder.to_owned(), source };
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() && depth > 0 {
            list(&path, depth - 1, files)?;
        } else if path.is_file() {
            files.insert(path);
        }
    }
    Ok(())
}

fn structured(path: &Path) -> Result<Vec<(String, String)>, RecordingError> {
    let rows = csv_rows(&read_lines_of_any_bytes(path)?);
    let label = column(path, &rows, &["EventId", "EventTemplate"])?;
    let content = column(path, &rows, &["Content"])?;
    let rows = rows.into_iter().skip(1);
    Ok(rows.filter_map(|row| Some((row.get(label)?.clone(), row.get(content)?.clone()))).collect())
}

fn by_template(path: &Path, log: &Path) -> Result<Vec<(String, String)>, RecordingError> {
    let rows = csv_rows(&read_lines_of_any_bytes(path)?);
    let text = column(path, &rows, &["EventTemplate"])?;
    let patterns: Vec<Pattern> =
        rows.iter().skip(1).filter_map(|row| Some(Pattern::new(row.get(text)?))).collect();
    let log = read_lines_of_any_bytes(log)?;
    let labelled = log.lines().filter(|line| !line.trim().is_empty()).map(|line| {
        let line = line.trim_end();
        let fitting = patterns.iter().filter_map(|pattern| Some((pattern, pattern.start_in(line)?)));
        let best = fitting.max_by_key(|(pattern, start)| (pattern.n_bytes(), std::cmp::Reverse(*start)));
        match best {
            Some((pattern, start)) => (pattern.text.clone(), line.get(start..).unwrap_or(line).to_owned()),
            None => ("(no template)".to_owned(), line.to_owned()),
        }
    });
    Ok(labelled.collect())
}

pub(crate) fn column(path: &Path, rows: &[Vec<String>], names: &[&str]) -> Result<usize, RecordingError> {
    let head = rows.first().map(Vec::as_slice).unwrap_or_default();
    let found = names.iter().find_map(|name| head.iter().position(|column| column.trim() == *name));
    found.ok_or_else(|| RecordingError::Line {
        path: path.to_owned(),
        line: 1,
        why: format!("no column {}", names.join(" or ")),
    })
}

/// A text with `<*>` for values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pattern {
    pub(crate) text: String,
    parts: Vec<String>,
}

impl Pattern {
    pub(crate) fn new(text: &str) -> Self {
        let text = text.trim_end().to_owned();
        Self { parts: text.split("<*>").map(str::to_owned).collect(), text }
    }

    /// How much of it is text.
    pub(crate) fn n_bytes(&self) -> usize {
        self.parts.iter().map(String::len).sum()
    }

    /// Where it begins in a line whose end it fits.
    pub(crate) fn start_in(&self, line: &str) -> Option<usize> {
        let (first, rest) = self.parts.split_first()?;
        let Some((last, middle)) = rest.split_last() else {
            return line.ends_with(first.as_str()).then(|| line.len() - first.len());
        };
        let start = line.find(first.as_str())?;
        let mut at = start + first.len();
        for part in middle {
            at += line.get(at..)?.find(part.as_str())? + part.len();
        }
        (line.len() >= at + last.len() && line.ends_with(last.as_str())).then_some(start)
    }
}

/// Rows of a CSV text; a quoted field may hold commas, quotes and line ends.
pub(crate) fn csv_rows(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                field.push('"');
                letters.next();
            }
            '"' if quoted || field.is_empty() => quoted = !quoted,
            ',' if !quoted => row.push(std::mem::take(&mut field)),
            '\n' if !quoted => {
                let line_end = field.strip_suffix('\r').map(str::len);
                field.truncate(line_end.unwrap_or(field.len()));
                row.push(std::mem::take(&mut field));
                rows.push(std::mem::take(&mut row));
            }
            letter => field.push(letter),
        }
    }
    if !field.is_empty() || !row.is_empty() {
        row.push(field);
        rows.push(row);
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: quotes, commas and line ends within a field, Windows line ends, no end of the last line.
    /// Guarantees: fields come out as they were meant.
    #[test]
    fn csv_is_read_as_written() {
        let rows = csv_rows("a,b\r\n1,\"x, \"\"y\"\"\nz\"\r\n2,");
        assert_eq!(rows, [vec!["a", "b"], vec!["1", "x, \"y\"\nz"], vec!["2", ""]]);
    }

    /// Scenario: patterns with values at the start, in the middle and at the end, on lines with a header.
    /// Guarantees: only those that fit up to the end of the line do, and it is known where they begin.
    #[test]
    fn patterns_fit_the_end_of_a_line() {
        let check = |pattern: &str, line: &str, start: Option<usize>| {
            assert_eq!(Pattern::new(pattern).start_in(line), start, "{pattern} in {line}");
        };
        check("a <*> b", "10:00 a 5 b", Some(6));
        check("a <*> b", "10:00 a 5 b c", None);
        check("took <*>", "x took 5 ms", Some(2));
        check("<*> took", "x took", Some(0));
        check("done", "all done", Some(4));
        check("a <*> a", "a", None);
    }
}
