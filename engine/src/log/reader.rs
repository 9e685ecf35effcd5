//! Reads the log from any offset on and then waits for more.
//!
//! Promises: records come in order and without holes; a hole that could not be avoided (removed by the byte limit, or
//! damage that the settings say to skip) is counted and logged. Memory: one chunk.
//! What this module does not do: hold back what was not answered yet; the writer does not show it.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::watch;

use crate::error::EngineError;
use crate::log::frame::{self, Frame, NoFrame, Tenants};
use crate::log::segments::{self, Found, Next, Shared};
use crate::log::source::LogSource;
use crate::record::Record;

/// How much is read at once.
const CHUNK_BYTES: usize = 256 << 10;

/// Gives readers and sources. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Readers {
    shared: Arc<Shared>,
}

impl Readers {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// A reader that begins with the record of this offset. While it lives, retention by age leaves what it has not
    /// read.
    ///
    /// # Errors
    /// [`EngineError::Setting`] for an offset behind the end of the log: it belongs to another log.
    pub fn read_from(&self, offset: u64) -> Result<LogReader, EngineError> {
        let end = self.shared.next.borrow().offset;
        if offset > end {
            return Err(EngineError::Setting(format!(
                "asked for offset {offset}, but the log in {} ends at {end}: restore the log that belongs to the checkpoint, \
                 or remove the checkpoint",
                self.shared.config.dir.display()
            )));
        }
        Ok(LogReader {
            need: self.shared.need(offset),
            news: self.shared.next.subscribe(),
            shared: Arc::clone(&self.shared),
            next: offset,
            at: None,
            buffer: Bytes::new(),
            tenants: Tenants::default(),
        })
    }

    /// A source for a lane that begins with the record of this offset: the lane's checkpoint decides what retention
    /// may remove.
    ///
    /// # Errors
    /// As [`Readers::read_from`].
    pub fn source_from(&self, offset: u64) -> Result<LogSource, EngineError> {
        Ok(LogSource::new(self.read_from(offset)?, Arc::clone(&self.shared)))
    }

    /// Offset of the oldest record that is kept.
    #[must_use]
    pub fn first_offset(&self) -> u64 {
        self.shared.first_offset()
    }

    /// Offset that the next record gets.
    #[must_use]
    pub fn next_offset(&self) -> u64 {
        self.shared.next.borrow().offset
    }
}

/// An open segment.
#[derive(Debug)]
struct At {
    base: u64,
    salt: u32,
    path: PathBuf,
    file: Arc<File>,
    /// Place of the first byte that is not in the buffer yet.
    place: u64,
}

/// What the files say about the next record.
enum Step {
    Record(Frame),
    More,
    Wait,
}

/// Reads the log; a tail waits for new records.
#[derive(Debug)]
pub struct LogReader {
    shared: Arc<Shared>,
    news: watch::Receiver<Next>,
    need: Arc<AtomicU64>,
    next: u64,
    at: Option<At>,
    buffer: Bytes,
    tenants: Tenants,
}

impl LogReader {
    /// The next record and its offset; waits for one. Giving up the wait loses nothing.
    ///
    /// # Errors
    /// [`EngineError::Stopped`] when the log was closed and everything is read, [`EngineError::File`] and
    /// [`EngineError::Damaged`] when a segment cannot be read.
    pub async fn next(&mut self) -> Result<(u64, Record), EngineError> {
        loop {
            match self.step().await? {
                Step::More => {}
                Step::Record(frame) => {
                    self.next = frame.offset + 1;
                    self.need.store(self.next, Ordering::Release);
                    return Ok((frame.offset, frame.record));
                }
                Step::Wait => self.wait().await?,
            }
        }
    }

    /// The next record if it is there already.
    ///
    /// # Errors
    /// As [`LogReader::next`].
    pub async fn try_next(&mut self) -> Result<Option<(u64, Record)>, EngineError> {
        if self.next >= self.shared.next.borrow().offset { Ok(None) } else { self.next().await.map(Some) }
    }

