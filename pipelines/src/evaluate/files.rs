//! Files of labelled data: text that may be packed with zstd, and JSON.
//!
//! A file that cannot be opened, unpacked or parsed is named in the error. What this module does not do: know what the
//! files hold.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;

use super::canaryrec::RecordingError;

/// Recordings are a few MiB; a bound keeps a wrong file from eating the memory.
const FILE_BYTES_MAX: u64 = 256 << 20;

fn unreadable(path: &Path) -> impl Fn(std::io::Error) -> RecordingError + '_ {
    |source| RecordingError::File { path: path.to_owned(), source }
}

/// Opens a file; one that ends in `.zst` is unpacked while it is read.
fn open(path: &Path) -> Result<Box<dyn Read>, RecordingError> {
    let file = File::open(path).map_err(unreadable(path))?;
    if path.extension().is_some_and(|ending| ending == "zst") {
        return Ok(Box::new(zstd::Decoder::new(file).map_err(unreadable(path))?));
    }
    Ok(Box::new(file))
}

/// The text of a file, unpacked if it is packed.
///
/// # Errors
/// [`RecordingError::File`].
pub(super) fn read_text(path: &Path) -> Result<String, RecordingError> {
    let mut text = String::new();
    open(path)?.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(unreadable(path))?;
    Ok(text)
}

/// The same, whole, where what is not UTF-8 is replaced: log lines hold anything.
///
/// # Errors
/// [`RecordingError::File`].
pub(super) fn read_lines_of_any_bytes(path: &Path) -> Result<String, RecordingError> {
    let mut bytes = Vec::new();
    open(path)?.read_to_end(&mut bytes).map_err(unreadable(path))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What `labels.json` of a folder of recordings says.
///
/// # Errors
/// [`RecordingError`] names file and line.
pub(super) fn read_labels<T: DeserializeOwned>(folder: &Path) -> Result<Vec<T>, RecordingError> {
    let path = folder.join("labels.json");
    let text = std::fs::read(&path).map_err(unreadable(&path))?;
    serde_json::from_slice(&text).map_err(|e| {
        let (line, why) = (e.line(), e.to_string());
        RecordingError::Line { path, line, why }
    })
}
