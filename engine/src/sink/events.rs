//! What was published, to be listed and followed.
//!
//! Shows only what is durable, in the order in which it was said. Memory: two numbers and an id per message.
//! What this module does not do: write; [`crate::sink::FileSink`] does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::error::EngineError;
use crate::operator::Message;
use crate::sink::journal::{Journal, read_frame};

/// Header that carries the id by which a message can be asked for.
const ID_HEADER: &str = "ce_id";

/// A message and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Counts from 0.
    pub number: u64,
    /// The message.
    pub message: Message,
}

/// Reads what a file sink has made durable. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EventStore(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    journal: Arc<dyn Journal>,
    index: Mutex<Index>,
    durable: watch::Sender<u64>,
}

/// # Invariants
/// `places` holds the place of every durable message; `numbers` the newest number of each id.
#[derive(Debug, Default)]
struct Index {
    places: Vec<u64>,
    numbers: HashMap<String, u64>,
}

impl EventStore {
    pub(crate) fn new(journal: Arc<dyn Journal>) -> Self {
        Self(Arc::new(Inner { journal, index: Mutex::default(), durable: watch::Sender::new(0) }))
    }

    pub(crate) fn journal(&self) -> Arc<dyn Journal> {
        Arc::clone(&self.0.journal)
    }

    /// Notes that these became durable.
    pub(crate) fn add(&self, new: impl IntoIterator<Item = (u64, Option<String>)>) -> u64 {
        let mut index = self.index();
        for (place, id) in new {
            let number = index.places.len() as u64;
            index.places.push(place);
            if let Some(id) = id {
                index.numbers.insert(id, number);
            }
        }
        let count = index.places.len() as u64;
        drop(index);
        self.0.durable.send_replace(count);
        count
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        *self.0.durable.borrow()
    }

    /// The number of the newest message with this id.
    #[must_use]
    pub fn number_of(&self, id: &str) -> Option<u64> {
        self.index().numbers.get(id).copied()
    }

    /// The newest message with this id.
    ///
    /// # Errors
    /// When the disk refuses or holds something else.
    pub fn by_id(&self, id: &str) -> Result<Option<Stored>, EngineError> {
        let Some(number) = self.number_of(id) else { return Ok(None) };
        Ok(self.page(number, 1)?.pop())
    }

    /// Up to `limit` messages, beginning with this number. To go on after an id, begin at its number + 1. Blocks
    /// for a short read of the disk.
    ///
    /// # Errors
    /// When the disk refuses or holds something else.
    pub fn page(&self, from: u64, limit: usize) -> Result<Vec<Stored>, EngineError> {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let places: Vec<u64> = self.index().places.iter().skip(from).take(limit).copied().collect();
        places
            .into_iter()
            .zip(from as u64..)
            .map(|(place, number)| Ok(Stored { number, message: self.read(place)? }))
            .collect()
    }

    /// Tells the number of durable messages whenever it changes: wait for it, then ask for the next page.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.0.durable.subscribe()
    }

    fn read(&self, place: u64) -> Result<Message, EngineError> {
        let damaged = |why: String| EngineError::Damaged {
            what: "stored message",
            place: format!("byte {place}"),
            why,
        };
        let (body, _) = read_frame(&*self.0.journal, place)?
            .ok_or_else(|| damaged("checksum does not fit".to_owned()))?;
        decode(&body).map_err(|error| damaged(error.to_string()))
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.0.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) fn decode(body: &[u8]) -> Result<Message, postcard::Error> {
    postcard::from_bytes(body)
}

pub(crate) fn id_of(message: &Message) -> Option<String> {
    message.header(ID_HEADER).map(str::to_owned)
}
