//! The one thread that writes: many appends, one write, one sync, then the answers.
//!
//! Promises: an answer is sent after the sync; after a failed write or sync the file is cut back to what was answered,
//! and after a failed sync writing goes on in a new segment, because the kernel may have thrown the pages away.
//! What this module does not do: queue, or read.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::{Command, Pending, Tail, file_error, header_after};
use crate::error::EngineError;
use crate::log::disk::{Disk, SegmentFile};
use crate::log::frame::{self, HEADER_LEN, Placement, SegmentHeader};
use crate::log::recover::index_entry;
use crate::log::retention::{self, Limits};
use crate::log::segments::{Segment, Shared};
use crate::log::{AppendError, NewRecord, SyncPolicy};
use crate::record::{Compression, Encoding, NANOS_PER_SEC, RecordKind, UnixNanos};
use crate::time::clock::{Clock, Rising};

/// Bytes after which a group is written.
const GROUP_BYTES: usize = 4 << 20;
/// A larger write buffer is given back after use.
const BUFFER_BYTES_KEPT: usize = 8 << 20;

/// What the thread starts with.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) lock: File,
    pub(super) disk: Box<dyn Disk>,
    pub(super) clock: Clock,
    pub(super) tail: Tail,
    pub(super) shared: Arc<Shared>,
    pub(super) waiting_bytes: Arc<AtomicUsize>,
    pub(super) commands: mpsc::Receiver<Command>,
}

/// Opens the tail and starts the thread.
pub(super) fn start(start: Start) -> Result<(), EngineError> {
    let dir = start.shared.config.dir.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(|source| file_error("start the writer of", &dir, source))?;
    let Start { lock, disk, clock, tail, shared, waiting_bytes, commands } = start;
    let now = clock.now();
    let file = open_tail(disk.as_ref(), &shared, tail, now)?;
    let newest = shared.chain().last().map(|segment| (segment.header, segment.len));
    let Some((header, len)) = newest else {
        return Err(EngineError::Invariant("an opened log has a tail".to_owned()));
    };
    let writer = Writer {
        file,
        header,
        len,
        next_offset: tail.next_offset,
        synced_offset: tail.next_offset,
        synced_at: now,
        rising: Rising::after(tail.newest_at, now),
        fault: None,
        buffer: Vec::new(),
        disk,
        clock,
        shared,
        waiting_bytes,
    };
    let spawned = std::thread::Builder::new()
        .name("log-writer".to_owned())
        .spawn(move || runtime.block_on(writer.run(commands, lock)));
    spawned.map(drop).map_err(|source| file_error("start the writer of", &dir, source))
}

/// Opens the newest segment, or begins the first one or the one behind a damaged tail.
fn open_tail(
    disk: &dyn Disk,
    shared: &Shared,
    tail: Tail,
    now: UnixNanos,
) -> Result<Box<dyn SegmentFile>, EngineError> {
    let newest = shared.chain().last().cloned();
    match newest {
        Some(segment) if !tail.damaged => {
            let path = shared.path(segment.header.base);
            disk.open(&path).map_err(|source| file_error("open", &path, source))
        }
        newest => {
            let header = header_after(newest.as_ref(), tail.next_offset, tail.newest_at, now);
            let path = shared.path(header.base);
            begin(disk, shared, header).map_err(|source| file_error("begin", &path, source))
        }
    }
}

/// Makes a segment durable before it takes records, and adds it to the chain.
fn begin(disk: &dyn Disk, shared: &Shared, header: SegmentHeader) -> io::Result<Box<dyn SegmentFile>> {
    let file = disk.create(&shared.path(header.base))?;
    file.write_at(&header.to_bytes(), 0)?;
    file.sync()?;
    disk.sync_dir(&shared.config.dir)?;
    shared.chain().push(Segment { header, len: HEADER_LEN as u64, index: Vec::new() });
    Ok(file)
}

/// What has to be mended before the next write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Cut off what was not answered.
    Cut,
    /// And go on in a new segment.
    CutAndRoll,
}

/// # Invariants
/// Everything before `next_offset` and before byte `len` of the tail was answered; everything before
/// `synced_offset` is synced; `fault` is set while there may be other bytes behind `len`.
#[derive(Debug)]
struct Writer {
    file: Box<dyn SegmentFile>,
    header: SegmentHeader,
    len: u64,
    next_offset: u64,
    synced_offset: u64,
    synced_at: UnixNanos,
    rising: Rising,
    fault: Option<Fault>,
    buffer: Vec<u8>,
    disk: Box<dyn Disk>,
    clock: Clock,
    shared: Arc<Shared>,
    waiting_bytes: Arc<AtomicUsize>,
}

