//! Goes through recorded files once and notes where each request stands and how new it is.
//!
//! Promises: one request in memory at a time; what cannot be used is warned of, counted and passed over. What this module
//! does not do: order requests.

use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::unpacked::Unpacked;
use super::{Bounds, Recorded, name_of};
use crate::decode::{DecodeLimits, Decoder};
use crate::error::EngineError;
use crate::record::{Compression, Encoding, Record, RecordKind, UnixNanos};
use crate::time::rows::newest_row;

/// Warnings about lines that cannot be used; after them only the count goes on.
const WARNINGS_MAX: u64 = 20;

/// One way through all files.
pub(super) struct Search {
    decoder: Decoder,
    bounds: Bounds,
    requests: Vec<Recorded>,
    passed_over: u64,
}

/// Bytes of a file that should be a request.
struct Candidate {
    what: Result<(RecordKind, Encoding), String>,
    file: u32,
    offset: u64,
    bytes: Vec<u8>,
}

impl Search {
    pub(super) fn new(bounds: Bounds) -> Self {
        let limits = DecodeLimits { unpacked_bytes_max: bounds.request_bytes, ..DecodeLimits::default() };
        Self { decoder: Decoder::new(limits), bounds, requests: Vec::new(), passed_over: 0 }
    }

    /// Looks through one file, known by this number.
    pub(super) fn file(&mut self, number: u32, file: &Unpacked) -> Result<(), EngineError> {
        if name_of(file.path()).contains(".pb") {
            self.frames(number, file)
        } else {
            self.lines(number, file)
        }
    }

    /// The requests in the order of files and places, and how many candidates were none.
    pub(super) fn found(self) -> (Vec<Recorded>, u64) {
        (self.requests, self.passed_over)
    }

    fn lines(&mut self, number: u32, file: &Unpacked) -> Result<(), EngineError> {
        let (mut input, mut offset, mut earlier) = (file.reader()?, 0, None);
        for line in 1.. {
            let Some((text, length)) =
                next_line(&mut input, self.bounds.request_bytes).map_err(|source| file.fault(source))?
            else {
                return Ok(());
            };
            let begin = text.as_deref().map_or(0, |text| text.len() - text.trim_ascii_start().len());
            let taken = match text {
                Some(text) if text.trim_ascii().is_empty() => Ok(()),
                Some(text) => {
                    let bytes = text.trim_ascii().to_vec();
                    let what = kind_of(&bytes).map(|kind| (kind, Encoding::OtlpJson));
                    let offset = offset + begin as u64;
                    self.take(Candidate { what, file: number, offset, bytes }, &mut earlier)
                }
                None => Err(self.too_long(length)),
            };
            self.note(file.path(), line, taken);
            offset += length;
        }
        Ok(())
    }

    fn frames(&mut self, number: u32, file: &Unpacked) -> Result<(), EngineError> {
        let kind = kind_of_name(&name_of(file.path()));
        let (mut input, mut offset, mut earlier) = (file.reader()?, 0, None);
        for frame in 1.. {
            let left = file.length().saturating_sub(offset);
            if left < 4 {
                let torn = if left == 0 { Ok(()) } else { Err("the file ends within a length".to_owned()) };
                self.note(file.path(), frame, torn);
                return Ok(());
            }
            let mut length = [0; 4];
            input.read_exact(&mut length).map_err(|source| file.fault(source))?;
            let length = u32::from_be_bytes(length);
            if u64::from(length) > left - 4 {
                let missing = u64::from(length) - (left - 4);
                let why = format!("the file ends {missing} bytes before the request does");
                self.note(file.path(), frame, Err(why));
                return Ok(());
            }
            let taken = if length as usize > self.bounds.request_bytes {
                input.seek_relative(i64::from(length)).map_err(|source| file.fault(source))?;
                Err(self.too_long(length.into()))
            } else {
                let mut bytes = vec![0; length as usize];
                input.read_exact(&mut bytes).map_err(|source| file.fault(source))?;
                let what = kind.clone().map(|kind| (kind, Encoding::OtlpProto));
                self.take(Candidate { what, file: number, offset: offset + 4, bytes }, &mut earlier)
            };
            self.note(file.path(), frame, taken);
            offset += 4 + u64::from(length);
        }
        Ok(())
    }

