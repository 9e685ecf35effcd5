//! An append-only file of checksummed frames.
//!
//! A frame is `length (4, little endian) crc32 (4) bytes`. Promises: what was synced is read back; an end that was
//! torn off by a crash is cut. What this module does not do: know what the bytes mean, or delete old ones.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::EngineError;

/// Largest frame that is believed.
const FRAME_BYTES_MAX: usize = 64 << 20;

/// Bytes that can be added to, synced, cut and read.
#[expect(
    clippy::len_without_is_empty,
    reason = "the length is a place to go on from, emptiness means nothing"
)]
pub trait Journal: Send + Sync + std::fmt::Debug {
    /// Its length in bytes.
    ///
    /// # Errors
    /// What the disk says.
    fn len(&self) -> Result<u64, EngineError>;

    /// Fills `into` from this place.
    ///
    /// # Errors
    /// What the disk says, also when there is less.
    fn read_at(&self, place: u64, into: &mut [u8]) -> Result<(), EngineError>;

    /// Writes at this place, which is the end.
    ///
    /// # Errors
    /// What the disk says; part of the bytes may stand.
    fn append(&self, place: u64, bytes: &[u8]) -> Result<(), EngineError>;

    /// Returns when everything appended is durable.
    ///
    /// # Errors
    /// What the disk says.
    fn sync(&self) -> Result<(), EngineError>;

    /// Cuts everything from this place on.
    ///
    /// # Errors
    /// What the disk says.
    fn cut(&self, place: u64) -> Result<(), EngineError>;
}

/// A journal in a file.
#[derive(Debug)]
pub struct FileJournal {
    file: File,
    path: PathBuf,
}

impl FileJournal {
    /// Opens or makes the file and the directory it is in.
    ///
    /// # Errors
    /// [`EngineError::File`] when the disk refuses.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        let fault = |action| move |source| EngineError::File { action, path: path.to_owned(), source };
        let dir = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(dir).map_err(fault("create the directory of"))?;
        let mut options = File::options();
        let file =
            options.read(true).write(true).create(true).truncate(false).open(path).map_err(fault("open"))?;
        if let Ok(dir) = File::open(dir) {
            dir.sync_all().map_err(fault("sync the directory of"))?;
        }
        Ok(Self { file, path: path.to_owned() })
    }

    /// Opens a file that must exist, to read it only.
    ///
    /// # Errors
    /// [`EngineError::File`] when it is not there or the disk refuses.
    pub fn open_to_read(path: &Path) -> Result<Self, EngineError> {
        let fault = |source| EngineError::File { action: "open", path: path.to_owned(), source };
        Ok(Self { file: File::open(path).map_err(fault)?, path: path.to_owned() })
    }

    fn fault(&self, action: &'static str) -> impl FnOnce(std::io::Error) -> EngineError + '_ {
        move |source| EngineError::File { action, path: self.path.clone(), source }
    }
}

impl Journal for FileJournal {
    fn len(&self) -> Result<u64, EngineError> {
        self.file.metadata().map(|metadata| metadata.len()).map_err(self.fault("measure"))
    }

    fn read_at(&self, place: u64, into: &mut [u8]) -> Result<(), EngineError> {
        self.file.read_exact_at(into, place).map_err(self.fault("read"))
    }

    fn append(&self, place: u64, bytes: &[u8]) -> Result<(), EngineError> {
        self.file.write_all_at(bytes, place).map_err(self.fault("append to"))
    }

    fn sync(&self) -> Result<(), EngineError> {
        self.file.sync_data().map_err(self.fault("sync"))
    }

    fn cut(&self, place: u64) -> Result<(), EngineError> {
        self.file.set_len(place).map_err(self.fault("cut"))?;
        self.sync()
    }
}

impl<J: Journal> Journal for Arc<J> {
    fn len(&self) -> Result<u64, EngineError> {
        J::len(self)
    }

    fn read_at(&self, place: u64, into: &mut [u8]) -> Result<(), EngineError> {
        J::read_at(self, place, into)
    }

    fn append(&self, place: u64, bytes: &[u8]) -> Result<(), EngineError> {
        J::append(self, place, bytes)
    }

    fn sync(&self) -> Result<(), EngineError> {
        J::sync(self)
    }

    fn cut(&self, place: u64) -> Result<(), EngineError> {
        J::cut(self, place)
    }
}

/// Adds a frame to `into`.
pub(crate) fn frame(body: &[u8], into: &mut Vec<u8>) -> Result<(), EngineError> {
    let length =
        u32::try_from(body.len()).ok().filter(|_| body.len() <= FRAME_BYTES_MAX).ok_or_else(|| {
            EngineError::Invariant(format!(
                "a message of {} bytes is larger than {FRAME_BYTES_MAX}",
                body.len()
            ))
        })?;
    into.extend_from_slice(&length.to_le_bytes());
    into.extend_from_slice(&crc32fast::hash(body).to_le_bytes());
    into.extend_from_slice(body);
    Ok(())
}

/// The body of the frame at this place and the place after it; `None` where there is no whole frame.
pub(crate) fn read_frame(journal: &dyn Journal, place: u64) -> Result<Option<(Vec<u8>, u64)>, EngineError> {
    let left = journal.len()?.saturating_sub(place);
    let mut head = [0_u8; 8];
    if left < head.len() as u64 {
        return Ok(None);
    }
    journal.read_at(place, &mut head)?;
    let [a, b, c, d, e, f, g, h] = head;
    let (length, crc) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
    let length_bytes = usize::try_from(length).unwrap_or(usize::MAX);
    if length_bytes > FRAME_BYTES_MAX || u64::from(length) + 8 > left {
        return Ok(None);
    }
    let mut body = vec![0; length_bytes];
    match journal.read_at(place + 8, &mut body) {
        Ok(()) if crc32fast::hash(&body) == crc => Ok(Some((body, place + 8 + u64::from(length)))),
        Ok(()) => Ok(None),
        Err(EngineError::File { source, .. }) if source.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
