//! What was published, to be listed and followed.
//!
//! Shows only what is durable, in the order in which it was said. Memory: three numbers and an id per message.
//! What this module does not do: write, or let go; [`crate::sink::FileSink`] does.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::error::EngineError;
use crate::operator::Message;
use crate::sink::journal::{Journal, read_frame};
use crate::sink::retention::{Held, Retention};

/// Header that carries the id by which a message can be asked for.
const ID_HEADER: &str = "ce_id";
/// Header that carries the time of a message.
const TIME_HEADER: &str = "ce_time";
/// The one header of the mark that stands in front where older messages were let go.
const FIRST_HEADER: &str = "first_number";

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
/// `held` holds the place of every durable message that is kept, of which `first` is the first; `numbers` the newest
/// number of each id.
#[derive(Debug, Default)]
struct Index {
    first: u64,
    held: VecDeque<Held>,
    numbers: HashMap<String, u64>,
}

/// What is known of a message that became durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct New {
    place: u64,
    id: Option<String>,
    at: Option<i64>,
}

impl New {
    pub(crate) fn of(message: &Message, place: u64) -> Self {
        let at = message.header(TIME_HEADER).and_then(|text| text.parse::<jiff::Timestamp>().ok());
        let at = at.and_then(|at| i64::try_from(at.as_nanosecond()).ok());
        Self { place, id: message.header(ID_HEADER).map(str::to_owned), at }
    }
}

impl EventStore {
    pub(crate) fn new(journal: Arc<dyn Journal>) -> Self {
        Self(Arc::new(Inner { journal, index: Mutex::default(), durable: watch::Sender::new(0) }))
    }

    pub(crate) fn journal(&self) -> Arc<dyn Journal> {
        Arc::clone(&self.0.journal)
    }

    /// Before anything was added: how many were let go by an earlier process.
    pub(crate) fn begin_at(&self, first: u64) {
        self.index().first = first;
        self.0.durable.send_replace(first);
    }

    /// Notes that these became durable.
    pub(crate) fn add(&self, new: impl IntoIterator<Item = New>) -> u64 {
        let mut index = self.index();
        for New { place, id, at } in new {
            let number = index.first + index.held.len() as u64;
            // one without a time is as old as the one ahead of it
            let before = index.held.back().map_or(i64::MIN, |held| held.at);
            index.held.push_back(Held { place, at: before.max(at.unwrap_or(i64::MIN)) });
            if let Some(id) = id {
                index.numbers.insert(id, number);
            }
        }
        let count = index.first + index.held.len() as u64;
        drop(index);
        self.0.durable.send_replace(count);
        count
    }

    /// The first message that stays: its number and its place. `None` if nothing is to go, or nothing may before
    /// `needed`.
    pub(crate) fn first_kept(
        &self,
        retention: Retention,
        (begin, end): (u64, u64),
        needed: u64,
    ) -> Option<(u64, u64)> {
        let index = self.index();
        let surplus = retention.surplus(&index.held, (begin, end)) as u64;
        let number = (index.first + surplus).min(needed);
        let nth = usize::try_from(number.checked_sub(index.first)?).ok()?;
        let held = index.held.get(nth).filter(|_| nth > 0)?;
        Some((number, held.place))
    }

    /// Shows nothing before this number any more.
    pub(crate) fn let_go(&self, number: u64) {
        let mut index = self.index();
        let n_gone = usize::try_from(number.saturating_sub(index.first)).unwrap_or(usize::MAX);
        let n_gone = n_gone.min(index.held.len());
        index.held.drain(..n_gone);
        index.first += n_gone as u64;
        let first = index.first;
        index.numbers.retain(|_, number| *number >= first);
    }

    /// The number of the first message that is kept.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.index().first
    }

    /// How many there were ever.
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

    /// Up to `limit` messages, beginning with this number, or with the first that is kept. To go on after an id, begin
    /// at its number + 1. Blocks for a short read of the disk.
    ///
    /// # Errors
    /// When the disk refuses or holds something else.
    pub fn page(&self, from: u64, limit: usize) -> Result<Vec<Stored>, EngineError> {
        let index = self.index();
        let from = from.max(index.first);
        let nth = usize::try_from(from - index.first).unwrap_or(usize::MAX);
        let places: Vec<u64> = index.held.iter().skip(nth).take(limit).map(|held| held.place).collect();
        drop(index);
        let read = |(place, number)| match self.read(place) {
            // let go since it was looked up
            Err(_) if number < self.first() => None,
            read => Some(read.map(|message| Stored { number, message })),
        };
        places.into_iter().zip(from..).filter_map(read).collect()
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

/// What stands in front where older messages were let go: no message, as it has no topic.
pub(crate) fn mark(first: u64) -> Message {
    let headers = vec![(FIRST_HEADER.to_owned(), first.to_string())];
    Message { topic: String::new(), key: String::new(), headers, value: bytes::Bytes::new() }
}

/// The number of the first message behind the mark, if it is one.
pub(crate) fn first_of(message: &Message) -> Option<u64> {
    message.header(FIRST_HEADER).filter(|_| message.topic.is_empty())?.parse().ok()
}
