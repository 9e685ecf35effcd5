//! An append-only file of checksummed frames.
//!
//! A frame is `length (4, little endian) crc32 (4) bytes`. Promises: what was synced is read back; an end that was
//! torn off by a crash is cut; what stands in front can be let go, and every place stays what it was. What this module
//! does not do: know what the bytes mean, or when old ones may go.

use std::fs::File;
use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::error::EngineError;

/// Largest frame that is believed.
const FRAME_BYTES_MAX: usize = 64 << 20;

/// Bytes that can be added to, synced, cut and read.
#[expect(
    clippy::len_without_is_empty,
    reason = "the length is a place to go on from, emptiness means nothing"
)]
pub trait Journal: Send + Sync + std::fmt::Debug {
    /// The place where it begins.
    fn begin(&self) -> u64 {
        0
    }

    /// The place where it ends.
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

    /// Puts `head` in the stead of everything before this place, durably and as a whole or not at all. All places from
    /// this one on stay what they were, for as long as the journal is open. Whether it did: it may be unable to, and
    /// there must be more to let go than `head` is long.
    ///
    /// # Errors
    /// What the disk says; nothing has changed then.
    fn let_go(&self, place: u64, head: &[u8]) -> Result<bool, EngineError> {
        let _ = (place, head);
        Ok(false)
    }
}

/// A journal in a file.
///
/// # Invariants
/// The file holds what stands from `begin` on. When the front is let go a new file takes the old one's name; who reads
/// the old one meanwhile holds it open.
#[derive(Debug)]
pub struct FileJournal {
    opened: Mutex<Opened>,
    path: PathBuf,
}

#[derive(Debug, Clone)]
struct Opened {
    file: Arc<File>,
    begin: u64,
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
        Ok(Self::over(file, path))
    }

    fn over(file: File, path: &Path) -> Self {
        Self { opened: Mutex::new(Opened { file: Arc::new(file), begin: 0 }), path: path.to_owned() }
    }

    fn opened(&self) -> MutexGuard<'_, Opened> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The file, and where in it a place is.
    fn at(&self, place: u64) -> Result<(Arc<File>, u64), EngineError> {
        let Opened { file, begin } = self.opened().clone();
        let at = place.checked_sub(begin).ok_or_else(|| {
            EngineError::Invariant(format!("place {place} was let go, the journal begins at {begin}"))
        })?;
        Ok((file, at))
    }

    /// Opens a file that must exist, to read it only.
    ///
    /// # Errors
    /// [`EngineError::File`] when it is not there or the disk refuses.
    pub fn open_to_read(path: &Path) -> Result<Self, EngineError> {
        let fault = |source| EngineError::File { action: "open", path: path.to_owned(), source };
        Ok(Self::over(File::open(path).map_err(fault)?, path))
    }

    fn fault(&self, action: &'static str) -> impl FnOnce(std::io::Error) -> EngineError + '_ {
        move |source| EngineError::File { action, path: self.path.clone(), source }
    }
}

impl Journal for FileJournal {
    fn begin(&self) -> u64 {
        self.opened().begin
    }

    fn len(&self) -> Result<u64, EngineError> {
        let Opened { file, begin } = self.opened().clone();
        file.metadata().map(|metadata| begin + metadata.len()).map_err(self.fault("measure"))
    }

    fn read_at(&self, place: u64, into: &mut [u8]) -> Result<(), EngineError> {
        let (file, at) = self.at(place)?;
        file.read_exact_at(into, at).map_err(self.fault("read"))
    }

    fn append(&self, place: u64, bytes: &[u8]) -> Result<(), EngineError> {
        let (file, at) = self.at(place)?;
        file.write_all_at(bytes, at).map_err(self.fault("append to"))
    }

    fn sync(&self) -> Result<(), EngineError> {
        let Opened { file, .. } = self.opened().clone();
        file.sync_data().map_err(self.fault("sync"))
    }

    fn cut(&self, place: u64) -> Result<(), EngineError> {
        let (file, at) = self.at(place)?;
        file.set_len(at).map_err(self.fault("cut"))?;
        self.sync()
    }

    fn let_go(&self, place: u64, head: &[u8]) -> Result<bool, EngineError> {
        let mut opened = self.opened();
        let Some(begin) = place.checked_sub(head.len() as u64).filter(|begin| *begin > opened.begin) else {
            return Ok(false);
        };
        let beside = self.path.with_extension("new");
        let fault = |action| {
            let path = beside.clone();
            move |source| EngineError::File { action, path, source }
        };
        let mut options = File::options();
        let mut file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&beside)
            .map_err(fault("create"))?;
        file.write_all(head).map_err(fault("write"))?;
        let mut kept = &*opened.file;
        kept.seek(SeekFrom::Start(place - opened.begin)).map_err(self.fault("read"))?;
        std::io::copy(&mut kept, &mut file).map_err(fault("write"))?;
        file.sync_all().map_err(fault("sync"))?;
        std::fs::rename(&beside, &self.path).map_err(fault("rename"))?;
        *opened = Opened { file: Arc::new(file), begin };
        drop(opened);
        if let Ok(dir) = File::open(self.path.parent().unwrap_or(Path::new("."))) {
            dir.sync_all().map_err(self.fault("sync the directory of"))?;
        }
        Ok(true)
    }
}

impl<J: Journal> Journal for Arc<J> {
    fn begin(&self) -> u64 {
        J::begin(self)
    }

    fn let_go(&self, place: u64, head: &[u8]) -> Result<bool, EngineError> {
        J::let_go(self, place, head)
    }

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
