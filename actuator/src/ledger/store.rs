//! The ledger on disk, for one writer at a time: the open file, and how it is closed and old ones let go.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use contract::Timestamp;

use super::chain::{Chain, Entry, line_of};
use super::files::{Closed, Retention, closed_in, follow, follow_closed, name_of};
use super::record::Record;
use super::view::LedgerView;
use crate::error::{ActuatorError, Result};

/// Name of the open file within the data directory.
pub const LEDGER_FILE: &str = "ledger.jsonl";
const LOCK_FILE: &str = "ledger.lock";

/// The open ledger.
///
/// # Invariants
/// Every record in `view` is on disk; `head` and `next_seq` belong to the last whole line. Every file but the very first
/// begins with what was known when it was opened. After a failed write the ledger refuses further ones, because what
/// the file holds is not known any more.
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
    retention: Option<Retention>,
    closed: Vec<Closed>,
    open: Open,
}

/// What is known of the open file.
#[derive(Debug, Clone, Copy, Default)]
struct Open {
    bytes: u64,
    /// Of them, what was carried over.
    carried_bytes: u64,
    first: Option<(u64, Timestamp)>,
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
        let (mut chain, mut view, mut closed) = (Chain::default(), LedgerView::default(), Vec::new());
        for path in closed_in(data_dir)? {
            let bytes = follow_closed(&mut chain, &path)?;
            let last_at = chain.entries.last().map_or(now, |entry| entry.at);
            chain.entries.drain(..).for_each(|entry| view.apply(&entry));
            closed.push(Closed { path, bytes, last_at });
        }
        let bytes = std::fs::read(&path).map_err(at("read ledger", &path))?;
        follow(&mut chain, &path, &bytes)?;
        let torn_bytes = bytes.len() as u64 - chain.whole_bytes;
        let open = opened(&chain, &bytes);
        chain.entries.iter().for_each(|entry| view.apply(entry));
        let (next_seq, retention) = (chain.next_seq(), None);
        let head = chain.head;
        let mut ledger =
            Self { path, file, lock, head, next_seq, view, failed: false, retention, closed, open };
        if torn_bytes > 0 {
            ledger.file.set_len(chain.whole_bytes).map_err(at("cut ledger", &ledger.path))?;
        }
        // closed the last one, and came no further
        if ledger.open.first.is_none() && !ledger.closed.is_empty() {
            ledger.carry_over(now)?;
        }
        if torn_bytes > 0 {
            ledger.append(&[Record::Cut { n_bytes: torn_bytes }], now)?;
        }
        Ok(ledger)
    }

    /// Keeps no more than this.
    #[must_use]
    pub fn keeping(mut self, retention: Retention) -> Self {
        self.retention = Some(retention);
        self
    }

    /// Number of the newest entry; 0 before the first.
    #[must_use]
    pub fn newest_seq(&self) -> u64 {
        self.next_seq - 1
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
        self.put(records, now)?;
        let Some(retention) = self.retention else { return Ok(()) };
        let Open { bytes, carried_bytes, first } = self.open;
        if first.is_some_and(|(_, at)| retention.closes(bytes - carried_bytes, at, now)) {
            self.close_file(now)?;
        }
        self.let_go(retention, now);
        Ok(())
    }

    fn put(&mut self, records: &[Record], now: Timestamp) -> Result<()> {
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
        self.open.bytes += text.len() as u64;
        self.open.first = self.open.first.or(Some((self.next_seq, now)));
        (self.head, self.next_seq) = (head, seq);
        entries.iter().for_each(|entry| self.view.apply(entry));
        Ok(())
    }

    /// Goes on in a new file. A crash at any point leaves files that follow one another.
    fn close_file(&mut self, now: Timestamp) -> Result<()> {
        let Some((first_seq, _)) = self.open.first else { return Ok(()) };
        // whatever fails from here on, what the open file is called is not known any more
        self.failed = true;
        let dir = self.path.parent().unwrap_or(Path::new(".")).to_owned();
        let path = dir.join(name_of(first_seq));
        std::fs::rename(&self.path, &path).map_err(at("close ledger", &self.path))?;
        let options = OpenOptions::new().create(true).append(true).open(&self.path);
        self.file = options.map_err(at("open ledger", &self.path))?;
        sync_directory(&dir)?;
        self.failed = false;
        self.closed.push(Closed { path, bytes: self.open.bytes, last_at: now });
        self.open = Open::default();
        self.carry_over(now)
    }

    fn carry_over(&mut self, now: Timestamp) -> Result<()> {
        self.put(&[Record::Carried { known: Box::new(self.view.clone()) }], now)?;
        self.open.carried_bytes = self.open.bytes;
        Ok(())
    }

    /// Removes the oldest files that are too many; what they say was carried over.
    fn let_go(&mut self, retention: Retention, now: Timestamp) {
        let n_surplus = retention.surplus(&self.closed, self.open.bytes, now);
        for _ in 0..n_surplus {
            let oldest = &self.closed[0];
            if let Err(error) = std::fs::remove_file(&oldest.path) {
                tracing::warn!(%error, path = %oldest.path.display(), "an old file of the ledger cannot be removed");
                return;
            }
            tracing::info!(path = %oldest.path.display(), "an old file of the ledger was let go");
            self.closed.remove(0);
        }
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

/// The open file that was read last.
fn opened(chain: &Chain, bytes: &[u8]) -> Open {
    let first = chain.entries.first();
    let is_carried = first.is_some_and(|entry| matches!(entry.record, Record::Carried { .. }));
    let first_line = bytes.split_inclusive(|byte| *byte == b'\n').next().map_or(0, <[u8]>::len) as u64;
    Open {
        bytes: chain.whole_bytes,
        carried_bytes: if is_carried { first_line } else { 0 },
        first: first.map(|entry| (entry.seq, entry.at)),
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
