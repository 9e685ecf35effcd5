//! The log factor by pod age that the next deploy will show: a decay of unknown speed, and what departs from it.
//!
//! A deploy's log factor in an age bin is `A_i phi_T(bin) + d_bin + e_i,bin + b_i + chance`: `phi_T` the mean of `exp(-age / T)`
//! over the bin, `A_i ~ N(A, s^2)` how much this deploy warms up, `d` where the service's curve departs from a decay, `e` where
//! this deploy does, and `b_i` how its pods and those beside them happen to differ for good, which is no warm-up. Given `T` it
//! is a linear model with random effects (Henderson, Biometrics 1975); over a grid of `T` the predictions are averaged by
//! their evidence (Hoeting, Madigan, Raftery & Volinsky, Statistical Science 1999). So every age tells of all others, and chance
//! among the few requests of one bin is not taken for a warm-up. What it does not do: excuse (the caller takes an upper end), or
//! know ages in finer steps than bins.

use super::warmup::{EDGES, N_BINS};

/// Time constants in seconds.
const DECAYS: [f64; 8] = [3.0, 6.0, 12.0, 25.0, 50.0, 100.0, 200.0, 400.0];
/// Prior on how much a service warms up at age 0, in log time: mean and standard deviation.
const START: f64 = 0.235;
/// How far deploys differ in that, as a part of it, and what this is worth in deploys.
const SPREAD_SHARE: f64 = 0.3;
const SPREAD_DEPLOYS: f64 = 4.0;
/// Departures from a decay, standard deviations of the log factor of a bin: the service's, a deploy's.
const SHAPE: f64 = 0.04;
const SPREAD_FLOOR: f64 = 0.03;
/// Lasting differences between a deploy's pods and those beside them, a standard deviation of log time.
const LUCK: f64 = 0.02;
/// Unknowns: how much the service warms up, and its departure in each bin.
const N_UNKNOWN: usize = 1 + N_BINS;

/// An age bin of a deploy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Seen {
    /// Its number.
    pub(crate) bin: usize,
    /// Log factor.
    pub(crate) ln_factor: f64,
    /// Sampling variance of that.
    pub(crate) variance: f64,
}

type Matrix = Vec<Vec<f64>>;

/// Mean and standard deviation of the next deploy's log factor, by age bin.
pub(crate) fn next_deploy(deploys: &[Vec<Seen>]) -> [(f64, f64); N_BINS] {
    let fits = DECAYS.map(|secs| Fit::of(deploys, secs));
    let best = fits.iter().map(|fit| fit.ln_evidence).fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = fits.iter().map(|fit| libm::exp(fit.ln_evidence - best)).collect();
    let all: f64 = weights.iter().sum();
    std::array::from_fn(|nth| {
        let (mut mean, mut squares) = (0.0, 0.0);
        for (fit, weight) in fits.iter().zip(&weights) {
            let (own, variance) = fit.bins[nth];
            mean += weight / all * own;
            squares += weight / all * (variance + own * own);
        }
        (mean, libm::sqrt((squares - mean * mean).max(0.0)))
    })
}

/// The linear model at one time constant.
#[derive(Debug, Clone, Copy)]
struct Fit {
    ln_evidence: f64,
    /// How much the service warms up at age 0: mean and variance.
    start: (f64, f64),
    /// Mean and variance of the next deploy.
    bins: [(f64, f64); N_BINS],
}

impl Fit {
    /// In three rounds: the spread depends on the start, and the start on the spread.
    fn of(deploys: &[Vec<Seen>], secs: f64) -> Self {
        let decay = std::array::from_fn(|nth| mean_decay(nth, secs));
        let alone = |deploy: &Vec<Seen>| Sums::new(&decay, 0.0).with(deploy).fit().start;
        let starts: Vec<(f64, f64)> = deploys.iter().map(alone).collect();
        let given =
            |spread| deploys.iter().fold(Sums::new(&decay, spread), |sums, deploy| sums.with(deploy)).fit();
        (0..2).fold(given(SPREAD_SHARE * START), |fit, _| given(libm::sqrt(spread2(&starts, fit.start.0))))
    }
}

