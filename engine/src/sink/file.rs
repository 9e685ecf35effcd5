//! Messages into an append-only file.
//!
//! Promises: after a flush they are on the disk; when the file is opened again, a torn end is cut, and the number of
//! messages is that of whole ones. Old messages are let go within the bounds that were set, none that a kept checkpoint
//! may need; the number of a message never changes. What this module does not do: send them anywhere.

use std::path::Path;
use std::sync::Arc;

use crate::error::EngineError;
use crate::operator::Message;
use crate::sink::events::{EventStore, New, decode, first_of, mark};
use crate::sink::journal::{FileJournal, Journal, frame, read_frame};
use crate::sink::{Retention, Sink, once};

/// The newest so many bytes that a flush has not written yet are the bound of memory; above it, it is written at once.
const UNWRITTEN_BYTES_MAX: usize = 1 << 20;

/// Reads the whole messages of a file that another process may be writing; a torn end is passed over.
///
/// # Errors
/// [`EngineError::File`] when the disk refuses, [`EngineError::Damaged`] for a frame that holds no message.
pub fn read_messages(path: &Path) -> Result<Vec<Message>, EngineError> {
    let journal = FileJournal::open_to_read(path)?;
    scan(&journal).map(|scanned| scanned.found.into_iter().map(|(_, message)| message).collect())
}

/// What a journal holds.
struct Scanned {
    /// Number of the first message.
    first: u64,
    /// Every whole message with its place.
    found: Vec<(u64, Message)>,
    /// The end of the last one.
    end: u64,
}

fn scan(journal: &dyn Journal) -> Result<Scanned, EngineError> {
    let (mut first, mut end, mut found) = (0, journal.begin(), Vec::new());
    while let Some((body, next)) = read_frame(journal, end)? {
        let message = decode(&body).map_err(|error| EngineError::Damaged {
            what: "stored message",
            place: format!("byte {end}"),
            why: error.to_string(),
        })?;
        match first_of(&message) {
            Some(number) => first = number,
            None => found.push((end, message)),
        }
        end = next;
    }
    Ok(Scanned { first, found, end })
}

/// Writes messages to a file.
///
/// # Invariants
/// `end` is the length of the journal as far as it was written; `unsynced` are the messages that the store does not
/// show yet, in order.
#[derive(Debug)]
pub struct FileSink {
    journal: Arc<dyn Journal>,
    store: EventStore,
    end: u64,
    unwritten: Vec<u8>,
    unsynced: Vec<New>,
    retention: Option<Retention>,
}

impl FileSink {
    /// Opens or makes the file.
    ///
    /// # Errors
    /// [`EngineError::File`] when the disk refuses.
    pub fn open(path: &Path) -> Result<(Self, EventStore), EngineError> {
        Self::over(Arc::new(FileJournal::open(path)?))
    }

    /// Over any journal.
    ///
    /// # Errors
    /// What the journal says, and [`EngineError::Damaged`] for a frame that holds no message.
    pub fn over(journal: Arc<dyn Journal>) -> Result<(Self, EventStore), EngineError> {
        let store = EventStore::new(journal);
        Ok((Self::again(&store)?, store))
    }

    /// In the place of an earlier one that is gone; the store shows what it left behind, and what this one writes.
    ///
    /// # Errors
    /// As [`FileSink::over`].
    pub fn again(store: &EventStore) -> Result<Self, EngineError> {
        let journal = store.journal();
        let Scanned { first, found, end } = scan(&*journal)?;
        if journal.len()? > end {
            tracing::warn!(bytes = journal.len()? - end, "cut a torn end off the stored messages");
            journal.cut(end)?;
        }
        journal.sync()?;
        if store.count() == 0 {
            store.begin_at(first);
        }
        let shown = usize::try_from(store.count().saturating_sub(first)).unwrap_or(usize::MAX);
        store.add(found.iter().skip(shown).map(|(place, message)| New::of(message, *place)));
        let (unwritten, unsynced) = (Vec::new(), Vec::new());
        Ok(Self { journal, store: store.clone(), end, unwritten, unsynced, retention: None })
    }

    /// Keeps no more than this, except for what a checkpoint may need.
    #[must_use]
    pub fn keeping(self, retention: Retention) -> Self {
        Self { retention: Some(retention), ..self }
    }

    fn put(&mut self) -> Result<(), EngineError> {
        self.journal.append(self.end, &self.unwritten)?;
        self.end += self.unwritten.len() as u64;
        self.unwritten.clear();
        Ok(())
    }
}

impl Sink for FileSink {
    async fn resume(&mut self, from: u64) -> Result<Vec<Option<u64>>, EngineError> {
        let (first, held) = (self.store.first(), self.store.count());
        if held < from {
            return Err(once::too_few(from, held));
        }
        if from < first {
            return Err(once::let_go(from, first));
        }
        let stored = self.store.page(from, usize::MAX)?;
        Ok(stored.into_iter().map(|stored| Some(stored.message.digest())).collect())
    }

    fn pass_over(&mut self) {}

    async fn write(&mut self, messages: &[Message]) -> Result<(), EngineError> {
        for message in messages {
            let body = postcard::to_stdvec(message)
                .map_err(|error| EngineError::Invariant(format!("a message cannot be written: {error}")))?;
            self.unsynced.push(New::of(message, self.end + self.unwritten.len() as u64));
            frame(&body, &mut self.unwritten)?;
            if self.unwritten.len() > UNWRITTEN_BYTES_MAX {
                self.put()?;
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<u64, EngineError> {
        if self.unsynced.is_empty() {
            return Ok(self.store.count());
        }
        self.put()?;
        self.journal.sync()?;
        Ok(self.store.add(self.unsynced.drain(..)))
    }

    async fn forget(&mut self, upto: u64) -> Result<(), EngineError> {
        let Some(retention) = self.retention else { return Ok(()) };
        let within = (self.journal.begin(), self.end);
        let Some((number, place)) = self.store.first_kept(retention, within, upto) else { return Ok(()) };
        let body = postcard::to_stdvec(&mark(number))
            .map_err(|error| EngineError::Invariant(format!("a mark cannot be written: {error}")))?;
        let mut head = Vec::new();
        frame(&body, &mut head)?;
        // what is not written yet stands behind everything that may go
        if self.journal.let_go(place, &head)? {
            self.store.let_go(number);
            tracing::info!(first = number, bytes = self.end - place, "older messages were let go");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
