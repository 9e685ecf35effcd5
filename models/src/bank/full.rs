//! The full tier in columns: many mean-surprise detectors, each part of their state in one block of memory.
//!
//! A row is a series. What every point touches lies together, apart from the days and from what is needed once an hour; a row
//! that is given back is taken again by the next series. The arithmetic is that of [`crate::univariate::MeanSurprise`], so both
//! give the same bits.
//! A batch is walked in short strides: the memory of a stride is touched first, so that its misses overlap, then its
//! points are judged in their order. Not done here: deciding which series deserves a row ([`super::Admission`]).

use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::saved::{PartReader, PartWriter, vacancies};
use crate::univariate::{Calendar, Lesson, Reading, SurpriseParams, SurpriseValidParams, parts};

/// One row as it is written.
type Saved = (parts::Front, Vec<parts::Slot>, parts::Rhythm);

/// Points whose memory is touched ahead, few enough for it to stay in the first cache.
pub(super) const STRIDE: usize = 4;

/// A place for one series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Row(pub(super) u32);

/// One point of one series in a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RowPoint {
    /// Whose.
    pub row: Row,
    /// Event time, nanoseconds since 1970.
    pub at: i64,
    /// Value.
    pub value: f64,
    /// What is to become of it.
    pub lesson: Lesson,
}

/// Many detectors of the full tier.
///
/// ```
/// use models::bank::{RowPoint, SurpriseColumns};
/// use models::univariate::{Lesson, SurpriseParams};
/// let mut columns = SurpriseColumns::new(&SurpriseParams::default().check().unwrap());
/// let row = columns.add();
/// let mut readings = Vec::new();
/// for n in 0..100 {
///     let point = RowPoint { row, at: n * 60_000_000_000, value: (n % 5) as f64, lesson: Lesson::Learn };
///     columns.observe(&[point], &mut readings);
/// }
/// assert!(readings[0].unwrap().score.value() < 1.0);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SurpriseColumns {
    params: SurpriseParams,
    calendar: Arc<Calendar>,
    fronts: Vec<parts::Front>,
    slots: Vec<parts::Slot>,
    rhythms: Vec<parts::Rhythm>,
    free: Vec<Row>,
}

impl SurpriseColumns {
    /// No series yet, in universal time.
    #[must_use]
    pub fn new(params: &SurpriseValidParams) -> Self {
        Self::with_calendar(params, Arc::new(Calendar::UTC))
    }

    /// No series yet, in local time.
    #[must_use]
    pub fn with_calendar(params: &SurpriseValidParams, calendar: Arc<Calendar>) -> Self {
        let params = params.0;
        Self {
            params,
            calendar,
            fronts: Vec::new(),
            slots: Vec::new(),
            rhythms: Vec::new(),
            free: Vec::new(),
        }
    }

    /// State of one series, bytes.
    #[must_use]
    pub const fn bytes_per_row() -> usize {
        size_of::<parts::Front>() + parts::SLOTS * size_of::<parts::Slot>() + size_of::<parts::Rhythm>()
    }

    /// Room for one more series.
    pub fn add(&mut self) -> Row {
        if let Some(row) = self.free.pop() {
            return row;
        }
        let row = Row(u32::try_from(self.fronts.len()).expect("four thousand million rows would take 16 TB"));
        self.fronts.push(parts::Front::new());
        self.slots.resize(self.slots.len() + parts::SLOTS, parts::Slot::default());
        self.rhythms.push(parts::Rhythm::new());
        row
    }

    /// Room for one more series that begins with what a row has learned.
    pub(super) fn add_like(&mut self, known: Row) -> Row {
        let prior = parts::prior(self.known(known.0 as usize), super::OWN_POINTS);
        let row = self.add();
        self.put(row, prior);
        row
    }

    /// Forgets a series; its row will be given to another. A row that was given back already must not be named again.
    pub fn remove(&mut self, row: Row) {
        let nth = row.0 as usize;
        self.fronts[nth] = parts::Front::new();
        self.slots[nth * parts::SLOTS..][..parts::SLOTS].fill(parts::Slot::default());
        self.rhythms[nth] = parts::Rhythm::new();
        self.free.push(row);
    }