/// How far deploys differ in how much they warm up, as a variance: what is usual, and the moment of those that were seen
/// (DerSimonian & Laird's, less what chance explains).
fn spread2(starts: &[(f64, f64)], start: f64) -> f64 {
    let usual = SPREAD_SHARE * start.max(0.0);
    let n = starts.len() as f64;
    if n < 2.0 {
        return usual * usual;
    }
    let plain = starts.iter().map(|(value, _)| value).sum::<f64>() / n;
    let chance = starts.iter().map(|(_, variance)| variance).sum::<f64>() / n;
    let squares: f64 = starts.iter().map(|(value, _)| (value - plain) * (value - plain)).sum();
    let moment = (squares / (n - 1.0) - chance).max(0.0);
    (SPREAD_DEPLOYS * usual * usual + (n - 1.0) * moment) / (SPREAD_DEPLOYS + n - 1.0)
}

/// Normal equations of the unknowns, the deploys' own effects taken out.
struct Sums<'a> {
    decay: &'a [f64; N_BINS],
    /// Standard deviation between deploys of how much they warm up.
    spread: f64,
    precision: Matrix,
    pull: Vec<f64>,
    ln_evidence: f64,
}

impl<'a> Sums<'a> {
    /// The prior alone.
    fn new(decay: &'a [f64; N_BINS], spread: f64) -> Self {
        let mut precision = vec![vec![0.0; N_UNKNOWN]; N_UNKNOWN];
        for (nth, row) in precision.iter_mut().enumerate() {
            let sd = if nth == 0 { START } else { SHAPE };
            row[nth] = 1.0 / (sd * sd);
        }
        let mut pull = vec![0.0; N_UNKNOWN];
        pull[0] = 1.0 / START;
        Self { decay, spread, precision, pull, ln_evidence: 0.0 }
    }

    fn with(mut self, deploy: &[Seen]) -> Self {
        let root = cholesky(self.covariance(deploy));
        let values: Vec<f64> = deploy.iter().map(|seen| seen.ln_factor).collect();
        let weighed = solve(&root, &values);
        self.ln_evidence -= 0.5 * dot(&values, &weighed) + ln_diagonal(&root);
        let slopes: Vec<f64> = deploy.iter().map(|seen| self.decay[seen.bin]).collect();
        self.pull[0] += dot(&slopes, &weighed);
        let slopes_weighed = solve(&root, &slopes);
        self.precision[0][0] += dot(&slopes, &slopes_weighed);
        for (nth, seen) in deploy.iter().enumerate() {
            let row = 1 + seen.bin;
            self.pull[row] += weighed[nth];
            self.precision[0][row] += slopes_weighed[nth];
            self.precision[row][0] += slopes_weighed[nth];
            for (other, weight) in deploy.iter().zip(solve(&root, &unit(deploy.len(), nth))) {
                self.precision[row][1 + other.bin] += weight;
            }
        }
        self
    }

    /// Of a deploy's log factors around the service's curve.
    fn covariance(&self, deploy: &[Seen]) -> Matrix {
        let spread2 = self.spread * self.spread;
        let between = |a: &Seen, b: &Seen| {
            let own = if a.bin == b.bin { a.variance + SPREAD_FLOOR * SPREAD_FLOOR } else { 0.0 };
            own + LUCK * LUCK + spread2 * self.decay[a.bin] * self.decay[b.bin]
        };
        deploy.iter().map(|a| deploy.iter().map(|b| between(a, b)).collect()).collect()
    }

    fn fit(self) -> Fit {
        let root = cholesky(self.precision);
        let mean = solve(&root, &self.pull);
        let first = unit(N_UNKNOWN, 0);
        let bins = std::array::from_fn(|nth| {
            let mut of = unit(N_UNKNOWN, 1 + nth);
            of[0] = self.decay[nth];
            let spread = self.spread * self.decay[nth];
            let own = SPREAD_FLOOR * SPREAD_FLOOR + spread * spread;
            (dot(&of, &mean), dot(&of, &solve(&root, &of)) + own)
        });
        Fit {
            ln_evidence: self.ln_evidence + 0.5 * dot(&self.pull, &mean) - ln_diagonal(&root),
            start: (mean[0], dot(&first, &solve(&root, &first))),
            bins,
        }
    }
}

/// Mean of `exp(-age / secs)` over a bin.
fn mean_decay(nth: usize, secs: f64) -> f64 {
    let low = if nth == 0 { 0.0 } else { EDGES[nth - 1] };
    let width = EDGES[nth] - low;
    libm::exp(-low / secs) * -libm::expm1(-width / secs) * secs / width
}

