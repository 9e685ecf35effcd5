//! Both tiers together: every series in the hot tier, the useful ones also in the full tier.
//!
//! A batch is scored hot first; series that have a place in the full tier are scored there as well, and its reading
//! counts once it is mature. A series asks for a place at its first point, so that the full tier misses nothing where there
//! is room, and again every [`ASK_POINTS`] points, when it is known how useful it is. Not done here: threads, time limits of
//! idle series (the caller removes them).

use super::admission::{Admission, Admitted};
use super::full::{Row, RowPoint, STRIDE as FULL_STRIDE, SurpriseColumns};
use super::hot::{HotReading, HotSurprise, Seat};
use super::prior::{Basis, OWN_POINTS};
use crate::detector::{Detector, Maturity};
use crate::univariate::{Lesson, Reading};

/// Points between two questions for a place.
pub const ASK_POINTS: u32 = 128;
/// Points whose memory is touched ahead.
const STRIDE: usize = 64;

/// One point of one series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BankPoint {
    /// Whose: an index given by [`Bank::add`].
    pub series: u32,
    /// Event time, nanoseconds since 1970.
    pub at: i64,
    /// Value.
    pub value: f64,
    /// What is to become of it.
    pub lesson: Lesson,
}

/// How a point was judged, by the best tier that could. Scores of the two tiers are not of one scale: what calibrates them
/// has to be told apart by tier.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Judged {
    /// Not: the tiers are warming up, the point cannot be used, or there is no such series.
    Not,
    /// By the hot tier.
    Hot(HotReading),
    /// By the full tier.
    Full(Reading),
}

/// Which detector speaks for a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// The small one.
    Hot,
    /// The full one.
    Full,
}

/// How much stands behind the scores of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The tier that its next point is judged by.
    pub tier: Tier,
    /// Whether that tier gives scores yet.
    pub maturity: Maturity,
    /// Points that tier has seen; what it inherited counts as at most a hundred.
    pub points: u32,
    /// Whose points these are.
    pub basis: Basis,
}

/// A series, or room for one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Place {
    Vacant,
    Held { weight: f32, row: Option<Row>, inherited: u32 },
}

/// Detectors of many series in two tiers.
///
/// ```
/// use models::bank::{Admission, AdmissionParams, Bank, BankPoint, Judged, SurpriseColumns};
/// use models::univariate::{Lesson, SurpriseParams};
/// let admission = Admission::new(&AdmissionParams::default().check().unwrap(), SurpriseColumns::bytes_per_row());
/// let columns = SurpriseColumns::new(&SurpriseParams::default().check().unwrap());
/// let mut bank = Bank::new(columns, admission, 1000);
/// let series = bank.add(1.0).unwrap();
/// let mut judged = Vec::new();
/// for n in 0..400 {
///     let point = BankPoint { series, at: n * 60_000_000_000, value: (n % 5) as f64, lesson: Lesson::Learn };
///     bank.observe(&[point], &mut judged);
/// }
/// assert!(matches!(judged[0], Judged::Full(_)));
/// let saved = bank.save();
/// assert!(bank.remove(series) && bank.is_empty());
/// bank.load(&saved).unwrap();
/// assert_eq!(bank.standing(series).unwrap().points, 400);
/// ```
///
/// # Invariants
/// At most `series_max` series are added; a row of the full tier belongs to exactly one of them; the seat that the hot state
/// of a series names is that of its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Bank {
    pub(super) series_max: u32,
    pub(super) hot: Vec<HotSurprise>,
    pub(super) places: Vec<Place>,
    pub(super) free: Vec<u32>,
    pub(super) full: SurpriseColumns,
    pub(super) admission: Admission,
    pub(super) refused: u64,
}

impl Bank {
    /// No series yet, and never more than `series_max`.
    #[must_use]
    pub fn new(full: SurpriseColumns, admission: Admission, series_max: u32) -> Self {
        let (hot, places, free) = (Vec::new(), Vec::new(), Vec::new());
        Self { series_max, hot, places, free, full, admission, refused: 0 }
    }

    /// One more series, of this weight (0 to 1) when it asks for the full tier; its number, which may be one that was given
    /// back. `None`, counted in [`Self::refused`], when there are `series_max` series.
    pub fn add(&mut self, weight: f32) -> Option<u32> {
        if self.len() >= self.series_max as usize {
            self.refused += 1;
            return None;
        }
        let place = Place::Held { weight, row: None, inherited: 0 };
        let series = match self.free.pop() {
            Some(series) => series,
            None => {
                let series = u32::try_from(self.places.len()).ok()?;
                self.hot.push(HotSurprise::new());
                self.places.push(Place::Vacant);
                series
            }
        };
        self.places[series as usize] = place;
        self.hot[series as usize].seat = Seat::Hot;
        Some(series)
    }

