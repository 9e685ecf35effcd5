//! Prototypes of recent windows, by incremental k-means from linfa: how far the newest window of a vector is from all of them.
//!
//! Here to be measured beside [`crate::multivariate`], not to be shipped: `bellwether evaluate smd|asd|jumpstarter DIR --prototypes`
//! says what it adds (`docs/multivariate.md`). Windows of standardised rows are learned in batches (mini-batch k-means,
//! D. Sculley, WWW 2010); a window that is rarer than one in a thousand teaches nothing. Score before learn; one seed.

use linfa::DatasetBase;
use linfa::traits::FitWith;
use linfa_clustering::{IncrKMeansError, KMeans};
use linfa_nn::distance::L2Dist;
use ndarray::{Array2, ArrayView1};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use crate::RawScore;
use crate::calibrate::{TailCalibrator, TailParams};

/// Windows that are learned at once.
const BATCH: usize = 64;
/// Decades from which a window teaches nothing.
const RARE: f64 = 3.0;
/// Memory of means and deviations, in rows.
const MEMORY: f64 = 5_000.0;
/// Deviations beyond this many are this many.
const CLIP: f64 = 6.0;

/// Prototypes of the windows of one entity.
///
/// ```
/// use models::testkit::Prototypes;
/// let mut prototypes = Prototypes::new(1, 4, 8);
/// for n in 0..4000_i64 {
///     prototypes.observe(n * 60_000_000_000, &[(n % 8) as f64]);
/// }
/// // every value is usual, their order is not
/// let odd = [7.0, 0.0, 7.0, 0.0];
/// let decades = (0..4).map(|n| prototypes.observe((4000 + n) * 60_000_000_000, &[odd[n as usize]]));
/// assert!(decades.fold(0.0, f64::max) > 1.0);
/// ```
#[derive(Debug)]
pub struct Prototypes {
    places: Vec<(f64, f64)>,
    window: Vec<f64>,
    rows: usize,
    count: usize,
    batch: Vec<f64>,
    model: Option<KMeans<f64, L2Dist>>,
    tail: TailCalibrator,
    seen: f64,
}

impl Prototypes {
    /// Of `count` windows of `rows` rows of `width` metrics.
    ///
    /// # Panics
    /// If one of them is 0.
    #[must_use]
    pub fn new(width: usize, rows: usize, count: usize) -> Self {
        assert!(
            width > 0 && rows > 0 && count > 0,
            "a window has rows and metrics, and there is a prototype"
        );
        let tail = TailParams::default().check().expect("the defaults are checked by a test");
        Self {
            places: vec![(0.0, 0.0); width],
            window: Vec::new(),
            rows,
            count,
            batch: Vec::new(),
            model: None,
            tail: TailCalibrator::new(&tail),
            seen: 0.0,
        }
    }

    /// How rare the window that ends with this row is, in decades; then the row is learned.
    pub fn observe(&mut self, at: i64, row: &[f64]) -> f64 {
        let size = self.rows * self.places.len();
        if self.window.len() == size {
            self.window.drain(..self.places.len());
        }
        self.seen += 1.0;
        let step = (1.0 / self.seen).max(1.0 / MEMORY);
        for (&value, (mean, variance)) in row.iter().zip(&mut self.places) {
            let value = if value.is_finite() { value } else { *mean };
            let off = value - *mean;
            let scaled = off / (libm::sqrt(*variance) + 1e-9);
            self.window.push(scaled.clamp(-CLIP, CLIP));
            *mean += step * off;
            *variance += step * (off * off - *variance);
        }
        if self.window.len() < size {
            return 0.0;
        }
        let decades = self.rarity(at);
        if decades < RARE {
            self.batch.extend(&self.window);
            if self.batch.len() == BATCH * size {
                self.learn(size);
            }
        }
        decades
    }

    fn rarity(&mut self, at: i64) -> f64 {
        let Some(model) = &self.model else { return 0.0 };
        let window = ArrayView1::from(&self.window);
        let far = |centre: ArrayView1<'_, f64>| {
            centre.iter().zip(window).map(|(a, b)| (a - b) * (a - b)).sum::<f64>() / window.len() as f64
        };
        let nearest = model.centroids().rows().into_iter().map(far).fold(f64::INFINITY, f64::min);
        let Some(score) = RawScore::new(libm::sqrt(nearest)) else { return 0.0 };
        let decades = self.tail.p_value(score).surprise().decades();
        self.tail.observe(at, score);
        if self.tail.maturity().is_mature() { decades } else { 0.0 }
    }

    fn learn(&mut self, size: usize) {
        let batch = std::mem::take(&mut self.batch);
        let Ok(batch) = Array2::from_shape_vec((BATCH, size), batch) else { return };
        let params = KMeans::params_with(self.count, Xoshiro256PlusPlus::seed_from_u64(1), L2Dist);
        let params = params.tolerance(1e-3);
        self.model = match params.fit_with(self.model.take(), &DatasetBase::from(batch)) {
            Ok(model) | Err(IncrKMeansError::NotConverged(model)) => Some(model),
            Err(_) => None,
        };
    }
}
