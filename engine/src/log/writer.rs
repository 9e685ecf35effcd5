//! The handle that appends, and opening the log.
//!
//! What this module does not do: write ([`thread`] does, on a thread of its own).

mod thread;

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::error::EngineError;
use crate::log::counters::Counters;
use crate::log::disk::Disk;
use crate::log::frame::{SegmentHeader, TENANT_LEN_MAX};
use crate::log::reader::Readers;
use crate::log::recover::{self, Cut, End, Scan};
use crate::log::segments::{self, Listing, Segment, Shared};
use crate::log::{AppendError, LogConfig, NewRecord, OnDamage, OpenLog, OpenReport};
use crate::record::UnixNanos;
use crate::telemetry::Telemetry;
use crate::time::clock::Clock;

/// What the handle asks of the writer thread.
#[derive(Debug)]
enum Command {
    Append(Pending),
    Close(oneshot::Sender<()>),
}

/// A record that waits, and who waits for it.
#[derive(Debug)]
struct Pending {
    record: NewRecord,
    reply: oneshot::Sender<Result<u64, AppendError>>,
}

/// Appends to the log. Cheap to clone.
#[derive(Debug, Clone)]
pub struct LogWriter {
    commands: mpsc::Sender<Command>,
    waiting_bytes: Arc<AtomicUsize>,
    shared: Arc<Shared>,
}

impl LogWriter {
    /// Appends a record; gives its offset when it is durable. Once the record is queued it is appended even if
    /// nobody waits for the answer any more.
    ///
    /// # Errors
    /// [`AppendError`]; nothing was appended then, except that after [`AppendError::Disk`] and
    /// [`AppendError::Closed`] nobody knows.
    pub async fn append(&self, record: NewRecord) -> Result<u64, AppendError> {
        let size = record.body.len();
        let limit = self.shared.config.record_bytes_max;
        if size > limit {
            return Err(AppendError::TooLarge { bytes: size, limit });
        }
        if record.tenant.len() > TENANT_LEN_MAX {
            return Err(AppendError::TenantTooLong(record.tenant.len()));
        }
        let waiting = self.waiting_bytes.fetch_add(size, Ordering::AcqRel);
        if waiting + size > self.shared.config.queue_bytes {
            self.waiting_bytes.fetch_sub(size, Ordering::AcqRel);
            return Err(self.full(waiting));
        }
        let (reply, answer) = oneshot::channel();
        if let Err(refused) = self.commands.try_send(Command::Append(Pending { record, reply })) {
            self.waiting_bytes.fetch_sub(size, Ordering::AcqRel);
            return Err(match refused {
                mpsc::error::TrySendError::Full(_) => self.full(waiting),
                mpsc::error::TrySendError::Closed(_) => AppendError::Closed,
            });
        }
        answer.await.unwrap_or(Err(AppendError::Closed))
    }

    /// Why appends fail at present, if they do.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        if self.commands.is_closed() { Some(AppendError::Closed.to_string()) } else { self.shared.refusal() }
    }

    /// Offset that the next record gets.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.shared.next.borrow().offset
    }

    /// Writes what waits, syncs, and releases the directory. Later appends fail.
    pub async fn close(&self) {
        let (reply, answer) = oneshot::channel();
        if self.commands.send(Command::Close(reply)).await.is_ok() {
            // An error means that the thread has ended, which is what was asked for.
            drop(answer.await);
        }
    }

    fn full(&self, bytes: usize) -> AppendError {
        self.shared.counters.refused("full", 1);
        let records = self.commands.max_capacity() - self.commands.capacity();
        AppendError::Full { records, bytes }
    }
}

/// Opens the log on a disk; see [`crate::log::Log::open`].
pub(crate) fn open(
    config: LogConfig,
    clock: Clock,
    telemetry: &Telemetry,
    disk: Box<dyn Disk>,
) -> Result<OpenLog, EngineError> {
    config.check()?;
    fs::create_dir_all(&config.dir).map_err(|source| file_error("make", &config.dir, source))?;
    let lock = lock(&config.dir)?;
    let counters = Counters::new(telemetry);
    let Listing { segments: mut chain, stillborn, skipped } = segments::list(&config)?;
    if let Some(path) = stillborn {
        tracing::warn!(path = %path.display(), "removing a segment that was never begun");
        disk.remove(&path).map_err(|source| file_error("remove", &path, source))?;
    }
    let mut report = OpenReport { skipped, ..OpenReport::default() };
    let tail = match chain.last_mut() {
        Some(tail) => take_over(&config, disk.as_ref(), tail, &mut report)?,
        None => Tail { next_offset: 0, newest_at: 0, damaged: false },
    };
    if let Some(cut) = &report.cut {
        counters.cut_bytes.add(cut.bytes);
        tracing::warn!(path = %cut.path.display(), cut.at_byte, cut.bytes, cut.whole_records, cut.why, "cut a torn end");
    }
    let (commands, received) = mpsc::channel(config.queue_records);
    let waiting_bytes = Arc::new(AtomicUsize::new(0));
    let shared = Shared::new(config, counters, chain, tail.next_offset);
    let start = thread::Start {
        lock,
        disk,
        clock,
        tail,
        shared: Arc::clone(&shared),
        waiting_bytes: Arc::clone(&waiting_bytes),
        commands: received,
    };
    thread::start(start)?;
    report.first_offset = shared.first_offset();
    report.next_offset = shared.next.borrow().offset;
    report.segments = shared.chain().len();
    let readers = Readers::new(Arc::clone(&shared));
    Ok(OpenLog { writer: LogWriter { commands, waiting_bytes, shared }, readers, report })
}