    /// Offset of the record that comes next.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.next
    }

    async fn wait(&mut self) -> Result<(), EngineError> {
        let next = self.next;
        let stopped = || EngineError::Stopped("the log");
        let news = self.news.wait_for(|it| it.offset > next || it.closed).await.map_err(|_| stopped())?;
        if news.offset > next { Ok(()) } else { Err(stopped()) }
    }

    async fn step(&mut self) -> Result<Step, EngineError> {
        let Some(at) = &self.at else { return self.open() };
        let salt = at.salt;
        match frame::parse(salt, &self.buffer, &mut self.tenants) {
            Ok((frame, len)) => {
                self.buffer = self.buffer.slice(len..);
                match frame.offset.cmp(&self.next) {
                    std::cmp::Ordering::Less => Ok(Step::More),
                    std::cmp::Ordering::Equal => Ok(Step::Record(frame)),
                    std::cmp::Ordering::Greater => self.damage("a record is missing"),
                }
            }
            Err(NoFrame::Short(len)) => self.fill(len).await,
            Err(NoFrame::Broken(why)) => self.damage(why),
        }
    }

    /// Opens the segment that holds the next record.
    fn open(&mut self) -> Result<Step, EngineError> {
        match self.shared.find(self.next) {
            Found::NotYet => Ok(Step::Wait),
            Found::Removed { first } => {
                self.shared.counters.lost_to_retention.add(first.saturating_sub(self.next));
                self.jump(first, "retention_bytes removed records before they were read");
                Ok(Step::More)
            }
            Found::Here { path, header, from, .. } => {
                let file = match File::open(&path) {
                    Ok(file) => Arc::new(file),
                    // Removed in this moment: look again.
                    Err(e)
                        if e.kind() == std::io::ErrorKind::NotFound
                            && self.shared.first_offset() > self.next =>
                    {
                        return Ok(Step::More);
                    }
                    Err(source) => return Err(EngineError::File { action: "open", path, source }),
                };
                self.buffer = Bytes::new();
                self.at = Some(At { base: header.base, salt: header.salt, path, file, place: from });
                Ok(Step::More)
            }
        }
    }

    /// Reads on until the buffer holds `wanted` bytes, or goes to the next segment.
    async fn fill(&mut self, wanted: usize) -> Result<Step, EngineError> {
        let Some(at) = &mut self.at else { return Ok(Step::More) };
        let (visible, end) = match self.shared.find(at.base) {
            Found::Here { header, len, end, .. } if header.base == at.base => (len, end),
            // Removed while it was read: the open file still has everything, and what follows is found anew.
            Found::Here { .. } | Found::Removed { .. } => {
                (at.file.metadata().map_or(0, |it| it.len()), Some(0))
            }
            Found::NotYet => return Ok(Step::Wait),
        };
        let left = usize::try_from(visible.saturating_sub(at.place)).unwrap_or(usize::MAX);
        if left == 0 {
            return self.end_of_segment(end);
        }
        let size = left.min(CHUNK_BYTES.max(wanted - self.buffer.len().min(wanted)));
        let (file, place, path) = (Arc::clone(&at.file), at.place, at.path.clone());
        let rest = self.buffer.clone();
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; rest.len() + size];
            bytes[..rest.len()].copy_from_slice(&rest);
            file.read_exact_at(&mut bytes[rest.len()..], place).map(|()| bytes)
        });
        let bytes = read.await.map_err(|_| EngineError::Stopped("the reader of the log"))?;
        self.buffer = bytes.map_err(|source| EngineError::File { action: "read", path, source })?.into();
        at.place += size as u64;
        Ok(Step::More)
    }

    /// All visible bytes are read.
    fn end_of_segment(&mut self, end: Option<u64>) -> Result<Step, EngineError> {
        match end {
            None if self.buffer.is_empty() => Ok(Step::Wait),
            Some(end) if self.buffer.is_empty() && self.next >= end => {
                self.at = None;
                Ok(Step::More)
            }
            _ => self.damage("it ends too early"),
        }
    }

    /// Refuses, or goes on with the next segment if the settings say so.
    fn damage(&mut self, why: &'static str) -> Result<Step, EngineError> {
        let Some(at) = &self.at else { return Ok(Step::More) };
        let end = match self.shared.find(at.base) {
            Found::Here { end, .. } => end,
            _ => None,
        };
        let place = at.place - self.buffer.len() as u64;
        let fault = format!("offset {} at byte {place}: {why}", self.next);
        match end {
            Some(end) if self.shared.skips_damage() => {
                self.shared.counters.lost_to_damage.add(end.saturating_sub(self.next));
                self.jump(end, &fault);
                Ok(Step::More)
            }
            _ => Err(segments::damaged(&at.path, fault)),
        }
    }

    /// Goes on behind a hole.
    fn jump(&mut self, to: u64, why: &str) {
        tracing::error!(from = self.next, to, why, "records of the log are lost");
        self.next = to;
        self.at = None;
        self.buffer = Bytes::new();
        self.need.store(to, Ordering::Release);
    }
}
