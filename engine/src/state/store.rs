//! Keeps checkpoints in a directory: written beside, synced, renamed, the directory synced.
//!
//! What this module does not do: decide; [`crate::state::decide`] does.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::EngineError;
use crate::record::Positions;
use crate::source::Order;
use crate::state::manifest::Checkpoint;
use crate::state::protocol::{Decision, Found, KEPT, decide};

const ENDING: &str = ".ckpt";
const ORDER_ENDING: &str = ".order";
/// An order is `crc32 (4, little endian) body`.
const ORDER_HEAD_BYTES: usize = 4;

/// Named pieces of bytes, each written as a whole or not at all.
pub trait Blobs: Send + std::fmt::Debug {
    /// All names.
    ///
    /// # Errors
    /// What the disk says.
    fn names(&self) -> Result<Vec<String>, EngineError>;

    /// The bytes of this name.
    ///
    /// # Errors
    /// What the disk says.
    fn read(&self, name: &str) -> Result<Vec<u8>, EngineError>;

    /// Writes durably; afterwards there is the old or the new content, never a part.
    ///
    /// # Errors
    /// What the disk says.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), EngineError>;

    /// Removes this name.
    ///
    /// # Errors
    /// What the disk says.
    fn remove(&self, name: &str) -> Result<(), EngineError>;
}

/// Blobs as files of a directory.
#[derive(Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// Opens or makes it.
    ///
    /// # Errors
    /// [`EngineError::File`] when the disk refuses.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        std::fs::create_dir_all(path).map_err(fault("create", path))?;
        Ok(Self(path.to_owned()))
    }
}

