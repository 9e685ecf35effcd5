//! Location, scale and scatter of a vector that outliers cannot drag along: a streaming multivariate-t estimate.
//!
//! Each metric is standardised as `z = (x - mean) / (sd + floor)`, the floor being a part of the range seen so far,
//! so that no scale has to be known in advance and a metric that hardly ever moves does not explode. With the scatter
//! `C` of `z`, shrunk to `R = (1 - s) C + s I` (O. Ledoit, M. Wolf, 2004), the squared distance is `q = z' R^-1 z`, and
//! every vector is learned with the weight of the Student-t maximum-likelihood equations (K. Lange, R. Little,
//! J. Taylor, JASA 84, 1989, eq. 4) `w = min(1, (nu + D) / (nu + q))`: the further out, the less it counts.
//!
//! A metric's *partner residual* is what the others do not explain, `|R^-1 z|_j / sqrt((R^-1)_jj)`: the residual of
//! the regression of metric j on all others in its standard deviations. Missing metrics stand at their mean.

use serde::{Deserialize, Serialize};

use super::MAX_WIDTH;

/// Degrees of freedom of the Student-t weights.
const DEGREES: f64 = 5.0;
/// Smallest scale as a part of the range.
const FLOOR_OF_RANGE: f64 = 0.05;
/// Vectors between two inversions; at first every eighth.
const REFRESH: u32 = 64;
const EARLY: u32 = 200;

/// What the scatter says of one vector, before it is learned.
#[derive(Debug, Clone, Copy)]
pub(super) struct Distance {
    /// Standardised values; 0 where the metric is missing.
    z: [f32; MAX_WIDTH],
    /// 1 for each metric that is there, else 0.
    present: [f32; MAX_WIDTH],
    /// Partner residual of each metric.
    pub partner: [f32; MAX_WIDTH],
    /// Student-t weight in `(0, 1]`.
    pub weight: f64,
}

/// The scatter of one entity: `8 D^2 + 20 D` bytes, 12.3 KB at 38 metrics.
///
/// # Invariants
/// `scatter` and `inverse` are symmetric, row by row, of `means.len()` squared; all numbers are finite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Scatter {
    means: Vec<f64>,
    variances: Vec<f32>,
    lowest: Vec<f64>,
    highest: Vec<f64>,
    seen: Vec<bool>,
    scatter: Vec<f32>,
    inverse: Vec<f32>,
    vectors: u32,
}

impl Scatter {
    pub(super) fn new(width: usize) -> Self {
        let identity: Vec<f32> = (0..width * width).map(|nth| f32::from(nth % (width + 1) == 0)).collect();
        Self {
            means: vec![0.0; width],
            variances: vec![0.0; width],
            lowest: vec![0.0; width],
            highest: vec![0.0; width],
            seen: vec![false; width],
            scatter: identity.clone(),
            inverse: identity,
            vectors: 0,
        }
    }

    /// The same metrics and more, or fewer; how they go together starts anew, where and how wide they are stays.
    pub(super) fn resized(&self, width: usize) -> Self {
        let mut resized = Self::new(width);
        for nth in (0..width.min(self.means.len())).filter(|&nth| self.seen[nth]) {
            resized.seen[nth] = true;
            (resized.means[nth], resized.variances[nth]) = (self.means[nth], self.variances[nth]);
            (resized.lowest[nth], resized.highest[nth]) = (self.lowest[nth], self.highest[nth]);
        }
        resized
    }

    /// Range of metric `nth`, the given value included; 0 before the first.
    pub(super) fn range(&self, nth: usize, value: f64) -> f64 {
        if self.seen[nth] { self.highest[nth].max(value) - self.lowest[nth].min(value) } else { 0.0 }
    }

    pub(super) fn distance(&self, x: &[f64]) -> Distance {
        let width = self.means.len();
        let (mut z, mut present) = ([0.0_f32; MAX_WIDTH], [0.0_f32; MAX_WIDTH]);
        for (nth, (&value, z)) in x.iter().zip(&mut z).enumerate() {
            if self.seen[nth] && super::usable(value) {
                present[nth] = 1.0;
                let floor = FLOOR_OF_RANGE * self.range(nth, value) + f64::MIN_POSITIVE;
                let scale = libm::sqrt(f64::from(self.variances[nth])) + floor;
                *z = ((value - self.means[nth]) / scale).clamp(-1e6, 1e6) as f32;
            }
        }
        let mut partner = [0.0_f32; MAX_WIDTH];
        let mut squared = 0.0_f64;
        for (nth, row) in self.inverse.chunks_exact(width).enumerate() {
            let image = dot(row, &z[..width]);
            squared += f64::from(image) * f64::from(z[nth]);
            partner[nth] = image.abs() / libm::sqrtf(row[nth]);
        }
        let weight = (DEGREES + width as f64) / (DEGREES + squared.max(0.0));
        Distance { z, present, partner, weight: weight.min(1.0) }
    }