    /// Forgets a series; its number will be given to another. False if there is no such series.
    pub fn remove(&mut self, series: u32) -> bool {
        let nth = series as usize;
        let Some(Place::Held { row, .. }) = self.places.get(nth).copied() else { return false };
        if let Some(row) = row {
            self.full.remove(row);
        }
        self.admission.leave(u64::from(series));
        self.places[nth] = Place::Vacant;
        self.hot[nth] = HotSurprise::new();
        self.free.push(series);
        true
    }

    /// Series.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// True without any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Series that were refused for want of room.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Who has a place in the full tier, and how often one was refused.
    #[must_use]
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// How much stands behind the scores of a series; `None` if there is no such series.
    #[must_use]
    pub fn standing(&self, series: u32) -> Option<Standing> {
        let Place::Held { row, inherited, .. } = *self.places.get(series as usize)? else { return None };
        let hot = &self.hot[series as usize];
        let own = hot.points().saturating_sub(inherited);
        let basis = if inherited > 0 && own < OWN_POINTS { Basis::Inherited } else { Basis::Own };
        match row.filter(|row| self.full.is_mature(*row)) {
            Some(row) => {
                let points = self.full.points(row);
                Some(Standing { tier: Tier::Full, maturity: Maturity::Mature, points, basis })
            }
            None => Some(Standing { tier: Tier::Hot, maturity: hot.maturity(), points: hot.points(), basis }),
        }
    }

    /// Judges points and then takes them in, point by point; one judgement each, in their order. `judged` is emptied first.
    pub fn observe(&mut self, points: &[BankPoint], judged: &mut Vec<Judged>) {
        judged.clear();
        for stride in points.chunks(STRIDE) {
            self.touch(stride);
            for stride in stride.chunks(FULL_STRIDE) {
                let local = self.touch_full(stride);
                judged.extend(stride.iter().zip(local).map(|(point, local)| self.observe_one(point, local)));
            }
        }
    }

    /// Reads a little of each cache line that a stride will need. The loads do not depend on each other, so the processor
    /// waits for all of them at once.
    fn touch(&self, stride: &[BankPoint]) {
        let of = |point: &BankPoint| self.hot.get(point.series as usize).map_or(0, HotSurprise::touch);
        std::hint::black_box(stride.iter().fold(0_u32, |sum, point| sum.wrapping_add(of(point))));
    }

    /// The same for what the full tier knows of them; the local second of each point that is judged there.
    fn touch_full(&self, stride: &[BankPoint]) -> [Option<i64>; FULL_STRIDE] {
        let mut local = [None; FULL_STRIDE];
        let mut sum = 0;
        for (point, local) in stride.iter().zip(&mut local) {
            let nth = point.series as usize;
            if self.hot.get(nth).is_some_and(|hot| hot.seat == Seat::Full)
                && let Place::Held { row: Some(row), .. } = self.places[nth]
            {
                let secs = self.full.local_secs(point.at);
                sum ^= self.full.touch(row, secs);
                *local = Some(secs);
            }
        }
        std::hint::black_box(sum);
        local
    }

    fn observe_one(&mut self, point: &BankPoint, local_secs: Option<i64>) -> Judged {
        let Some(hot) = self.hot.get_mut(point.series as usize).filter(|hot| hot.seat != Seat::Vacant) else {
            return Judged::Not;
        };
        let score = hot.observe(point.at, point.value, point.lesson);
        let asks = hot.asks();
        let in_hot = score.map_or(Judged::Not, Judged::Hot);
        if !asks && hot.seat == Seat::Hot {
            return in_hot;
        }
        if asks {
            self.ask(point.series);
        }
        self.observe_full(point, local_secs).map_or(in_hot, Judged::Full)
    }

    fn observe_full(&mut self, point: &BankPoint, local_secs: Option<i64>) -> Option<Reading> {
        let Place::Held { row: Some(row), .. } = self.places[point.series as usize] else { return None };
        let point = RowPoint { row, at: point.at, value: point.value, lesson: point.lesson };
        let local_secs = local_secs.unwrap_or_else(|| self.full.local_secs(point.at));
        self.full.observe_at(&point, local_secs)
    }

    /// Asks for a place in the full tier.
    fn ask(&mut self, series: u32) {
        let nth = series as usize;
        let Place::Held { weight, inherited, .. } = self.places[nth] else { return };
        let usefulness = f64::from(weight) * self.hot[nth].change_share();
        match self.admission.ask(u64::from(series), usefulness) {
            Admitted::Room => {}
            Admitted::Instead(out) => self.demote(out),
            Admitted::Already | Admitted::Useless | Admitted::Full(_) => return,
        }
        self.places[nth] = Place::Held { weight, row: Some(self.full.add()), inherited };
        self.hot[nth].seat = Seat::Full;
    }

    /// Takes a series that has lost its place out of the full tier.
    pub(super) fn demote(&mut self, series: u64) {
        let nth = usize::try_from(series).expect("series are numbered in 32 bits");
        self.hot[nth].seat = Seat::Hot;
        if let Place::Held { row, .. } = &mut self.places[nth]
            && let Some(row) = row.take()
        {
            self.full.remove(row);
        }
    }
}