fn fault(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> EngineError {
    let path = path.to_owned();
    move |source| EngineError::File { action, path, source }
}

impl Blobs for Directory {
    fn names(&self) -> Result<Vec<String>, EngineError> {
        let entries = std::fs::read_dir(&self.0).map_err(fault("list", &self.0))?;
        entries
            .map(|entry| {
                Ok(entry.map_err(fault("list", &self.0))?.file_name().to_string_lossy().into_owned())
            })
            .collect()
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, EngineError> {
        let path = self.0.join(name);
        std::fs::read(&path).map_err(fault("read", &path))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), EngineError> {
        let (path, beside) = (self.0.join(name), self.0.join(format!("{name}.new")));
        let mut file = File::create(&beside).map_err(fault("create", &beside))?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(fault("write", &beside))?;
        std::fs::rename(&beside, &path).map_err(fault("rename to", &path))?;
        File::open(&self.0).and_then(|dir| dir.sync_all()).map_err(fault("sync", &self.0))
    }

    fn remove(&self, name: &str) -> Result<(), EngineError> {
        let path = self.0.join(name);
        std::fs::remove_file(&path).map_err(fault("remove", &path))
    }
}

/// The checkpoints of one lane.
///
/// # Invariants
/// `kept` are the names that exist and what they need, oldest first, at most [`KEPT`] between two calls.
#[derive(Debug)]
pub struct Checkpoints {
    blobs: Box<dyn Blobs>,
    kept: Vec<(String, Needed)>,
}

/// What may be forgotten, because no kept checkpoint needs it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Needed {
    /// Input before these positions.
    pub positions: Positions,
    /// Output before the message of this number.
    pub emitted: u64,
}

impl Needed {
    fn by(checkpoint: &Checkpoint) -> Self {
        Self { positions: checkpoint.resume.positions.clone(), emitted: checkpoint.emitted }
    }
}

impl Checkpoints {
    /// Over these blobs, which belong to one lane alone.
    #[must_use]
    pub fn new(blobs: Box<dyn Blobs>) -> Self {
        Self { blobs, kept: Vec::new() }
    }

    /// In this directory.
    ///
    /// # Errors
    /// [`EngineError::File`] when the disk refuses.
    pub fn in_directory(path: &Path) -> Result<Self, EngineError> {
        Ok(Self::new(Box::new(Directory::open(path)?)))
    }

    /// The checkpoint to go on from, if any was ever saved.
    ///
    /// # Errors
    /// [`EngineError::Damaged`] if there are some and none can be read, [`EngineError::StateVersion`] for a newer
    /// layout, and what the disk says.
    pub fn restore(&mut self) -> Result<Option<Checkpoint>, EngineError> {
        let mut read = Vec::new();
        for name in self.blobs.names()?.into_iter().filter(|name| name.ends_with(ENDING)) {
            let checkpoint = Checkpoint::decode(&name, &self.blobs.read(&name)?);
            if let Err(EngineError::StateVersion { .. }) = checkpoint {
                return checkpoint.map(Some);
            }
            read.push((name, checkpoint.map_err(|error| error.to_string())));
        }
        let found: Vec<Found> = read
            .iter()
            .map(|(name, checkpoint)| Found {
                name: name.clone(),
                content: checkpoint.as_ref().map(|checkpoint| checkpoint.number).map_err(Clone::clone),
            })
            .collect();
        match decide(&found) {
            Decision::Fresh => Ok(None),
            Decision::Refuse { newest: (name, why) } => Err(EngineError::Damaged {
                what: "checkpoint",
                place: name,
                why: format!(
                    "{why}, and there is no older one: bring one back, or remove all to begin again"
                ),
            }),
            Decision::Resume { name, damaged, delete } => self.resume(read, &name, (damaged, delete)),
        }
    }

    fn resume(
        &mut self,
        read: Vec<(String, Result<Checkpoint, String>)>,
        name: &str,
        (damaged, delete): (Vec<(String, String)>, Vec<String>),
    ) -> Result<Option<Checkpoint>, EngineError> {
        for (name, why) in &damaged {
            tracing::warn!(name, why, "a damaged checkpoint is passed over and removed");
            self.blobs.remove(name)?;
        }
        delete.iter().try_for_each(|name| self.blobs.remove(name))?;
        let mut whole: Vec<(String, Checkpoint)> =
            read.into_iter().filter_map(|(name, found)| Some((name, found.ok()?))).collect();
        whole.retain(|(name, _)| !delete.contains(name));
        whole.sort_by_key(|(_, checkpoint)| checkpoint.number);
        self.kept = whole.iter().map(|(name, found)| (name.clone(), Needed::by(found))).collect();
        Ok(whole.into_iter().find(|(found, _)| found == name).map(|(_, checkpoint)| checkpoint))
    }

    /// Keeps durably what was decided about the order of the input after the checkpoint of this number (0 = before the
    /// first) and was not kept yet.
    ///
    /// # Errors
    /// What the disk says.
    pub fn save_order(&mut self, after: u64, order: &Order) -> Result<(), EngineError> {
        let bytes = postcard::to_stdvec(order)
            .map_err(|error| EngineError::Invariant(format!("an order cannot be written: {error}")))?;
        let mut whole = crc32fast::hash(&bytes).to_le_bytes().to_vec();
        whole.extend_from_slice(&bytes);
        let number = self.orders(after)?.len();
        self.blobs.write(&format!("{after:020}-{number:08}{ORDER_ENDING}"), &whole)
    }

    /// What was decided after the checkpoint of this number, as far as it was kept.
    ///
    /// # Errors
    /// [`EngineError::Damaged`] if it cannot be read, and what the disk says.
    pub fn order_after(&self, after: u64) -> Result<Order, EngineError> {
        let mut order = Order::default();
        for name in self.orders(after)? {
            let bytes = self.blobs.read(&name)?;
            let damaged = |why: &str| EngineError::Damaged {
                what: "order of the input",
                place: name.clone(),
                why: why.to_owned(),
            };
            let body = bytes.get(ORDER_HEAD_BYTES..).ok_or_else(|| damaged("too short"))?;
            if bytes.get(..ORDER_HEAD_BYTES) != Some(&crc32fast::hash(body).to_le_bytes()) {
                return Err(damaged("checksum does not fit"));
            }
            order.append(postcard::from_bytes(body).map_err(|error| damaged(&error.to_string()))?);
        }
        Ok(order)
    }

    fn orders(&self, after: u64) -> Result<Vec<String>, EngineError> {
        let begins = format!("{after:020}-");
        let mut names = self.blobs.names()?;
        names.retain(|name| name.starts_with(&begins) && name.ends_with(ORDER_ENDING));
        names.sort_unstable();
        Ok(names)
    }

    fn remove_orders(&mut self, is_old: impl Fn(u64) -> bool) -> Result<(), EngineError> {
        for name in self.blobs.names()?.into_iter().filter(|name| name.ends_with(ORDER_ENDING)) {
            if name.split_once('-').and_then(|(number, _)| number.parse().ok()).is_some_and(&is_old) {
                self.blobs.remove(&name)?;
            }
        }
        Ok(())
    }

    /// Saves durably. Gives what no kept checkpoint needs any more, and the size.
    ///
    /// # Errors
    /// What the disk says; the checkpoints before are untouched then.
    pub fn save(&mut self, checkpoint: &Checkpoint) -> Result<(Needed, usize), EngineError> {
        let (name, bytes) = (format!("{:020}{ENDING}", checkpoint.number), checkpoint.encode()?);
        self.blobs.write(&name, &bytes)?;
        self.kept.push((name, Needed::by(checkpoint)));
        while self.kept.len() > KEPT {
            let (oldest, _) = self.kept.remove(0);
            self.blobs.remove(&oldest)?;
        }
        self.remove_orders(|number| number < checkpoint.number)?;
        Ok((self.kept.first().map(|(_, needed)| needed.clone()).unwrap_or_default(), bytes.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::StateBlob;

    fn checkpoint(number: u64) -> Checkpoint {
        let mut checkpoint = Checkpoint {
            number,
            resume: Default::default(),
            watermark: Default::default(),
            operator: StateBlob { operator: "o".to_owned(), version: 1, bytes: vec![7; 40] },
            emitted: number * 3,
            digest: 5,
            sampled: (0, 0),
        };
        checkpoint.resume.positions.advance("log", number * 10);
        checkpoint
    }

    /// Scenario: several checkpoints, the newest damaged at each of its bytes. Guarantees: the one before is taken,
    /// its input may not be forgotten before, and nothing else is left lying about.
    #[test]
    fn a_damaged_newest_falls_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Checkpoints::in_directory(dir.path()).unwrap();
        assert_eq!(store.restore().unwrap(), None);
        for number in 1..=4 {
            let (upto, _) = store.save(&checkpoint(number)).unwrap();
            let oldest = (number - 1).max(1);
            assert_eq!((upto.positions.next_of("log"), upto.emitted), (oldest * 10, oldest * 3));
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), KEPT);
        let newest = dir.path().join(format!("{:020}.ckpt", 4));
        let whole = std::fs::read(&newest).unwrap();
        for at in (0..whole.len()).filter(|at| !(8..12).contains(at)) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            std::fs::write(&newest, bytes).unwrap();
            let mut store = Checkpoints::in_directory(dir.path()).unwrap();
            assert_eq!(store.restore().unwrap(), Some(checkpoint(3)), "byte {at}");
        }
        std::fs::write(dir.path().join(format!("{:020}.ckpt", 3)), b"x").unwrap();
        let error = Checkpoints::in_directory(dir.path()).unwrap().restore().unwrap_err().to_string();
        assert!(error.contains("bring one back"), "{error}");
    }

    /// Scenario: a checkpoint of a later layout. Guarantees: it is refused by name, not passed over.
    #[test]
    fn a_newer_layout_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = checkpoint(1).encode().unwrap();
        bytes[8] = 9;
        std::fs::write(dir.path().join("00000000000000000001.ckpt"), bytes).unwrap();
        let error = Checkpoints::in_directory(dir.path()).unwrap().restore().unwrap_err();
        assert!(matches!(error, EngineError::StateVersion { found: 9, .. }), "{error}");
    }
}