    /// Takes a vector in; `memory` in vectors.
    pub(super) fn learn(&mut self, x: &[f64], distance: &Distance, memory: f64, shrinkage: f64) {
        let step = (1.0 / (f64::from(self.vectors) + 2.0)).max(1.0 / memory);
        let robust = step * distance.weight;
        self.learn_scatter(distance, robust as f32);
        // the first vectors have to find the place before any can be called far from it
        let step = if self.vectors < 50 { step } else { robust };
        for (nth, &value) in x.iter().enumerate().filter(|(_, value)| super::usable(**value)) {
            self.learn_place(nth, value, step);
        }
        self.vectors = self.vectors.saturating_add(1);
        if self.vectors.is_multiple_of(REFRESH) || (self.vectors < EARLY && self.vectors.is_multiple_of(8)) {
            self.invert(shrinkage);
        }
    }

    fn learn_scatter(&mut self, Distance { z, present, .. }: &Distance, step: f32) {
        let width = self.means.len();
        for ((row, &z_row), &present_row) in self.scatter.chunks_exact_mut(width).zip(z).zip(present) {
            let step = step * present_row;
            for ((entry, &z_column), &present) in row.iter_mut().zip(z).zip(present) {
                *entry += step * present * (z_row * z_column - *entry);
            }
        }
    }

    fn learn_place(&mut self, nth: usize, value: f64, step: f64) {
        if !self.seen[nth] {
            self.seen[nth] = true;
            (self.means[nth], self.lowest[nth], self.highest[nth]) = (value, value, value);
            return;
        }
        let off = value - self.means[nth];
        self.means[nth] += step * off;
        let variance = f64::from(self.variances[nth]);
        self.variances[nth] = (variance + step * (off * off - variance)).min(1e37) as f32;
        self.lowest[nth] = self.lowest[nth].min(value);
        self.highest[nth] = self.highest[nth].max(value);
    }

    /// `((1 - s) C + s I)^-1` by Cholesky; pivots are at least `s`, as they are in exact arithmetic.
    fn invert(&mut self, shrinkage: f64) {
        let width = self.means.len();
        let mut lower: Vec<f64> =
            self.scatter.iter().map(|&entry| (1.0 - shrinkage) * f64::from(entry)).collect();
        (0..width).for_each(|nth| lower[nth * width + nth] += shrinkage);
        for column in 0..width {
            for row in column..width {
                let (a, b) = (&lower[row * width..][..column], &lower[column * width..][..column]);
                let rest = lower[row * width + column] - a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
                let pivot = lower[column * width + column];
                lower[row * width + column] =
                    if row == column { libm::sqrt(rest.max(shrinkage)) } else { rest / pivot };
            }
        }
        self.inverse_of_square(&lower, width);
    }

    /// `(L L')^-1 = L'^-1 L^-1`, from the inverse of the triangle, which is kept transposed.
    fn inverse_of_square(&mut self, lower: &[f64], width: usize) {
        let mut transposed = vec![0.0_f64; width * width];
        for column in 0..width {
            transposed[column * width + column] = 1.0 / lower[column * width + column];
            for row in column + 1..width {
                let (a, b) = (&lower[row * width..][column..row], &transposed[column * width..][column..row]);
                let sum: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                transposed[column * width + row] = -sum / lower[row * width + row];
            }
        }
        for row in 0..width {
            for column in 0..=row {
                let (a, b) =
                    (&transposed[row * width..][row..width], &transposed[column * width..][row..width]);
                let entry = a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() as f32;
                self.inverse[row * width + column] = entry;
                self.inverse[column * width + row] = entry;
            }
        }
    }
}

/// Eight partial sums in a fixed order, so that the sum may use wide registers and is the same everywhere.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (a_chunks, b_chunks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_chunks.zip(b_chunks) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * b);
    }
    sums.iter().sum::<f32>() + rest
}
