//! Labels for recorded logs that have none, from what is known of their statements, not from the template miner.
//!
//! TrainTicket (Nezha) names the place of the statement in its source, `Class#line`: that is the label, and places
//! whose lines share the same constant text are one. OnlineBoutique (Nezha) and our own recordings are labelled by
//! patterns that were written by hand, `testdata/logs/patterns.txt`. Some services of TrainTicket were looked at while
//! the miner was made; those that were not are a system of their own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::canaryrec::RecordingError;
use super::files::read_lines_of_any_bytes;
use super::loghub::{Pattern, column, csv_rows};
use super::logs::LabelledLines;

const PATTERNS: &str = include_str!("../../../testdata/logs/patterns.txt");
/// Services of TrainTicket that were looked at.
const LOOKED_AT: [&str; 6] = ["basic", "config", "order", "seat", "station", "travel"];
/// Tokens of a line that constant text is sought in.
const TOKENS_MAX: usize = 120;

/// The labelled lines of a folder of rollouts, or of Nezha.
pub(crate) fn labelled_recordings(folder: &Path) -> Result<Vec<LabelledLines>, RecordingError> {
    let mut found = Vec::new();
    let ours = files(folder, ".log.zst")?;
    if !ours.is_empty() {
        found.push(rollouts(&ours)?);
    }
    let (mut place, mut pattern) = (Places::default(), Vec::new());
    for day in files(folder, "")?.into_iter().filter(|path| path.join("log").is_dir()) {
        for file in files(&day.join("log"), ".csv.zst")? {
            nezha_file(&file, &mut place, &mut pattern)?;
        }
    }
    if !pattern.is_empty() {
        found.push(LabelledLines { system: "online_boutique".to_owned(), lines: pattern });
    }
    found.extend(place.into_systems());
    Ok(found)
}

