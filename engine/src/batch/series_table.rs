//! Series by place: one table that a decoder fills and that all of its batches share.
//!
//! A series is described once, however many batches have points of it; a batch holds the table, and its rows name
//! places in it. What this module does not do: find a series (the decoder's cache does), or forget one (a full cache
//! begins a new table; batches keep theirs alive).
//!
//! # Invariants
//! What stands at a place never changes, and places are filled one after the other. So a table can be read while it
//! grows, without a lock.

use std::sync::{Arc, OnceLock};

use super::Series;

/// Places of the first room; every room after it has twice as many as the one before.
const FIRST_ROOM: u64 = 64;
/// Rooms enough for every place of 32 bits.
const ROOMS: usize = 27;

type Room = Box<[OnceLock<Arc<Series>>]>;

/// Series by place.
#[derive(Debug, Default)]
pub struct SeriesTable {
    rooms: [OnceLock<Room>; ROOMS],
}

impl SeriesTable {
    /// The series at a place; `None` where none is yet.
    #[inline]
    #[must_use]
    pub fn get(&self, place: u32) -> Option<&Arc<Series>> {
        let (room, at) = room_of(place);
        self.rooms.get(room)?.get()?.get(at)?.get()
    }

    /// Fills an empty place.
    ///
    /// # Panics
    /// If something stands there already.
    pub(crate) fn fill(&self, place: u32, series: Arc<Series>) {
        let (room, at) = room_of(place);
        let empty = || (0..FIRST_ROOM << room).map(|_| OnceLock::new()).collect();
        let room = self.rooms[room].get_or_init(empty);
        assert!(room[at].set(series).is_ok(), "a place is filled once");
    }
}

/// Which room a place is in, and where in it.
#[inline(always)]
fn room_of(place: u32) -> (usize, usize) {
    let from_first = u64::from(place) + FIRST_ROOM;
    let room = from_first.ilog2() - FIRST_ROOM.ilog2();
    (room as usize, (from_first - (FIRST_ROOM << room)) as usize)
}

#[cfg(test)]
mod tests {
    use super::room_of;

    /// Scenario: places around the borders of rooms, and the last one. Guarantees: places follow one another without a
    /// gap, and every one has a room.
    #[test]
    fn places_follow_one_another() {
        let cases = [(0, (0, 0)), (63, (0, 63)), (64, (1, 0)), (191, (1, 127)), (192, (2, 0))];
        for (place, expected) in cases {
            assert_eq!(room_of(place), expected, "{place}");
        }
        assert_eq!(room_of(u32::MAX), (26, 63));
    }
}