fn unit(size: usize, nth: usize) -> Vec<f64> {
    (0..size).map(|other| f64::from(u8::from(other == nth))).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The lower root of a symmetric positive matrix, in its lower half (Golub & Van Loan, Matrix Computations, algorithm 4.2.1).
fn cholesky(mut matrix: Matrix) -> Matrix {
    for column in 0..matrix.len() {
        for row in column..matrix.len() {
            let rest = matrix[row][column] - dot(&matrix[row][..column], &matrix[column][..column]);
            matrix[row][column] =
                if row == column { libm::sqrt(rest.max(1e-12)) } else { rest / matrix[column][column] };
        }
    }
    matrix
}

/// Solves for the matrix with this lower root.
fn solve(root: &[Vec<f64>], value: &[f64]) -> Vec<f64> {
    let mut out = value.to_vec();
    for row in 0..out.len() {
        out[row] = (out[row] - dot(&root[row][..row], &out[..row])) / root[row][row];
    }
    for row in (0..out.len()).rev() {
        let known: f64 = (row + 1..out.len()).map(|later| root[later][row] * out[later]).sum();
        out[row] = (out[row] - known) / root[row][row];
    }
    out
}

/// Half of the log determinant.
fn ln_diagonal(root: &[Vec<f64>]) -> f64 {
    root.iter().enumerate().map(|(nth, row)| libm::log(row[nth])).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::Draws;

    /// A deploy that starts slower by `start` and warms up within about `secs`, with a hundred requests a bin.
    fn deploy(draws: &mut Draws, (start, secs): (f64, f64), bins: usize) -> Vec<Seen> {
        let mut seen = |bin| {
            let ln_factor = start * mean_decay(bin, secs) + 0.05 * draws.normal();
            Seen { bin, ln_factor, variance: 0.05 * 0.05 }
        };
        (0..bins).map(&mut seen).collect()
    }

    /// Scenario: the root and the solution of a matrix that was worked out by hand: `[[4, 2], [2, 10]]` is
    /// `[[2, 0], [1, 3]]` times its transpose, and solves `(8, 22)` to `(1, 2)`.
    /// Guarantees: both are those, and the determinant is 36.
    #[test]
    fn equations_are_solved() {
        let root = cholesky(vec![vec![4.0, 2.0], vec![2.0, 10.0]]);
        assert_eq!((root[0][0], root[1][0], root[1][1]), (2.0, 1.0, 3.0));
        assert_eq!(solve(&root, &[8.0, 22.0]), [1.0, 2.0]);
        assert!((2.0 * ln_diagonal(&root) - libm::log(36.0)).abs() < 1e-12);
    }

    /// Scenario: 400 services that warm up by other amounts and speeds, of which one deploy was seen and the next one comes,
    /// different by 30 %; seeds 0 to 399.
    /// Guarantees: of the next deploys' log factors 90 to 99 % lie within two standard deviations, in young and in old
    /// bins; and those are narrower in the old bins than where each bin is told by itself.
    #[test]
    fn the_next_deploy_lies_within_what_is_said() {
        let (mut within, mut sds) = ([0; 6], [0.0; 6]);
        for seed in 0..400 {
            let mut draws = Draws::new(seed);
            let (start, secs) = (0.235 * (1.0 + 0.5 * draws.normal()).max(0.0), 5.0 + 55.0 * draws.uniform());
            let other = |draws: &mut Draws| start * (1.0 + 0.3 * draws.normal());
            let own = (other(&mut draws), secs);
            let seen = deploy(&mut draws, own, 6);
            let (told, next) = (next_deploy(&[seen]), other(&mut draws));
            for nth in 0..6 {
                let (mean, sd) = told[nth];
                within[nth] += u32::from((next * mean_decay(nth, secs) - mean).abs() <= 2.0 * sd);
                sds[nth] += sd / 400.0;
            }
        }
        assert!(within.iter().all(|n| (360..=399).contains(n)), "{within:?}");
        let by_itself = libm::sqrt(0.05 * 0.05 + SPREAD_FLOOR * SPREAD_FLOOR + SHAPE * SHAPE);
        assert!(sds[3] < by_itself && sds[5] < 0.9 * by_itself, "{sds:?} {by_itself}");
    }

    /// Scenario: five deploys of 0.1, 0.2 ... 0.5, and five of 0.3 each. Guarantees: those that differ are excused more.
    #[test]
    fn deploys_that_differ_are_not_sure() {
        let sd = |starts: [f64; 5]| {
            let mut draws = Draws::new(3);
            next_deploy(&starts.map(|start| deploy(&mut draws, (start, 20.0), 8)))[0].1
        };
        let (apart, alike) = (sd([0.1, 0.2, 0.3, 0.4, 0.5]), sd([0.3; 5]));
        assert!(apart > 1.3 * alike, "{apart} {alike}");
    }
}
