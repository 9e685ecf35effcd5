//! What a series usually shows at this time of day: level and spread in 288 slots, read between slot centres.
//!
//! The first visits of a slot are averaged, later ones fade in over days. How much a point may teach is the caller's
//! decision (`damping`). A slot takes eight bytes: the spread is kept with eight bits of mantissa. Not done here: time
//! zones (the caller gives the local second of the day), weeks, and which points are to be learned.

use serde::{Deserialize, Serialize};

/// Slots of a day, five minutes each.
pub(crate) const SLOTS: usize = 288;
const SECS_PER_DAY: f32 = 86_400.0;

/// Visits that an inherited slot counts for.
const PRIOR_VISITS: u16 = 2;

/// One slot.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Slot {
    level: f32,
    /// Upper half of the bits of an `f32`; as bytes, so that a saved slot has a fixed size.
    spread: [u8; 2],
    visits: [u8; 2],
}

impl Slot {
    /// A number of its memory.
    pub(crate) fn touch(&self) -> u32 {
        self.level.to_bits()
    }

    fn visits(&self) -> u16 {
        u16::from_le_bytes(self.visits)
    }
}

/// What the profile says about a time of day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Usual {
    /// Expected value.
    pub(crate) level: f32,
    /// Expected absolute deviation.
    pub(crate) spread: f32,
}

/// A time of day in slots: the slot, its nearer neighbour and how much of the way to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Place {
    slot: usize,
    neighbour: usize,
    part: f32,
}

impl Place {
    /// The place of a local second since 1970.
    pub(crate) fn at(local_secs: i64) -> Self {
        Self::of(local_secs.rem_euclid(86_400) as f32)
    }

    /// The slot that it lies in.
    pub(crate) fn slot(&self) -> usize {
        self.slot
    }

    /// The place of a local second of the day.
    fn of(second_of_day: f32) -> Self {
        let at = second_of_day / SECS_PER_DAY * SLOTS as f32;
        let slot = (at as usize).min(SLOTS - 1);
        let within = at - slot as f32;
        let (neighbour, part) =
            if within < 0.5 { (slot + SLOTS - 1, 0.5 - within) } else { (slot + 1, within - 0.5) };
        Self { slot, neighbour: neighbour % SLOTS, part: part.min(0.5) }
    }
}

pub(super) fn narrow(spread: f32) -> [u8; 2] {
    // round to nearest: the lower half is dropped
    let upper = spread.to_bits().saturating_add(0x8000) >> 16;
    (upper as u16).to_le_bytes()
}

pub(super) fn wide(spread: [u8; 2]) -> f32 {
    f32::from_bits(u32::from(u16::from_le_bytes(spread)) << 16)
}

/// The expectation at a place; `None` where the slot was never visited.
pub(crate) fn usual(slots: &[Slot], place: Place) -> Option<Usual> {
    let (here, near) = (slots[place.slot], slots[place.neighbour]);
    if here.visits() == 0 {
        return None;
    }
    let part = if near.visits() > 0 { place.part } else { 0.0 };
    let between = |here: f32, near: f32| here * (1.0 - part) + near * part;
    Some(Usual {
        level: between(here.level, near.level),
        spread: between(wide(here.spread), wide(near.spread)),
    })
}

/// How a slot takes a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Teaching {
    /// Weight of a visit once the slot is known.
    pub(crate) rate: f32,
    /// 1 in full, less for a value that looks wrong.
    pub(crate) damping: f32,
    /// Spread that a slot starts with.
    pub(crate) first_spread: f32,
}

/// Learns a value.
pub(crate) fn teach(slots: &mut [Slot], place: Place, value: f32, teaching: Teaching) {
    let slot = &mut slots[place.slot];
    if slot.visits() == 0 {
        (slot.level, slot.spread) = (value, narrow(teaching.first_spread));
    } else {
        let rate = teaching.rate.max(1.0 / (f32::from(slot.visits()) + 1.0)) * teaching.damping;
        let off = value - slot.level;
        slot.level += rate * off;
        let spread = wide(slot.spread);
        slot.spread = narrow(spread + rate * (off.abs() - spread));
    }
    slot.visits = slot.visits().saturating_add(1).to_le_bytes();
}

/// A slot of which the level and the spread are known, but hardly trusted.
pub(crate) fn as_prior(slot: &Slot) -> Slot {
    Slot { visits: slot.visits().min(PRIOR_VISITS).to_le_bytes(), ..*slot }
}

/// Moves the whole day by `by`: the series has a new level.
pub(crate) fn shift(slots: &mut [Slot], by: f32) {
    slots.iter_mut().for_each(|slot| slot.level += by);
}

/// Share of the slots that were visited.
pub(crate) fn coverage(slots: &[Slot]) -> f32 {
    slots.iter().filter(|slot| slot.visits() > 0).count() as f32 / SLOTS as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: a day that rises by one per slot, read at centres and borders, around midnight and at its last second.
    /// Guarantees: the line between the centres; midnight is interpolated across the wrap.
    #[test]
    fn reads_between_the_centres() {
        let mut slots = vec![Slot::default(); SLOTS];
        let teaching = Teaching { rate: 0.05, damping: 1.0, first_spread: 2.0 };
        assert_eq!(usual(&slots, Place::of(0.0)), None);
        (0..SLOTS).for_each(|nth| teach(&mut slots, Place::of(300.0 * nth as f32), nth as f32, teaching));
        let level = |second: f32| usual(&slots, Place::of(second)).unwrap().level;
        assert!((level(300.0 * 10.0 + 150.0) - 10.0).abs() < 1e-3);
        assert!((level(300.0 * 10.0) - 9.5).abs() < 1e-3);
        assert!((level(0.0) - 143.5).abs() < 1e-3);
        assert!(level(86_399.9).is_finite());
        assert_eq!(coverage(&slots), 1.0);
    }

    /// Scenario: spreads over thirty decades, kept in half the bits.
    /// Guarantees: half a percent of accuracy.
    #[test]
    fn spread_survives_narrowing() {
        for power in -15..15 {
            let spread = 1.234 * libm::powf(10.0, power as f32);
            assert!((wide(narrow(spread)) / spread - 1.0).abs() < 0.005, "{spread}");
        }
        assert_eq!(wide(narrow(0.0)), 0.0);
    }
}
