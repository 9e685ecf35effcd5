//! Writes a recorded rollout as OTLP JSON lines, so that anything that reads OTLP can replay it.
//!
//! What it does not do: change what was recorded.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use engine::record::RecordKind;
use serde::Serialize;

use super::canaryrec::{Label, RecordedRequest, Recording, RecordingError};
use super::files::read_labels;

/// Recordings are written once and read often.
const ZSTD_LEVEL: i32 = 19;

/// Writes each rollout of a folder as `<out>/<id>-<fault>/metrics.jsonl.zst` and `logs.jsonl.zst`; gives the folders.
///
/// # Errors
/// [`RecordingError`] names file and line.
pub fn export_canary(folder: &Path, out: &Path) -> Result<Vec<PathBuf>, RecordingError> {
    let mut written = Vec::new();
    for label in read_labels::<Label>(folder)? {
        let recording = Recording::read(folder, &label.id)?;
        let target = out.join(format!("{}-{}", label.id, label.fault));
        std::fs::create_dir_all(&target)
            .map_err(|source| RecordingError::File { path: target.clone(), source })?;
        for (kind, name) in [(RecordKind::Metrics, "metrics"), (RecordKind::Logs, "logs")] {
            let requests = recording.requests.iter().filter(|request| request.kind == kind);
            let path = target.join(format!("{name}.jsonl.zst"));
            write_lines(&path, requests).map_err(|source| RecordingError::File { path, source })?;
        }
        written.push(target);
    }
    Ok(written)
}

fn write_lines<'a>(
    path: &Path,
    requests: impl Iterator<Item = &'a RecordedRequest>,
) -> Result<(), std::io::Error> {
    let mut packed = zstd::Encoder::new(BufWriter::new(File::create(path)?), ZSTD_LEVEL)?;
    for request in requests {
        write_line(&mut packed, request.metrics.as_ref())?;
        write_line(&mut packed, request.logs.as_ref())?;
    }
    packed.finish()?.flush()
}

fn write_line(out: &mut impl Write, request: Option<&impl Serialize>) -> Result<(), std::io::Error> {
    let Some(request) = request else { return Ok(()) };
    serde_json::to_writer(&mut *out, request)?;
    out.write_all(b"\n")
}
