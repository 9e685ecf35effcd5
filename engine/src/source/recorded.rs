//! Reads recorded OTLP: a JSON request per line (`.jsonl`, `.jsonl.zst`), or protobuf requests with their length in
//! four big-endian bytes before each (`.pb`, `.pb.zst`), as the collector's file exporter writes them.
//!
//! Promises: bounded memory, requests in the order of their newest event time, ties in the order of file names and
//! lines. What this module does not do: stamp arrivals.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::decode::{DecodeLimits, Decoder};
use crate::error::EngineError;
use crate::record::{Compression, Encoding, Record, RecordKind, UnixNanos};
use crate::time::rows::newest_row;

/// Warnings about lines that cannot be used; after them only the count goes on.
const WARNINGS_MAX: u64 = 20;
const ENDINGS: [&str; 4] = [".jsonl", ".jsonl.zst", ".pb", ".pb.zst"];
/// Files of a folder with this beginning hold what a replay should give, not what goes in.
const NOT_INPUT: &str = "expected";

/// A request as it was recorded.
#[derive(Debug, Clone)]
pub(super) struct Recorded {
    pub(super) newest_at: UnixNanos,
    pub(super) kind: RecordKind,
    pub(super) encoding: Encoding,
    pub(super) body: Bytes,
}

/// What the files hold.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) requests: Vec<Recorded>,
    pub(super) passed_over: u64,
}

/// Reads all files, and all recordings of folders.
pub(super) fn read_recorded(paths: &[PathBuf], bytes_max: usize) -> Result<Found, EngineError> {
    let mut files = Vec::new();
    for path in paths {
        files.extend(files_of(path)?);
    }
    if files.is_empty() {
        return Err(EngineError::Setting(
            "no recording is named, must be at least one file or folder of .jsonl, .jsonl.zst or .pb"
                .to_owned(),
        ));
    }
    let mut reader = Reader {
        decoder: Decoder::new(DecodeLimits { unpacked_bytes_max: bytes_max, ..DecodeLimits::default() }),
        left: bytes_max,
        found: Found::default(),
    };
    for file in &files {
        reader.read(file, bytes_max)?;
    }
    reader.found.requests.sort_by_key(|request| request.newest_at);
    Ok(reader.found)
}

fn files_of(path: &Path) -> Result<Vec<PathBuf>, EngineError> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let fault = |source| EngineError::File { action: "list", path: path.to_owned(), source };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(fault)? {
        let file = entry.map_err(fault)?.path();
        let name = name_of(&file);
        if file.is_file() && !name.starts_with(NOT_INPUT) && ENDINGS.iter().any(|end| name.ends_with(end)) {
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(EngineError::Setting(format!(
            "{} holds no recording: name a folder with files that end in {}",
            path.display(),
            ENDINGS.join(", ")
        )));
    }
    files.sort();
    Ok(files)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

struct Reader {
    decoder: Decoder,
    left: usize,
    found: Found,
}

impl Reader {
    fn read(&mut self, path: &Path, bytes_max: usize) -> Result<(), EngineError> {
        let name = name_of(path);
        if !ENDINGS.iter().any(|end| name.ends_with(end)) {
            return Err(EngineError::Setting(format!(
                "{} is not a recording by its name, must end in one of {}",
                path.display(),
                ENDINGS.join(", ")
            )));
        }
        let bytes = unpacked(path, self.left)?.ok_or_else(|| {
            EngineError::Setting(format!(
                "{} does not fit: recordings may hold {} MiB together, unpacked; replay fewer or shorter files",
                path.display(),
                bytes_max >> 20
            ))
        })?;
        self.left -= bytes.len();
        if name.contains(".pb") {
            self.frames(path, &bytes)
        } else {
            self.lines(path, &bytes)
        }
        Ok(())
    }

    fn lines(&mut self, path: &Path, bytes: &Bytes) {
        let mut earlier = None;
        for (line, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
            let text = text.trim_ascii();
            if text.is_empty() {
                continue;
            }
            let body = bytes.slice_ref(text);
            let taken =
                kind_of(text).and_then(|kind| self.take((kind, Encoding::OtlpJson), body, &mut earlier));
            self.note(path, line, taken);
        }
    }

    fn frames(&mut self, path: &Path, bytes: &Bytes) {
        let kind = kind_of_name(&name_of(path));
        let (mut rest, mut earlier) = (bytes.clone(), None);
        for frame in 1.. {
            let Some((length, after)) = rest.split_first_chunk::<4>() else {
                let torn =
                    if rest.is_empty() { Ok(()) } else { Err("the file ends within a length".to_owned()) };
                return self.note(path, frame, torn);
            };
            let length = u32::from_be_bytes(*length) as usize;
            let Some(body) = after.get(..length) else {
                let why = format!("the file ends {} bytes before the request does", length - after.len());
                return self.note(path, frame, Err(why));
            };
            let (body, next) = (rest.slice_ref(body), rest.slice(4 + length..));
            rest = next;
            let taken =
                kind.clone().and_then(|kind| self.take((kind, Encoding::OtlpProto), body, &mut earlier));
            self.note(path, frame, taken);
        }
    }

    fn take(
        &mut self,
        (kind, encoding): (RecordKind, Encoding),
        body: Bytes,
        earlier: &mut Option<UnixNanos>,
    ) -> Result<(), String> {
        let record = Record {
            tenant: Arc::from(""),
            arrived_at: 0,
            kind,
            encoding,
            compression: Compression::None,
            body: body.clone(),
        };
        let (batch, _) = self.decoder.decode(&record).map_err(|error| error.to_string())?;
        // what carries no time of its own is as old as what stood before it
        let newest_at = newest_row(&batch).or(*earlier).ok_or("no row has a time, and none stood before")?;
        *earlier = Some(newest_at);
        self.found.requests.push(Recorded { newest_at, kind, encoding, body });
        Ok(())
    }

    fn note(&mut self, path: &Path, line: u64, taken: Result<(), String>) {
        let Err(why) = taken else { return };
        self.found.passed_over += 1;
        if self.found.passed_over <= WARNINGS_MAX {
            tracing::warn!(place = format!("{}:{line}", path.display()), why, "passed over");
        }
    }
}

/// The whole file, or `None` if it holds more than this.
fn unpacked(path: &Path, bytes_max: usize) -> Result<Option<Bytes>, EngineError> {
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(EngineError::Setting(format!(
                "{} does not exist: name a recorded OTLP file, or a folder of them",
                path.display()
            )));
        }
        opened => opened,
    };
    let fault = |source| EngineError::File { action: "read", path: path.to_owned(), source };
    let file = file.map_err(fault)?;
    let mut bytes = Vec::new();
    let limit = bytes_max as u64 + 1;
    if name_of(path).ends_with(".zst") {
        zstd::Decoder::new(file).map_err(fault)?.take(limit).read_to_end(&mut bytes).map_err(fault)?;
    } else {
        file.take(limit).read_to_end(&mut bytes).map_err(fault)?;
    }
    Ok((bytes.len() <= bytes_max).then(|| bytes.into()))
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