    fn too_long(&self, length: u64) -> String {
        format!("{length} bytes, a request may hold {}", self.bounds.request_bytes)
    }

    fn take(&mut self, candidate: Candidate, earlier: &mut Option<UnixNanos>) -> Result<(), String> {
        let Candidate { what, file, offset, bytes } = candidate;
        let (kind, encoding) = what?;
        let length = u32::try_from(bytes.len()).map_err(|_| "longer than 4 GiB".to_owned())?;
        let record = Record {
            tenant: Arc::from(""),
            arrived_at: 0,
            kind,
            encoding,
            compression: Compression::None,
            body: bytes.into(),
        };
        let (batch, _) = self.decoder.decode(&record).map_err(|error| error.to_string())?;
        // what carries no time of its own is as old as what stood before it
        let newest_at = newest_row(&batch).or(*earlier).ok_or("no row has a time, and none stood before")?;
        *earlier = Some(newest_at);
        self.requests.push(Recorded { newest_at, kind, encoding, file, length, offset });
        Ok(())
    }

    fn note(&mut self, path: &Path, line: u64, taken: Result<(), String>) {
        let Err(why) = taken else { return };
        self.passed_over += 1;
        if self.passed_over <= WARNINGS_MAX {
            tracing::warn!(place = format!("{}:{line}", path.display()), why, "passed over");
        }
    }
}

/// The next line and its length with its end; `None` for the line if it is longer than `bytes_max`, and for both at the
/// end of the input.
fn next_line<R: Read>(
    input: &mut BufReader<R>,
    bytes_max: usize,
) -> io::Result<Option<(Option<Vec<u8>>, u64)>> {
    let mut line = Vec::new();
    input.by_ref().take(bytes_max as u64 + 1).read_until(b'\n', &mut line)?;
    let mut length = line.len() as u64;
    if line.len() <= bytes_max || line.ends_with(b"\n") {
        return Ok((length > 0).then_some((Some(line), length)));
    }
    loop {
        let piece = input.fill_buf()?;
        let end = piece.iter().position(|byte| *byte == b'\n');
        let passed = end.map_or(piece.len(), |end| end + 1);
        input.consume(passed);
        length += passed as u64;
        if end.is_some() || passed == 0 {
            return Ok(Some((None, length)));
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TopLevel<'a> {
    #[serde(borrow)]
    resource_metrics: Option<&'a RawValue>,
    #[serde(borrow)]
    resource_logs: Option<&'a RawValue>,
    #[serde(borrow)]
    resource_spans: Option<&'a RawValue>,
}

fn kind_of(line: &[u8]) -> Result<RecordKind, String> {
    let top: TopLevel<'_> =
        serde_json::from_slice(line).map_err(|error| format!("not a JSON object: {error}"))?;
    let kinds = [
        (top.resource_metrics, RecordKind::Metrics),
        (top.resource_logs, RecordKind::Logs),
        (top.resource_spans, RecordKind::Spans),
    ];
    let mut kinds = kinds.into_iter().filter(|(found, _)| found.is_some());
    match (kinds.next(), kinds.next()) {
        (Some((_, kind)), None) => Ok(kind),
        _ => Err("must have one of resourceMetrics, resourceLogs, resourceSpans".to_owned()),
    }
}

fn kind_of_name(name: &str) -> Result<RecordKind, String> {
    let kinds = [("metrics", RecordKind::Metrics), ("logs", RecordKind::Logs), ("traces", RecordKind::Spans)];
    let kind = kinds.into_iter().find(|(start, _)| name.starts_with(start)).map(|(_, kind)| kind);
    kind.ok_or_else(|| "the name of a .pb file must begin with metrics, logs or traces".to_owned())
}