/// Where the writer goes on.
#[derive(Debug, Clone, Copy)]
struct Tail {
    next_offset: u64,
    newest_at: UnixNanos,
    /// The tail is damaged and skipped, as set: go on in a new segment.
    damaged: bool,
}

/// Reads the newest segment and mends its end.
fn take_over(
    config: &LogConfig,
    disk: &dyn Disk,
    tail: &mut Segment,
    report: &mut OpenReport,
) -> Result<Tail, EngineError> {
    let path = segments::segment_path(&config.dir, tail.header.base);
    let bytes = Bytes::from(fs::read(&path).map_err(|source| file_error("read", &path, source))?);
    let Scan { next_offset, good_len, newest_at, index, end } = recover::scan(&tail.header, &bytes);
    tail.index = index;
    let file = disk.open(&path).map_err(|source| file_error("open", &path, source))?;
    let mut went_on = Tail { next_offset, newest_at, damaged: false };
    match end {
        End::Whole => {}
        End::Torn { whole_records, why } => {
            let (at_byte, cut) = (good_len as u64, (bytes.len() - good_len) as u64);
            file.cut(at_byte).map_err(|source| file_error("cut", &path, source))?;
            tail.len = at_byte;
            let path = path.clone();
            report.cut = Some(Cut { path, at_byte, bytes: cut, whole_records, why: why.to_owned() });
        }
        End::Damaged { newest_offset, newest_at, why } => {
            let fault = format!("offset {next_offset} at byte {good_len} had been acknowledged, but {why}");
            if config.on_damage == OnDamage::Refuse {
                return Err(segments::damaged(&path, fault));
            }
            tracing::error!(path = %path.display(), fault, "damage in the log is skipped, as set");
            report.skipped = Some(format!("{}: {fault}", path.display()));
            went_on = Tail { next_offset: newest_offset + 1, newest_at, damaged: true };
        }
    }
    // What a killed process had written may still be in memory only; from here on it counts as durable.
    file.sync().map_err(|source| file_error("sync", &path, source))?;
    Ok(went_on)
}

/// Takes the directory for this process.
fn lock(dir: &Path) -> Result<File, EngineError> {
    let path = dir.join("lock");
    let opened = File::options().read(true).write(true).create(true).truncate(false).open(&path);
    let mut file = opened.map_err(|source| file_error("open", &path, source))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            return Err(EngineError::Setting(format!(
                "the log in {} is in use by process {}; stop that process or give this one another data directory",
                dir.display(),
                holder.trim()
            )));
        }
        Err(TryLockError::Error(source)) => return Err(file_error("lock", &path, source)),
    }
    let written = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(|source| file_error("write", &path, source))?;
    Ok(file)
}

/// A start value for checksums that a sender cannot know.
fn salt(now: UnixNanos, base: u64) -> u32 {
    let mut seed = [0; 24];
    seed[..8].copy_from_slice(&now.to_le_bytes());
    seed[8..16].copy_from_slice(&base.to_le_bytes());
    seed[16..20].copy_from_slice(&std::process::id().to_le_bytes());
    let hash = xxhash_rust::xxh3::xxh3_64(&seed).to_le_bytes();
    u32::from_le_bytes([hash[0], hash[1], hash[2], hash[3]])
}

fn header_after(previous: Option<&Segment>, base: u64, began_at: UnixNanos, now: UnixNanos) -> SegmentHeader {
    SegmentHeader {
        salt: salt(now, base),
        base,
        previous_base: previous.map_or(u64::MAX, |segment| segment.header.base),
        previous_len: previous.map_or(0, |segment| segment.len),
        began_at,
    }
}

fn file_error(action: &'static str, path: &Path, source: std::io::Error) -> EngineError {
    EngineError::File { action, path: path.to_owned(), source }
}