fn files(folder: &Path, end: &str) -> Result<Vec<PathBuf>, RecordingError> {
    let failed = |source| RecordingError::File { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.to_string_lossy().ends_with(end) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The pattern with the most text that fits a whole message.
fn pattern_of(patterns: &[Pattern], message: &str) -> String {
    let message = message.trim();
    let fitting = patterns.iter().filter(|pattern| pattern.start_in(message) == Some(0));
    fitting.max_by_key(|pattern| pattern.n_bytes()).map_or_else(|| "(unknown)".to_owned(), |p| p.text.clone())
}

fn patterns() -> Vec<Pattern> {
    let lines = PATTERNS.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(Pattern::new).collect()
}

#[derive(Deserialize)]
struct OurLine {
    msg: String,
}

fn rollouts(files: &[PathBuf]) -> Result<LabelledLines, RecordingError> {
    let patterns = patterns();
    let mut lines = Vec::new();
    for file in files {
        for (nth, text) in read_lines_of_any_bytes(file)?.lines().enumerate() {
            let line: OurLine = serde_json::from_str(text).map_err(|why| RecordingError::Line {
                path: file.clone(),
                line: nth + 1,
                why: why.to_string(),
            })?;
            lines.push((pattern_of(&patterns, &line.msg), line.msg));
        }
    }
    Ok(LabelledLines { system: "canaryrec".to_owned(), lines })
}

#[derive(Deserialize)]
struct RuntimeLine {
    log: String,
}

#[derive(Deserialize)]
struct WithMessage {
    message: String,
}

/// Lines of one file: TrainTicket's to `places`, OnlineBoutique's to `by_pattern`.
fn nezha_file(
    file: &Path,
    places: &mut Places,
    by_pattern: &mut Vec<(String, String)>,
) -> Result<(), RecordingError> {
    let patterns = patterns();
    let rows = csv_rows(&read_lines_of_any_bytes(file)?);
    let (pod, log) = (column(file, &rows, &["PodName"])?, column(file, &rows, &["Log"])?);
    for row in rows.iter().skip(1) {
        let (Some(pod), Some(log)) = (row.get(pod), row.get(log)) else { continue };
        let Ok(line) = serde_json::from_str::<RuntimeLine>(log) else { continue };
        let text = line.log.trim_end();
        if pod.starts_with("ts-") {
            places.add(pod, text);
        } else {
            let message = serde_json::from_str::<WithMessage>(text);
            let message = message.map_or_else(|_| text.to_owned(), |of_json| of_json.message);
            by_pattern.push((pattern_of(&patterns, &message), text.to_owned()));
        }
    }
    Ok(())
}

/// Lines by the place of their statement.
#[derive(Debug, Default)]
struct Places {
    /// Service and place to the text that all its lines share.
    constant: BTreeMap<(String, String), Vec<String>>,
    lines: Vec<((String, String), String)>,
}

impl Places {
    /// `time LEVEL  logger#line TraceID: x SpanID: y message`; the message alone is the line.
    fn add(&mut self, pod: &str, text: &str) {
        let service = pod.split("-service").next().unwrap_or(pod).trim_start_matches("ts-").to_owned();
        let mut words = text.split_whitespace();
        let Some(place) = words.nth(2).filter(|place| place.contains('#')) else { return };
        let Some(after) = text.split_once("SpanID: ").map(|(_, after)| after) else { return };
        let message = after.split_once(' ').map_or("", |(_, message)| message).to_owned();
        let key = (service, place.to_owned());
        let tokens = tokens_of(message.lines().next().unwrap_or_default());
        match self.constant.get_mut(&key) {
            None => {
                self.constant.insert(key.clone(), tokens);
            }
            Some(constant) if !is_within(constant, &tokens) => *constant = common(constant, &tokens),
            Some(_) => {}
        }
        self.lines.push((key, message));
    }

    fn into_systems(self) -> Vec<LabelledLines> {
        let (mut seen, mut unseen) = (Vec::new(), Vec::new());
        for (key, message) in self.lines {
            let label = self.constant.get(&key).map(|tokens| tokens.join(" ")).unwrap_or_default();
            let side = if LOOKED_AT.contains(&key.0.as_str()) { &mut seen } else { &mut unseen };
            side.push((label, message));
        }
        let systems = [("train_ticket_tuned_on", seen), ("train_ticket_held_out", unseen)];
        let filled = systems.into_iter().filter(|(_, lines)| !lines.is_empty());
        filled.map(|(system, lines)| LabelledLines { system: system.to_owned(), lines }).collect()
    }
}

/// Words and signs.
fn tokens_of(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut in_word = false;
    for letter in text.chars() {
        let is_word = letter.is_alphanumeric() || letter == '_';
        if is_word && in_word {
            if let Some(last) = tokens.last_mut() {
                last.push(letter);
            }
        } else if !letter.is_whitespace() {
            if tokens.len() == TOKENS_MAX {
                break;
            }
            tokens.push(letter.to_string());
        }
        in_word = is_word;
    }
    tokens
}

fn is_within(part: &[String], whole: &[String]) -> bool {
    let mut whole = whole.iter();
    part.iter().all(|token| whole.any(|other| other == token))
}

/// The longest common subsequence.
fn common(one: &[String], other: &[String]) -> Vec<String> {
    let width = other.len() + 1;
    let mut length = vec![0_u16; (one.len() + 1) * width];
    for i in (0..one.len()).rev() {
        for j in (0..other.len()).rev() {
            length[i * width + j] = if one[i] == other[j] {
                length[(i + 1) * width + j + 1] + 1
            } else {
                length[(i + 1) * width + j].max(length[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut shared) = (0, 0, Vec::new());
    while i < one.len() && j < other.len() {
        if one[i] == other[j] {
            shared.push(one[i].clone());
            (i, j) = (i + 1, j + 1);
        } else if length[(i + 1) * width + j] >= length[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    shared
}
