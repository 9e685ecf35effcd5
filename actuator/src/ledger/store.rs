//! The ledger on disk, for one writer at a time.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use contract::Timestamp;

use super::chain::{Entry, line_of, read_chain};
use super::record::Record;
use super::view::LedgerView;
use crate::error::{ActuatorError, Result};

/// Name of the ledger within the data directory.
pub const LEDGER_FILE: &str = "ledger.jsonl";
const LOCK_FILE: &str = "ledger.lock";

/// The open ledger.
///
/// # Invariants
/// Every record in `view` is on disk; `head` and `next_seq` belong to the last whole line. After a failed write the
/// ledger refuses further ones, because what the file holds is not known any more.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    file: File,
    // Held for as long as the ledger is open.
    /// Unlocked when dropped, not only closed: a child that is being started holds a copy of it for a moment.
    lock: File,
    head: String,
    next_seq: u64,
    view: LedgerView,
    failed: bool,
}

impl Ledger {
    /// Opens or creates the ledger in a directory, verifies all of it and cuts off a torn line.
    ///
    /// # Errors
    /// [`ActuatorError::Locked`] if another process has it, [`ActuatorError::LedgerBroken`] if the chain does not hold,
    /// [`ActuatorError::File`] if the disk refuses.
    pub fn open(data_dir: &Path, now: Timestamp) -> Result<Self> {
        std::fs::create_dir_all(data_dir).map_err(at("create directory", data_dir))?;
        let lock = take_lock(&data_dir.join(LOCK_FILE))?;
        let path = data_dir.join(LEDGER_FILE);
        let file =
            OpenOptions::new().create(true).append(true).open(&path).map_err(at("open ledger", &path))?;
        sync_directory(data_dir)?;
        let bytes = std::fs::read(&path).map_err(at("read ledger", &path))?;
        let chain = read_chain(&bytes).map_err(|fault| ActuatorError::LedgerBroken {
            path: path.clone(),
            line: fault.line,
            why: fault.why,
        })?;
        let torn_bytes = bytes.len() as u64 - chain.whole_bytes;
        let mut view = LedgerView::default();
        chain.entries.iter().for_each(|entry| view.apply(entry));
        let next_seq = chain.entries.len() as u64 + 1;
        let mut ledger = Self { path, file, lock, head: chain.head, next_seq, view, failed: false };
        if torn_bytes > 0 {
            ledger.file.set_len(chain.whole_bytes).map_err(at("cut ledger", &ledger.path))?;
            ledger.append(&[Record::Cut { n_bytes: torn_bytes }], now)?;
        }
        Ok(ledger)
    }

    /// What the ledger knows.
    #[must_use]
    pub fn view(&self) -> &LedgerView {
        &self.view
    }

    /// Appends records in one write; when it returns they are on disk.
    ///
    /// # Errors
    /// [`ActuatorError::File`]; nothing may rest on the records then, and the ledger takes no more.
    pub fn append(&mut self, records: &[Record], now: Timestamp) -> Result<()> {
        let mut text = String::new();
        let (mut head, mut seq, mut entries) = (self.head.clone(), self.next_seq, Vec::new());
        for record in records {
            let entry = Entry { seq, at: now, prev: head, record: record.clone() };
            let (line, hash) = line_of(&entry);
            text.push_str(&line);
            (head, seq) = (hash, seq + 1);
            entries.push(entry);
        }
        self.write(text.as_bytes())?;
        (self.head, self.next_seq) = (head, seq);
        entries.iter().for_each(|entry| self.view.apply(entry));
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if self.failed {
            let source = std::io::Error::other("an earlier write failed, restart to verify and continue");
            return Err(at("append to ledger", &self.path)(source));
        }
        let written = self.file.write_all(bytes).and_then(|()| self.file.sync_data());
        self.failed = written.is_err();
        written.map_err(at("append to ledger", &self.path))
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        // closing it would do, but for copies in children
        self.lock.unlock().ok();
    }
}

fn at(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> ActuatorError {
    let path = path.to_owned();
    move |source| ActuatorError::File { doing, path, source }
}

fn take_lock(path: &Path) -> Result<File> {
    let options = OpenOptions::new().create(true).truncate(false).write(true).open(path);
    let file = options.map_err(at("open lock", path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(ActuatorError::Locked { path: path.to_owned() }),
        Err(std::fs::TryLockError::Error(source)) => Err(at("lock", path)(source)),
    }
}

fn sync_directory(path: &Path) -> Result<()> {
    File::open(path).and_then(|dir| dir.sync_all()).map_err(at("sync directory", path))
}
