//! Both tiers together: every series in the hot tier, the useful ones also in the full tier.
//!
//! A batch is scored hot first; series that have a place in the full tier are scored there as well, and its reading
//! counts once it is mature. A hot series asks for a place every [`ASK_POINTS`] points. Not done here: threads, time
//! limits of idle series (the caller removes them).

use super::admission::{Admission, Admitted};
use super::full::{Row, RowPoint, SurpriseColumns};
use super::hot::HotSurprise;
use crate::detector::RawScore;
use crate::univariate::{Lesson, Reading};

/// Points between two questions for a place.
pub const ASK_POINTS: u32 = 128;
/// Points whose memory is touched ahead.
const STRIDE: usize = 16;

/// One point of one series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BankPoint {
    /// Whose: an index given by [`Bank::add`].
    pub series: u32,
    /// Event time, nanoseconds since 1970.
    pub at: i64,
    /// Value.
    pub value: f64,
    /// What is to become of it. The hot tier learns in any case: it forgets soon enough.
    pub lesson: Lesson,
}

/// How a point was judged, by the best tier that could.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Judged {
    /// Not yet, or the point cannot be used.
    Not,
    /// By the hot tier.
    Hot(RawScore),
    /// By the full tier.
    Full(Reading),
}

/// Detectors of many series in two tiers.
///
/// ```
/// use models::bank::{Admission, AdmissionParams, Bank, BankPoint, Judged, SurpriseColumns};
/// use models::univariate::{Lesson, SurpriseParams};
/// let admission = Admission::new(&AdmissionParams::default().check().unwrap(), SurpriseColumns::bytes_per_row());
/// let mut bank = Bank::new(SurpriseColumns::new(&SurpriseParams::default().check().unwrap()), admission);
/// let series = bank.add(1.0);
/// let mut judged = Vec::new();
/// for n in 0..400 {
///     let point = BankPoint { series, at: n * 60_000_000_000, value: (n % 5) as f64, lesson: Lesson::Learn };
///     bank.observe(&[point], &mut judged);
/// }
/// assert!(matches!(judged[0], Judged::Full(_)));
/// ```
#[derive(Debug, Clone)]
pub struct Bank {
    hot: Vec<HotSurprise>,
    weights: Vec<f32>,
    rows: Vec<Option<Row>>,
    full: SurpriseColumns,
    admission: Admission,
}

impl Bank {
    /// No series yet.
    #[must_use]
    pub fn new(full: SurpriseColumns, admission: Admission) -> Self {
        Self { hot: Vec::new(), weights: Vec::new(), rows: Vec::new(), full, admission }
    }

    /// One more series, of this weight (0 to 1) when it asks for the full tier.
    pub fn add(&mut self, weight: f32) -> u32 {
        let series = u32::try_from(self.hot.len()).expect("so many series would take a terabyte");
        self.hot.push(HotSurprise::new());
        self.weights.push(weight);
        self.rows.push(None);
        series
    }

    /// Who has a place, and how often one was refused.
    #[must_use]
    pub fn admission(&self) -> &Admission {
        &self.admission
    }

    /// Judges points and takes them in; one judgement each, in their order. `judged` is emptied first.
    pub fn observe(&mut self, points: &[BankPoint], judged: &mut Vec<Judged>) {
        judged.clear();
        for stride in points.chunks(STRIDE) {
            self.touch(stride);
            judged.extend(stride.iter().map(|point| self.observe_one(point)));
        }
    }

    fn touch(&self, stride: &[BankPoint]) {
        let seen: u64 = stride.iter().map(|point| u64::from(self.hot[point.series as usize].touch())).sum();
        std::hint::black_box(seen);
    }

    fn observe_one(&mut self, point: &BankPoint) -> Judged {
        let nth = point.series as usize;
        let score = self.hot[nth].observe(point.at, point.value);
        if self.hot[nth].points().is_multiple_of(ASK_POINTS) && score.is_some() {
            self.ask(point.series);
        }
        let reading = self.rows[nth].and_then(|row| {
            let point = RowPoint { row, at: point.at, value: point.value, lesson: point.lesson };
            self.full.observe_point(&point)
        });
        match (reading, score) {
            (Some(reading), _) => Judged::Full(reading),
            (None, Some(score)) => Judged::Hot(score),
            (None, None) => Judged::Not,
        }
    }

    fn ask(&mut self, series: u32) {
        let nth = series as usize;
        let usefulness = f64::from(self.weights[nth]) * self.hot[nth].change_share();
        match self.admission.ask(u64::from(series), usefulness) {
            Admitted::Room => self.rows[nth] = Some(self.full.add()),
            Admitted::Instead(out) => {
                let out = usize::try_from(out).expect("series are numbered in 32 bits");
                if let Some(row) = self.rows[out].take() {
                    self.full.remove(row);
                }
                self.rows[nth] = Some(self.full.add());
            }
            Admitted::Already | Admitted::Useless | Admitted::Full(_) => {}
        }
    }
}