impl Writer {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>, lock: File) {
        let mut next_tick = self.clock.now();
        let mut closing: Option<oneshot::Sender<()>> = None;
        let mut open = true;
        while open && closing.is_none() {
            let mut group = Vec::new();
            tokio::select! {
                biased;
                first = commands.recv() => match first {
                    Some(command) => closing = gather(command, &mut commands, &mut group),
                    None => open = false,
                },
                () = self.clock.sleep_until(next_tick) => {}
            }
            let now = self.clock.now();
            let tick = now >= next_tick;
            if tick {
                group.push(clock_record());
                // After a pause of the process one record is enough.
                next_tick = (next_tick + NANOS_PER_SEC).max(now);
            }
            self.commit(group, now);
            if tick {
                self.tend(now);
            }
        }
        if let Err(error) = self.sync(self.clock.now()) {
            tracing::error!(error = %error, "cannot sync the log while closing it");
        }
        drop(commands);
        // closing it would do, but for copies in children that are being started
        lock.unlock().ok();
        drop(lock);
        drop(self);
        if let Some(reply) = closing {
            // Nobody has to wait for the answer.
            reply.send(()).ok();
        }
    }

    /// Writes a group and answers it.
    fn commit(&mut self, group: Vec<Pending>, now: UnixNanos) {
        if group.is_empty() {
            return;
        }
        let size: usize = group.iter().map(|pending| pending.record.body.len()).sum();
        let written = self.write(&group, now);
        self.waiting_bytes.fetch_sub(size, Ordering::AcqRel);
        match written {
            Ok(first) => {
                self.shared.set_refusal(None);
                for (offset, pending) in (first..).zip(group) {
                    self.shared.counters.appended(pending.record.kind);
                    // The client may have gone; the record stays.
                    drop(pending.reply.send(Ok(offset)));
                }
            }
            Err(error) => self.refuse(group, &error),
        }
        if self.buffer.capacity() > BUFFER_BYTES_KEPT {
            self.buffer = Vec::new();
        }
    }

    /// Makes a group durable; gives the offset of its first record.
    fn write(&mut self, group: &[Pending], now: UnixNanos) -> io::Result<u64> {
        self.mend(now)?;
        let bytes: usize = group.iter().map(|pending| frame::frame_len(&pending.record)).sum();
        if self.len > HEADER_LEN as u64 && self.len + bytes as u64 > self.shared.config.segment_bytes {
            self.roll(now)?;
        }
        let index = self.encode(group, now);
        if let Err(error) = self.file.write_at(&self.buffer, self.len) {
            self.fault = Some(Fault::Cut);
            return Err(error);
        }
        if self.shared.config.sync == SyncPolicy::EachCommit
            && let Err(error) = self.file.sync()
        {
            self.fault = Some(Fault::CutAndRoll);
            return Err(error);
        }
        let first = self.next_offset;
        self.len += bytes as u64;
        self.next_offset += group.len() as u64;
        if self.shared.config.sync == SyncPolicy::EachCommit {
            (self.synced_offset, self.synced_at) = (self.next_offset, now);
        }
        self.publish(index);
        self.shared.counters.appended_bytes.add_len(bytes);
        let took = u64::try_from(self.clock.now().saturating_sub(now)).unwrap_or(0);
        self.shared.counters.commit.record(Duration::from_nanos(took));
        Ok(first)
    }

    /// Fills the buffer with the frames of a group, all of one arrival stamp.
    fn encode(&mut self, group: &[Pending], now: UnixNanos) -> Vec<(u64, u64)> {
        let arrived_at = self.rising.advance(now, now);
        if self.rising.is_behind() {
            self.shared.counters.clock_behind.add(1);
        }
        let (salt, durable_before) = (self.header.salt, self.synced_offset);
        let mut index = Vec::new();
        self.buffer.clear();
        for (offset, pending) in (self.next_offset..).zip(group) {
            index_entry(&mut index, offset, self.len + self.buffer.len() as u64);
            frame::encode(
                &pending.record,
                Placement { salt, offset, durable_before, arrived_at },
                &mut self.buffer,
            );
        }
        index
    }

    /// Lets readers see what was written.
    fn publish(&self, index: Vec<(u64, u64)>) {
        if let Some(tail) = self.shared.chain().last_mut() {
            tail.len = self.len;
            for (offset, at) in index {
                index_entry(&mut tail.index, offset, at);
            }
        }
        self.shared.next.send_modify(|next| next.offset = self.next_offset);
    }

    /// Tells a group that it was not taken.
    fn refuse(&mut self, group: Vec<Pending>, error: &io::Error) {
        let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
        let dir = self.shared.config.dir.display().to_string();
        let why = if full { AppendError::NoSpace { dir } } else { AppendError::Disk(error.to_string()) };
        if self.shared.refusal().is_none() {
            tracing::error!(error = %error, "the log refuses appends until its disk works again");
        }
        self.shared.set_refusal(Some(why.to_string()));
        self.shared.counters.refused(if full { "no_space" } else { "disk" }, group.len());
        for pending in group {
            // The client may have gone.
            drop(pending.reply.send(Err(why.clone())));
        }
    }

    /// Removes what a failed write left behind.
    fn mend(&mut self, now: UnixNanos) -> io::Result<()> {
        let Some(fault) = self.fault else { return Ok(()) };
        self.file.cut(self.len)?;
        if fault == Fault::CutAndRoll {
            self.roll(now)?;
        }
        self.fault = None;
        Ok(())
    }

    /// Seals the tail and begins the next segment.
    fn roll(&mut self, now: UnixNanos) -> io::Result<()> {
        self.file.sync()?;
        self.synced_offset = self.next_offset;
        if self.len == HEADER_LEN as u64 {
            // Nothing in it yet: two segments cannot begin at one offset.
            return Ok(());
        }
        let header = header_after(self.shared.chain().last(), self.next_offset, self.rising.last(), now);
        self.file = begin(self.disk.as_ref(), &self.shared, header)?;
        self.header = header;
        self.len = HEADER_LEN as u64;
        Ok(())
    }

    fn sync(&mut self, now: UnixNanos) -> io::Result<()> {
        if self.synced_offset < self.next_offset {
            self.file.sync()?;
            (self.synced_offset, self.synced_at) = (self.next_offset, now);
        }
        Ok(())
    }

    /// What is done once a second: sync by time, retention, gauges.
    fn tend(&mut self, now: UnixNanos) {
        if let SyncPolicy::Every(pause) = self.shared.config.sync {
            let due =
                now.saturating_sub(self.synced_at) >= i64::try_from(pause.as_nanos()).unwrap_or(i64::MAX);
            if due && let Err(error) = self.sync(now) {
                tracing::error!(error = %error, "cannot sync the log");
                self.fault = Some(Fault::CutAndRoll);
            }
        }
        self.retain(now);
        let (sealed, tail_bytes) = self.shared.sealed();
        let counters = &self.shared.counters;
        counters.bytes.set_count(tail_bytes + sealed.iter().map(|segment| segment.bytes).sum::<u64>());
        counters.segments.set_count(sealed.len() as u64 + 1);
        counters.next_offset.set_count(self.next_offset);
    }

    /// Removes the segments that may go.
    fn retain(&self, now: UnixNanos) {
        let config = &self.shared.config;
        let age_nanos = i64::try_from(config.retention_age.as_nanos()).unwrap_or(i64::MAX);
        let limits = Limits { bytes: config.retention_bytes, age_nanos };
        let (sealed, tail_bytes) = self.shared.sealed();
        for (base, why) in retention::removals(&sealed, tail_bytes, self.shared.needed_from(), now, limits) {
            let path = self.shared.path(base);
            if let Err(error) = self.disk.remove(&path) {
                tracing::warn!(path = %path.display(), error = %error, "cannot remove an old segment");
                return;
            }
            self.shared.chain().retain(|segment| segment.header.base != base);
            self.shared.counters.removed(why.name());
            if why == retention::Why::Forced {
                tracing::error!(path = %path.display(), "retention_bytes forced out records that were not read yet");
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.next.send_modify(|next| next.closed = true);
    }
}

/// Takes what waits already, up to the size of a group.
fn gather(
    first: Command,
    commands: &mut mpsc::Receiver<Command>,
    group: &mut Vec<Pending>,
) -> Option<oneshot::Sender<()>> {
    let mut bytes = 0;
    let mut command = Some(first);
    while let Some(taken) = command {
        match taken {
            Command::Close(reply) => return Some(reply),
            Command::Append(pending) => {
                bytes += frame::frame_len(&pending.record);
                group.push(pending);
            }
        }
        command = if bytes < GROUP_BYTES { commands.try_recv().ok() } else { None };
    }
    None
}

/// A record that says nothing but that time went on. Nobody waits for it.
fn clock_record() -> Pending {
    let record = NewRecord {
        tenant: "".into(),
        kind: RecordKind::Clock,
        encoding: Encoding::Json,
        compression: Compression::None,
        body: Bytes::new(),
    };
    Pending { record, reply: oneshot::channel().0 }
}
