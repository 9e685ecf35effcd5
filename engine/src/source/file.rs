//! Recorded OTLP files as an input: the same files give the same records with the same stamps, on every run.
//!
//! Recordings carry no arrival stamps, so they are made: the newest event time of a request and [`TRANSPORT`], never
//! decreasing. Between them stands a clock record at every full second, and after the last one for
//! [`FileConfig::tail_secs`], so that windows close as they would live. What this module does not do: follow a file
//! that still grows, or wait as long as the recording took.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::EngineError;
use crate::record::{Compression, Encoding, NANOS_PER_SEC, Positions, Record, RecordKind, UnixNanos};
use crate::source::recorded::{Recorded, read_recorded};
use crate::source::{Received, ResumeAt, Source};

/// From the newest row of a request to its arrival.
pub const TRANSPORT: UnixNanos = NANOS_PER_SEC / 5;

/// Name of the one partition that all files are merged into.
const PARTITION: &str = "recorded";

/// Seconds of silence through which the clock is played; what is longer is passed over at once. One row with a clock
/// years ahead would otherwise cost a record for each of their seconds.
const SILENCE_SECS_MAX: i64 = 900;

/// What to read, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileConfig {
    /// Files, and folders of files.
    pub paths: Vec<PathBuf>,
    /// Whose data it is.
    pub tenant: Arc<str>,
    /// Seconds that the clock goes on after the last request.
    pub tail_secs: u32,
    /// Bound of all files together, unpacked: they are held in memory to be put in order.
    pub bytes_max: usize,
}

impl FileConfig {
    /// These files, with the usual bounds.
    #[must_use]
    pub fn new(paths: Vec<PathBuf>, tenant: Arc<str>) -> Self {
        Self { paths, tenant, tail_secs: 20, bytes_max: 256 << 20 }
    }
}

/// Gives the requests of recorded files, merged by event time.
///
/// # Invariants
/// What comes next is a function of the files and `next_offset` alone.
#[derive(Debug, Clone)]
pub struct FileSource {
    requests: Arc<[Recorded]>,
    passed_over: u64,
    tenant: Arc<str>,
    tail: UnixNanos,
    partition: Arc<str>,
    next: usize,
    next_offset: u64,
    /// Stamp of the newest request that was given out.
    arrived_at: UnixNanos,
    /// The newest full second that was told, or that needs no telling.
    clock: UnixNanos,
}

impl FileSource {
    /// Reads the files and begins where `resume` says.
    ///
    /// # Errors
    /// [`EngineError::Setting`] for paths that hold no recording and for more than fits, [`EngineError::File`] when
    /// the disk refuses. Lines that cannot be used are warned of, counted and passed over.
    pub fn open(config: &FileConfig, resume: &ResumeAt) -> Result<Self, EngineError> {
        let found = read_recorded(&config.paths, config.bytes_max)?;
        let mut source = Self {
            requests: found.requests.into(),
            passed_over: found.passed_over,
            tenant: Arc::clone(&config.tenant),
            tail: i64::from(config.tail_secs) * NANOS_PER_SEC,
            partition: PARTITION.into(),
            next: 0,
            next_offset: 0,
            arrived_at: 0,
            clock: 0,
        };
        let resume_offset = resume.positions.next_of(PARTITION);
        while source.next_offset < resume_offset {
            if source.step().is_none() {
                return Err(EngineError::Setting(format!(
                    "the recording ends at record {}, the checkpoint goes on at {resume_offset}: name the files that \
                     the checkpoint was made with, or begin in an empty folder",
                    source.next_offset
                )));
            }
        }
        Ok(source)
    }

    /// How many requests there are.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.requests.len()
    }

    /// How many lines could not be used.
    #[must_use]
    pub fn passed_over(&self) -> u64 {
        self.passed_over
    }

    fn step(&mut self) -> Option<Record> {
        let request = self.requests.get(self.next);
        let second = self.clock + NANOS_PER_SEC;
        let until = match request {
            Some(request) if self.next == 0 => {
                self.clock = request.newest_at + TRANSPORT;
                self.clock
            }
            Some(request) => self.arrived_at.max(request.newest_at + TRANSPORT),
            None if self.next == 0 => return None,
            None => self.arrived_at + self.tail,
        };
        let told = self.next > 0 && second <= until;
        if told && second - self.arrived_at <= SILENCE_SECS_MAX * NANOS_PER_SEC {
            self.clock = second;
            return Some(self.record(second, RecordKind::Clock, (Encoding::Json, Bytes::new())));
        }
        let request = request?;
        self.next += 1;
        self.arrived_at = until;
        self.clock = until - until.rem_euclid(NANOS_PER_SEC);
        let (kind, body) = (request.kind, (request.encoding, request.body.clone()));
        Some(self.record(until, kind, body))
    }

    fn record(&mut self, arrived_at: UnixNanos, kind: RecordKind, body: (Encoding, Bytes)) -> Record {
        self.next_offset += 1;
        let tenant = Arc::clone(&self.tenant);
        let (encoding, body) = body;
        Record { tenant, arrived_at, kind, encoding, compression: Compression::None, body }
    }
}

impl Source for FileSource {
    async fn next(&mut self) -> Result<Option<Received>, EngineError> {
        let Some(record) = self.step() else { return Ok(None) };
        Ok(Some(Received { partition: Arc::clone(&self.partition), next_offset: self.next_offset, record }))
    }

    async fn commit(&mut self, _upto: &Positions) -> Result<(), EngineError> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
