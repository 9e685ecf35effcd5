//! Messages into an append-only file.
//!
//! Promises: after a flush they are on the disk; when the file is opened again, a torn end is cut, and the number of
//! messages is that of whole ones. What this module does not do: forget old messages, or send them anywhere.

use std::path::Path;
use std::sync::Arc;

use crate::error::EngineError;
use crate::operator::Message;
use crate::sink::events::{EventStore, decode, id_of};
use crate::sink::journal::{FileJournal, Journal, frame, read_frame};
use crate::sink::{Sink, once};

/// The newest so many bytes that a flush has not written yet are the bound of memory; above it, it is written at once.
const UNWRITTEN_BYTES_MAX: usize = 1 << 20;

/// Reads the whole messages of a file that another process may be writing; a torn end is passed over.
///
/// # Errors
/// [`EngineError::File`] when the disk refuses, [`EngineError::Damaged`] for a frame that holds no message.
pub fn read_messages(path: &Path) -> Result<Vec<Message>, EngineError> {
    let journal = FileJournal::open_to_read(path)?;
    scan(&journal).map(|(found, _)| found.into_iter().map(|(_, message)| message).collect())
}

/// Every whole message with its place, and the end of the last one.
fn scan(journal: &dyn Journal) -> Result<(Vec<(u64, Message)>, u64), EngineError> {
    let (mut end, mut found) = (0, Vec::new());
    while let Some((body, next)) = read_frame(journal, end)? {
        let message = decode(&body).map_err(|error| EngineError::Damaged {
            what: "stored message",
            place: format!("byte {end}"),
            why: error.to_string(),
        })?;
        found.push((end, message));
        end = next;
    }
    Ok((found, end))
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
    unsynced: Vec<(u64, Option<String>)>,
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
        let (found, end) = scan(&*journal)?;
        if journal.len()? > end {
            tracing::warn!(bytes = journal.len()? - end, "cut a torn end off the stored messages");
            journal.cut(end)?;
        }
        journal.sync()?;
        let shown = usize::try_from(store.count()).unwrap_or(usize::MAX);
        store.add(found.iter().skip(shown).map(|(place, message)| (*place, id_of(message))));
        Ok(Self { journal, store: store.clone(), end, unwritten: Vec::new(), unsynced: Vec::new() })
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
        let held = self.store.count();
        if held < from {
            return Err(once::too_few(from, held));
        }
        let stored = self.store.page(from, usize::MAX)?;
        Ok(stored.into_iter().map(|stored| Some(stored.message.digest())).collect())
    }

    fn pass_over(&mut self) {}

    async fn write(&mut self, messages: &[Message]) -> Result<(), EngineError> {
        for message in messages {
            let body = postcard::to_stdvec(message)
                .map_err(|error| EngineError::Invariant(format!("a message cannot be written: {error}")))?;
            self.unsynced.push((self.end + self.unwritten.len() as u64, id_of(message)));
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn message(n: u64) -> Message {
        Message {
            topic: "risk-events".to_owned(),
            key: format!("k{n}"),
            headers: vec![("ce_id".to_owned(), format!("id-{n}"))],
            value: Bytes::from(format!("{{\"n\":{n}}}")),
        }
    }

    /// Scenario: three messages, the file is torn at every byte, and opened again. Guarantees: whole messages before
    /// the tear are there, nothing else, and writing goes on behind them.
    #[tokio::test]
    async fn a_torn_end_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events");
        let (mut sink, store) = FileSink::open(&path).unwrap();
        sink.write(&[message(0), message(1), message(2)]).await.unwrap();
        assert_eq!(store.count(), 0, "not durable, not shown");
        assert_eq!(sink.flush().await.unwrap(), 3);
        let whole = std::fs::read(&path).unwrap();
        for length in 0..=whole.len() {
            let torn = dir.path().join(format!("torn-{length}"));
            std::fs::write(&torn, &whole[..length]).unwrap();
            let (mut sink, store) = FileSink::open(&torn).unwrap();
            let kept = store.count();
            assert_eq!(kept, (length * 3 / whole.len()) as u64);
            sink.write(&[message(9)]).await.unwrap();
            sink.flush().await.unwrap();
            let (_, store) = FileSink::open(&torn).unwrap();
            assert_eq!(
                store.page(kept, 9).unwrap(),
                [super::super::Stored { number: kept, message: message(9) }]
            );
        }
    }

    /// Scenario: a sink ends with messages that it wrote and did not sync, and another takes its place. Guarantees:
    /// readers of the first see all that stands in the file, once, and what the second writes.
    #[tokio::test]
    async fn a_successor_goes_on_for_the_same_readers() {
        let dir = tempfile::tempdir().unwrap();
        let (mut sink, store) = FileSink::open(&dir.path().join("events")).unwrap();
        sink.write(&[message(0)]).await.unwrap();
        sink.flush().await.unwrap();
        sink.write(&[message(1)]).await.unwrap();
        sink.put().unwrap();
        drop(sink);
        let mut sink = FileSink::again(&store).unwrap();
        assert_eq!(sink.resume(1).await.unwrap(), [Some(message(1).digest())]);
        sink.write(&[message(2)]).await.unwrap();
        sink.flush().await.unwrap();
        let seen: Vec<Message> = store.page(0, 9).unwrap().into_iter().map(|stored| stored.message).collect();
        assert_eq!(seen, [message(0), message(1), message(2)]);
    }

    /// Scenario: a reader asks by id and follows. Guarantees: it sees what is durable, resumes after an id, and wakes.
    #[tokio::test]
    async fn readers_resume_after_an_id() {
        let dir = tempfile::tempdir().unwrap();
        let (mut sink, store) = FileSink::open(&dir.path().join("events")).unwrap();
        let mut news = store.follow();
        sink.write(&[message(0), message(1)]).await.unwrap();
        sink.flush().await.unwrap();
        news.changed().await.unwrap();
        assert_eq!(*news.borrow_and_update(), 2);
        let after = store.number_of("id-0").unwrap() + 1;
        assert_eq!(store.page(after, 10).unwrap().len(), 1);
        assert_eq!(store.by_id("id-1").unwrap().unwrap().message, message(1));
        assert_eq!(store.by_id("nothing").unwrap(), None);
        assert!(
            sink.resume(3).await.unwrap_err().to_string().contains("counts 3 messages, the sink holds 2")
        );
    }
}
