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
use crate::source::recorded::{Bounds, Recorded, Recordings};
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
    /// Bound of one request; what is longer is passed over and counted.
    pub request_bytes_max: usize,
    /// Bound of one packed file, unpacked into the folder for temporary files.
    pub file_bytes_max: u64,
}

impl FileConfig {
    /// These files, with the usual bounds.
    #[must_use]
    pub fn new(paths: Vec<PathBuf>, tenant: Arc<str>) -> Self {
        Self { paths, tenant, tail_secs: 20, request_bytes_max: 64 << 20, file_bytes_max: 64 << 30 }
    }
}

/// Gives the requests of recorded files, merged by event time.
///
/// # Invariants
/// What comes next is a function of the files and `next_offset` alone.
#[derive(Debug, Clone)]
pub struct FileSource {
    recordings: Arc<Recordings>,
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
        let bounds = Bounds { request_bytes: config.request_bytes_max, file_bytes: config.file_bytes_max };
        let mut source = Self {
            recordings: Arc::new(Recordings::find(&config.paths, bounds)?),
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
        self.recordings.requests().len()
    }

    /// How many lines could not be used.
    #[must_use]
    pub fn passed_over(&self) -> u64 {
        self.recordings.passed_over()
    }

    /// Goes on by one record: its stamp, and the request that it is unless it is a clock record.
    fn step(&mut self) -> Option<(UnixNanos, Option<Recorded>)> {
        let request = self.recordings.requests().get(self.next).copied();
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
            self.next_offset += 1;
            return Some((second, None));
        }
        let request = request?;
        self.next += 1;
        self.next_offset += 1;
        self.arrived_at = until;
        self.clock = until - until.rem_euclid(NANOS_PER_SEC);
        Some((until, Some(request)))
    }

    fn record(&self, arrived_at: UnixNanos, request: Option<Recorded>) -> Result<Record, EngineError> {
        let (kind, encoding, body) = match request {
            None => (RecordKind::Clock, Encoding::Json, Bytes::new()),
            Some(request) => (request.kind, request.encoding, self.recordings.body(&request)?),
        };
        let tenant = Arc::clone(&self.tenant);
        Ok(Record { tenant, arrived_at, kind, encoding, compression: Compression::None, body })
    }
}

impl Source for FileSource {
    async fn next(&mut self) -> Result<Option<Received>, EngineError> {
        let Some((arrived_at, request)) = self.step() else { return Ok(None) };
        let record = self.record(arrived_at, request)?;
        Ok(Some(Received { partition: Arc::clone(&self.partition), next_offset: self.next_offset, record }))
    }

    async fn commit(&mut self, _upto: &Positions) -> Result<(), EngineError> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
