//! Files of labelled data: text that may be packed with zstd, and JSON.
//!
//! A file that cannot be opened, unpacked or parsed is named in the error. What this module does not do: know what the
//! files hold.

use std::fs::File;
use std::io::{Error, ErrorKind, Read};
use std::path::Path;

use serde::de::DeserializeOwned;

use super::canaryrec::RecordingError;

/// Recordings are a few MiB; a bound keeps a wrong file from eating the memory.
const FILE_BYTES_MAX: u64 = 256 << 20;

fn unreadable(path: &Path) -> impl Fn(Error) -> RecordingError + '_ {
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
/// [`RecordingError::File`], also for more than 256 MiB.
pub(super) fn read_text(path: &Path) -> Result<String, RecordingError> {
    text_within(open(path)?, FILE_BYTES_MAX).map_err(unreadable(path))
}

/// A text cut short would be read as another recording, so one that is too long is none.
fn text_within(reader: impl Read, bytes_max: u64) -> Result<String, Error> {
    let mut text = Vec::new();
    // one byte more than allowed tells a text at the limit from one beyond it
    reader.take(bytes_max.saturating_add(1)).read_to_end(&mut text)?;
    if text.len() as u64 > bytes_max {
        let why = format!("holds more than {bytes_max} bytes, which no recording does");
        return Err(Error::new(ErrorKind::FileTooLarge, why));
    }
    String::from_utf8(text).map_err(|e| Error::new(ErrorKind::InvalidData, e))
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

#[cfg(test)]
mod tests {
    use super::{ErrorKind, text_within};

    /// Scenario: a text as long as allowed, one byte longer, and one whose limit falls inside a character.
    /// Guarantees: the first is read whole; of the others nothing is read, and the error names the limit.
    #[test]
    fn a_text_is_read_whole_or_not_at_all() {
        assert_eq!(text_within("1,2\n".as_bytes(), 4).unwrap(), "1,2\n");
        for text in ["1,2\n3", "1,2\u{e9}"] {
            let refused = text_within(text.as_bytes(), 4).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::FileTooLarge, "{text}");
            assert!(refused.to_string().contains("more than 4 bytes"), "{refused}");
        }
    }
}
