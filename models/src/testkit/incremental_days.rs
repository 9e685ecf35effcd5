//! Types of days by linfa's incremental k-means: the third way to do what [`super::day_types()`] does, a day a batch.
//!
//! The first two weeks are sorted by k-means, which says how many types there are; their centroids are the first model, and each later day
//! moves the one that it is nearest to (D. Sculley, WWW 2010). Here to be measured, not to be shipped (`docs/univariate.md`).
//! What linfa's does not do: find another number of types later, and forget (its counts only grow).

use linfa::DatasetBase;
use linfa::traits::{FitWith, Predict};
use linfa_clustering::{IncrKMeansError, KMeans, KMeansInit};
use linfa_nn::distance::L2Dist;
use ndarray::Array2;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

use super::day_types::day_types;

/// Days before types are first looked for.
const FIRST_DAYS: usize = 14;

/// The types so far.
#[derive(Debug, Default)]
pub(super) struct IncrementalDays {
    model: Option<Model>,
}

#[derive(Debug)]
struct Model {
    means: KMeans<f64, L2Dist>,
    mean: f64,
    deviation: f64,
}

impl IncrementalDays {
    /// The type of each of these days, of which the last is new.
    pub(super) fn sorted(&mut self, days: &[Vec<f64>], seed: u64) -> Vec<usize> {
        match &mut self.model {
            Some(model) => model.learn(days.last().map_or(&[], Vec::as_slice)),
            None if days.len() >= FIRST_DAYS => self.model = Model::of(days, seed),
            None => {}
        }
        let Some(model) = &self.model else { return vec![0; days.len()] };
        model.means.predict(&model.scaled(days)).to_vec()
    }
}

impl Model {
    /// `None` as long as there is one type.
    fn of(days: &[Vec<f64>], seed: u64) -> Option<Self> {
        let types = day_types(days, seed);
        let n = types.profiles.len();
        if n < 2 {
            return None;
        }
        let known = || days.iter().flatten().filter(|value| value.is_finite());
        let count = known().count().max(1) as f64;
        let mean = known().sum::<f64>() / count;
        let deviation = libm::sqrt(known().map(|value| (value - mean) * (value - mean)).sum::<f64>() / count);
        let scale = |value: &f64| if value.is_finite() { (value - mean) / deviation.max(1e-12) } else { 0.0 };
        let centroids = Array2::from_shape_fn((n, types.profiles[0].len()), |(of, hour)| {
            scale(&types.profiles[of][hour])
        });
        let rows = Array2::from_shape_fn((days.len(), days[0].len()), |(day, hour)| scale(&days[day][hour]));
        let means = fitted(None, rows, Some(centroids))?;
        Some(Self { means, mean, deviation })
    }

    fn learn(&mut self, day: &[f64]) {
        let row = self.scaled(&[day.to_vec()]);
        if let Some(means) = fitted(Some(self.means.clone()), row, None) {
            self.means = means;
        }
    }

    fn scaled(&self, days: &[Vec<f64>]) -> Array2<f64> {
        let hours = days.first().map_or(0, Vec::len);
        Array2::from_shape_fn((days.len(), hours), |(day, hour)| {
            let value = days[day][hour];
            if value.is_finite() { (value - self.mean) / self.deviation.max(1e-12) } else { 0.0 }
        })
    }
}

fn fitted(
    model: Option<KMeans<f64, L2Dist>>,
    rows: Array2<f64>,
    first: Option<Array2<f64>>,
) -> Option<KMeans<f64, L2Dist>> {
    let types = model.as_ref().map(|model| model.centroids().nrows());
    let types = types.or(first.as_ref().map(Array2::nrows))?;
    let params = KMeans::params_with(types, Xoshiro256PlusPlus::seed_from_u64(1), L2Dist);
    let params = match first {
        Some(centroids) => params.init_method(KMeansInit::Precomputed(centroids)),
        None => params,
    };
    match params.fit_with(model, &DatasetBase::from(rows)) {
        Ok(model) | Err(IncrKMeansError::NotConverged(model)) => Some(model),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: six weeks with quiet weekends, a day at a time; the last two weeks have days of a third kind.
    /// Guarantees: nothing is told apart in the first two weeks, then work days and weekends are; the third kind is not, for the
    /// number of types stays what it was: what linfa's incremental k-means lacks.
    #[test]
    fn what_comes_later_is_no_type_of_its_own() {
        let level = |day: usize| match day {
            28.. if day % 7 == 2 => 4.0,
            _ if day % 7 >= 5 => 1.0,
            _ => 2.0,
        };
        let days: Vec<Vec<f64>> = (0..42).map(|day| vec![level(day) + 0.001 * day as f64; 24]).collect();
        let mut types = IncrementalDays::default();
        let mut sorted = Vec::new();
        for known in 1..=days.len() {
            sorted = types.sorted(&days[..known], 1);
            assert!(known >= FIRST_DAYS || sorted.iter().all(|of| *of == 0));
        }
        assert!(
            sorted[..28].iter().enumerate().all(|(day, of)| *of == sorted[if day % 7 >= 5 { 5 } else { 0 }])
        );
        assert!(sorted[0] != sorted[5] && sorted.iter().all(|of| *of < 2));
    }
}
