//! Finds the requests in recorded OTLP: a JSON request per line (`.jsonl`, `.jsonl.zst`), or protobuf requests with
//! their length in four big-endian bytes before each (`.pb`, `.pb.zst`), as the collector's file exporter writes them.
//!
//! Promises: requests in the order of their newest event time, ties in the order of file names and lines; memory for one
//! request and for where the others stand, however long the recording is. What this module does not do: stamp arrivals.

mod search;
mod unpacked;

use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::error::EngineError;
use crate::record::{Encoding, RecordKind, UnixNanos};
use search::Search;
use unpacked::Unpacked;

const ENDINGS: [&str; 4] = [".jsonl", ".jsonl.zst", ".pb", ".pb.zst"];
/// Files of a folder with this beginning hold what a replay should give, not what goes in.
const NOT_INPUT: &str = "expected";

/// Bounds of what is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Of one request; what is longer is passed over.
    pub(super) request_bytes: usize,
    /// Of one packed file, unpacked.
    pub(super) file_bytes: u64,
}

/// A request as it was recorded, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Recorded {
    pub(super) newest_at: UnixNanos,
    pub(super) kind: RecordKind,
    pub(super) encoding: Encoding,
    file: u32,
    length: u32,
    offset: u64,
}

/// What the files hold.
#[derive(Debug)]
pub(super) struct Recordings {
    files: Vec<Unpacked>,
    requests: Vec<Recorded>,
    passed_over: u64,
}

impl Recordings {
    /// Reads all files, and all recordings of folders, once.
    pub(super) fn find(paths: &[PathBuf], bounds: Bounds) -> Result<Self, EngineError> {
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
        let mut search = Search::new(bounds);
        let mut read = Vec::new();
        for (number, path) in (0..).zip(&files) {
            let file = opened(path, bounds)?;
            search.file(number, &file)?;
            read.push(file);
        }
        let (mut requests, passed_over) = search.found();
        requests.sort_by_key(|request| request.newest_at);
        Ok(Self { files: read, requests, passed_over })
    }

    pub(super) fn requests(&self) -> &[Recorded] {
        &self.requests
    }

    /// Lines and frames that could not be used.
    pub(super) fn passed_over(&self) -> u64 {
        self.passed_over
    }

    /// What one of the requests says.
    pub(super) fn body(&self, request: &Recorded) -> Result<Bytes, EngineError> {
        self.files[request.file as usize].at(request.offset, request.length as usize)
    }
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

fn opened(path: &Path, bounds: Bounds) -> Result<Unpacked, EngineError> {
    let name = name_of(path);
    // what is not there is told as such, whatever its name
    if path.exists() && !ENDINGS.iter().any(|end| name.ends_with(end)) {
        return Err(EngineError::Setting(format!(
            "{} is not a recording by its name, must end in one of {}",
            path.display(),
            ENDINGS.join(", ")
        )));
    }
    Unpacked::open(path, bounds.file_bytes)
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
