//! Log lines of one pod in one second.

use engine::batch::{LogRow, RawValue};
use engine::record::UnixNanos;
use models::text::Shape;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use super::keyed::Keyed;
use super::row::LineSample;
use super::spans::first_text;
use super::templates::Shapes;

/// Error lines kept per cell.
const SAMPLES_MAX: usize = 3;
/// Bytes kept of a line.
const TEXT_BYTES_MAX: usize = 200;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Sample {
    at: UnixNanos,
    text: String,
    location: String,
    trace_id: Option<[u8; 16]>,
    span_id: Option<[u8; 8]>,
}

/// # Invariants
/// Adding commutes, and adding the same request again adds nothing: of each distinct line the largest number of times
/// that it occurs in one request counts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct LineCell {
    by_severity: [u64; 6],
    times: Keyed<u128, u32>,
    samples: Vec<Sample>,
    shapes: Shapes,
}

impl LineCell {
    /// Adds a line that occurred `times` times in its request up to now; whether it was new.
    pub(crate) fn add(&mut self, row: &LogRow<'_>, key: u128, times: u32, shape: &mut Shape) -> bool {
        let known = self.times.of(key, || 0);
        if times <= *known {
            return false;
        }
        let first = *known == 0;
        let more = u64::from(times - *known);
        *known = times;
        let class = severity_class(row.severity);
        if let Some(count) = self.by_severity.get_mut(class) {
            *count = count.saturating_add(more);
        }
        shape.read(row.body.as_bytes());
        self.shapes.add(class as u8, row.logger, shape, more);
        if class >= 4 && first {
            self.keep(sample_of(row));
        }
        true
    }

    /// Keeps the earliest error lines, each text and location once.
    fn keep(&mut self, new: Sample) {
        let alike = |known: &&mut Sample| known.text == new.text && known.location == new.location;
        if let Some(same) = self.samples.iter_mut().find(alike) {
            if new < *same {
                *same = new;
            }
        } else {
            self.samples.push(new);
        }
        self.samples.sort_unstable();
        self.samples.truncate(SAMPLES_MAX);
    }

    pub(crate) fn n_distinct(&self) -> usize {
        self.times.len()
    }

    pub(crate) fn into_parts(self) -> ([u64; 6], Vec<LineSample>, Shapes) {
        let samples = self.samples.into_iter().map(|sample| LineSample {
            text: sample.text,
            location: sample.location,
            trace_id: sample.trace_id,
            span_id: sample.span_id,
        });
        (self.by_severity, samples.collect(), self.shapes)
    }
}

/// trace, debug, info, warn, error, fatal; unset counts as info.
fn severity_class(severity: u8) -> usize {
    match severity {
        1..=4 => 0,
        5..=8 => 1,
        0 | 9..=12 => 2,
        13..=16 => 3,
        17..=20 => 4,
        _ => 5,
    }
}

/// Digest of everything a line says; retries repeat it, other lines do not.
pub(crate) fn line_key(row: &LogRow<'_>) -> u128 {
    // what is long by its own digest, so that no text runs into the next
    let texts = [row.logger.as_bytes(), row.body.as_bytes(), row.event_name.as_bytes(), row.attributes.0];
    let [logger, body, event, attributes] = texts.map(|text| xxh3_128(text).to_le_bytes());
    let mut rest = [0; 32];
    rest[..8].copy_from_slice(&row.at.to_le_bytes());
    rest[8..16].copy_from_slice(&row.observed_at.to_le_bytes());
    rest[16..24].copy_from_slice(&row.span_id.unwrap_or_default());
    rest[24] = row.severity;
    let (rest, _) = rest.as_chunks::<16>();
    let parts = [logger, body, event, attributes, row.trace_id.unwrap_or_default(), rest[0], rest[1]];
    xxh3_128(parts.as_flattened())
}

fn sample_of(row: &LogRow<'_>) -> Sample {
    Sample {
        at: row.at,
        text: cut(row.body, TEXT_BYTES_MAX).to_owned(),
        location: cut(&location_of(row), TEXT_BYTES_MAX).to_owned(),
        trace_id: row.trace_id,
        span_id: row.span_id,
    }
}

/// Where in the code a line was written, as far as it says so: `logger#function:line`. Where no function is told its
/// file stands in its place, and where no logger is told the function's namespace does (semantic conventions for
/// `code.*`, new names before old ones).
fn location_of(row: &LogRow<'_>) -> String {
    let [logger, namespace, function, old_function, file, old_file, line, old_line] = row.attributes.pick([
        "logger.name",
        "code.namespace",
        "code.function.name",
        "code.function",
        "code.file.path",
        "code.filepath",
        "code.line.number",
        "code.lineno",
    ]);
    let speaker = Some(row.logger).filter(|logger| !logger.is_empty());
    let speaker = speaker.or_else(|| first_text([logger, namespace]));
    let mut location = speaker.unwrap_or_default().to_owned();
    if let Some(place) = first_text([function, old_function, file, old_file]) {
        location.push('#');
        location.push_str(place);
    }
    if let Some(line) = [line, old_line].into_iter().flatten().find_map(RawValue::int) {
        location.push(':');
        location.push_str(&line.to_string());
    }
    location
}

/// The first bytes of a text, up to a whole character.
fn cut(text: &str, bytes_max: usize) -> &str {
    let end = text.floor_char_boundary(bytes_max);
    text.get(..end).unwrap_or(text)
}