    /// Series that have a row.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fronts.len() - self.free.len()
    }

    /// True without any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a row has seen enough to be believed.
    #[must_use]
    pub fn is_mature(&self, row: Row) -> bool {
        self.fronts[row.0 as usize].short.points() >= self.params.warm_up_points
    }

    /// Points that a row has seen.
    #[must_use]
    pub fn points(&self, row: Row) -> u32 {
        self.fronts[row.0 as usize].short.points()
    }

    /// The rows that are held, sorted.
    pub(super) fn rows(&self) -> Vec<Row> {
        let free: BTreeSet<Row> = self.free.iter().copied().collect();
        let all = (0..self.fronts.len() as u32).map(Row);
        all.filter(|row| !free.contains(row)).collect()
    }

    /// Writes all rows, without the settings.
    pub(super) fn save(&self, writer: &mut PartWriter) {
        let free: Vec<u32> = self.free.iter().map(|row| row.0).collect();
        writer.put(&(self.fronts.len() as u64, free));
        for row in self.rows() {
            let known = self.known(row.0 as usize);
            writer.put(&(known.front, known.slots, known.rhythm));
        }
    }

    /// Rows as they were written, with the settings of these columns.
    pub(super) fn loaded(&self, reader: &mut PartReader<'_>) -> Result<Self, String> {
        let (n, free): (u64, Vec<u32>) = reader.take()?;
        let mut loaded = Self::with_calendar(&SurpriseValidParams(self.params), Arc::clone(&self.calendar));
        for vacant in vacancies(n, &free, reader.left())? {
            let row = loaded.add();
            if !vacant {
                loaded.fill(row, reader.take()?)?;
            }
        }
        loaded.free = free.into_iter().map(Row).collect();
        Ok(loaded)
    }

    fn fill(&mut self, row: Row, saved: Saved) -> Result<(), String> {
        if saved.1.len() != parts::SLOTS {
            return Err("a row of the full tier has another shape".to_owned());
        }
        self.put(row, saved);
        Ok(())
    }

    fn put(&mut self, row: Row, (front, slots, rhythm): Saved) {
        let nth = row.0 as usize;
        (self.fronts[nth], self.rhythms[nth]) = (front, rhythm);
        self.slots[nth * parts::SLOTS..][..parts::SLOTS].copy_from_slice(&slots);
    }

    /// Judges points and takes them in; one reading each, in their order. `readings` is emptied first.
    pub fn observe(&mut self, points: &[RowPoint], readings: &mut Vec<Option<Reading>>) {
        readings.clear();
        for stride in points.chunks(STRIDE) {
            let mut local = [0; STRIDE];
            let mut sum = 0;
            for (point, local) in stride.iter().zip(&mut local) {
                *local = self.local_secs(point.at);
                sum ^= self.touch(point.row, *local);
            }
            black_box(sum);
            readings.extend(stride.iter().zip(local).map(|(point, local)| self.observe_at(point, local)));
        }
    }

    /// Judges one point without taking it in.
    #[must_use]
    pub fn read(&self, row: Row, at: i64, value: f64) -> Option<Reading> {
        let known = self.known(row.0 as usize);
        let sample = parts::Sample { at, local_secs: self.local_secs(at), value };
        let look = parts::look(&self.params, &self.calendar, known, sample)?;
        if self.is_mature(row) { Reading::of(&look, &known.front.short) } else { None }
    }

    fn known(&self, nth: usize) -> parts::Known<'_> {
        parts::Known {
            front: &self.fronts[nth],
            slots: &self.slots[nth * parts::SLOTS..][..parts::SLOTS],
            rhythm: &self.rhythms[nth],
        }
    }

    /// Judges one point and takes it in.
    pub fn observe_point(&mut self, point: &RowPoint) -> Option<Reading> {
        self.observe_at(point, self.local_secs(point.at))
    }

    /// Local seconds since 1970.
    pub(super) fn local_secs(&self, at: i64) -> i64 {
        self.calendar.local_secs(at)
    }

    /// The same for a point of which the local second since 1970 is known.
    pub(super) fn observe_at(&mut self, point: &RowPoint, local_secs: i64) -> Option<Reading> {
        let nth = point.row.0 as usize;
        let sample = parts::Sample { at: point.at, local_secs, value: point.value };
        let look = parts::look(&self.params, &self.calendar, self.known(nth), sample)?;
        let is_mature = self.is_mature(point.row);
        let front = &mut self.fronts[nth];
        let reading = if is_mature { Reading::of(&look, &front.short) } else { None };
        parts::note(&mut front.short, &look);
        if point.lesson == Lesson::Learn {
            let slots = &mut self.slots[nth * parts::SLOTS..][..parts::SLOTS];
            let model = &mut parts::Model { front, slots, rhythm: &mut self.rhythms[nth] };
            parts::learn(&self.params, model, &look);
        }
        reading
    }

    /// Reads a little of each cache line that a point will need; the loads do not depend on each other.
    #[inline]
    pub(super) fn touch(&self, row: Row, local_secs: i64) -> u32 {
        let nth = row.0 as usize;
        let slot = &self.slots[nth * parts::SLOTS + parts::Place::at(local_secs).slot()];
        self.fronts[nth].touch() ^ slot.touch()
    }
}
