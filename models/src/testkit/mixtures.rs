//! Types of days by a mixture of normal distributions, from linfa: the other way to do what [`super::day_types()`] does.
//!
//! Here to be measured beside it, not to be shipped: `cargo run -p benches --bin clusters` says which finds more
//! (`docs/multivariate.md`). Same scaling, same numbers of types, same criterion; only who is alike is decided by expectation
//! maximisation (A. Dempster, N. Laird, D. Rubin, JRSS B 39, 1977) with full covariances instead of the nearest mean. It takes
//! logarithms of the platform, so the same days may be sorted differently elsewhere.

use linfa::DatasetBase;
use linfa::traits::{Fit, Predict};
use linfa_clustering::GaussianMixtureModel;
use ndarray::Array2;
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256Plus;

use super::day_types::sorted_days;

/// What is added to the diagonal of a covariance, in squared deviations: there are fewer days than slots.
const REGULAR: f64 = 0.01;

/// The type of each day, numbered in the order of their first days; all 0 where no types are clear.
///
/// ```
/// use models::testkit::day_types_by_mixture;
/// let days: Vec<Vec<f64>> = (0..21).map(|day| vec![if day % 7 < 5 { 10.0 } else { 3.0 } + 0.01 * day as f64; 6]).collect();
/// assert_eq!(day_types_by_mixture(&days, 1)[..7], [0, 0, 0, 0, 0, 1, 1]);
/// ```
#[must_use]
pub fn day_types_by_mixture(days: &[Vec<f64>], seed: u64) -> Vec<usize> {
    let assigned = |scaled: &Array2<f64>, types: usize| {
        let params = GaussianMixtureModel::params_with_rng(types, Xoshiro256Plus::seed_from_u64(seed));
        let params = params.n_runs(4).max_n_iterations(100).reg_covariance(REGULAR);
        let model = params.fit(&DatasetBase::from(scaled.clone())).ok()?;
        Some(model.predict(scaled).to_vec())
    };
    sorted_days(days, assigned).of_day
}
