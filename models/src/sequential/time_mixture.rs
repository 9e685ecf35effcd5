//! The mixture that turns differences of log times into evidence, also where a young release's warm-up is guessed.
//!
//! A pod brings in a tick the difference of its mean log time from the control's beyond the middle of what is tolerated,
//! `x`, and `g`, by how much a release that warms up worse by one standard deviation is slower at that age. The model is
//! `x = d + b + r g + noise`: harm `d`, the pods' luck `b` of variance `tau2 * spread`, and the warm-up of this release
//! against that of earlier ones, `r`: standard normal, cut off at [`WORST`], beyond which nothing is excused. The noises of a
//! tick's pods share the control's. With `V` their covariance and, summed over ticks, `S = 1' V^-1 x`,
//! `I = 1' V^-1 1`, `G = g' V^-1 x`, `H = g' V^-1 1` and `Q = g' V^-1 g` (`b` is taken out of them first), the likelihood
//! ratio of a harm `d`, averaged over `r` above and below, is
//!
//! `exp(d (S - c H) - d^2 I / 2) M(w + d H / sqrt(1 + Q)) / M(w)`, `M(w) = exp(w^2 / 2) Phi(w)`,
//! `w = c sqrt(1 + Q) - G / sqrt(1 + Q)`, `c = WORST`:
//!
//! the ratio against the worst warm-up that is excused, times a factor above 1 for how seldom that is met. It is a Bayes factor with a
//! nuisance parameter integrated out under both hypotheses (Grünwald, de Heide & Koolen, "Safe testing", JRSS B 2024), with
//! the sums of a linear model with random effects (Henderson, Biometrics 1975): an e-process on average over releases that
//! differ as the prior on `r` has it. Over a half-normal `d` of standard deviation [`SD`] it is summed on a grid;
//! without a warm-up the sum has the closed form `2 / sqrt(1 + SD^2 I) exp(z^2 / 2) Phi(z)`,
//! `z = S SD / sqrt(1 + SD^2 I)`: the one-sided normal mixture of Howard, Ramdas, McAuliffe & Sekhon (Annals of
//! Statistics 2021, section 3.2). What it does not do: learn how releases warm up, or estimate variances.

use serde::{Deserialize, Serialize};

use super::grid::ln_weighted;
use super::warmup::EXCUSED_SDS;

/// Standard deviation of the harm that is looked for, in log time beyond the tolerance: a third slower.
const SD: f64 = 0.3;
/// The worst warm-up that is excused, in standard deviations from what is expected.
const WORST: f64 = EXCUSED_SDS;
/// Harms of the grid: the least, and how much each is larger than the one before.
const LEAST: f64 = 0.02;
const STEP: f64 = 1.2;
const N_HARMS: i32 = 25;

/// One pod's difference from the control in a tick.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Difference {
    /// Of mean log times, beyond the middle of what is tolerated.
    pub(crate) excess: f64,
    /// Of the pod's mean alone.
    pub(crate) variance: f64,
    /// What a warm-up that is worse by a standard deviation adds.
    pub(crate) lean: f64,
}

/// Sums over ticks.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Sums {
    score: f64,
    information: f64,
    lean_score: f64,
    lean_overlap: f64,
    lean_information: f64,
}

impl Sums {
    /// Adds a tick's pods, whose differences share the control's variance: the inverse of their covariance takes the same
    /// part of every pair of weighted sums off the weighted sum of products (Sherman & Morrison 1950).
    pub(crate) fn add(&mut self, pods: impl Iterator<Item = Difference>, control_variance: f64) {
        let (mut plain, mut weight) = (Self::default(), 0.0);
        for Difference { excess, variance, lean } in pods {
            weight += 1.0 / variance;
            plain.score += excess / variance;
            plain.lean_score += lean * excess / variance;
            plain.lean_overlap += lean / variance;
            plain.lean_information += lean * lean / variance;
        }
        let shared = control_variance / (1.0 + control_variance * weight);
        self.score += plain.score * (1.0 - shared * weight);
        self.information += weight * (1.0 - shared * weight);
        self.lean_score += plain.lean_score - shared * plain.lean_overlap * plain.score;
        self.lean_overlap += plain.lean_overlap * (1.0 - shared * weight);
        self.lean_information += plain.lean_information - shared * plain.lean_overlap * plain.lean_overlap;
    }

    /// With `factor` times `other` added.
    pub(crate) fn plus(self, other: Self, factor: f64) -> Self {
        Self {
            score: self.score + factor * other.score,
            information: self.information + factor * other.information,
            lean_score: self.lean_score + factor * other.lean_score,
            lean_overlap: self.lean_overlap + factor * other.lean_overlap,
            lean_information: self.lean_information + factor * other.lean_information,
        }
    }

    /// Log evidence, less what the pods' luck of variance `luck` explains; where the warm-up is guessed, the lower of
    /// that over all warm-ups and that against the expected one, so that a start that is better than expected is not
    /// held against the seconds after it.
    pub(crate) fn ln_e(self, luck: f64) -> f64 {
        let rest = self.without_luck(luck);
        let expected = rest.ln_e_of_expected();
        if rest.lean_information <= 1e-9 { expected } else { expected.min(rest.ln_e_of_any()) }
    }

    /// The sums with a random level of that variance, common to all ticks, integrated out.
    fn without_luck(self, luck: f64) -> Self {
        let psi = 1.0 + luck * self.information.max(0.0);
        Self {
            score: self.score / psi,
            information: self.information / psi,
            lean_score: self.lean_score - luck * self.lean_overlap * self.score / psi,
            lean_overlap: self.lean_overlap / psi,
            lean_information: self.lean_information - luck * self.lean_overlap * self.lean_overlap / psi,
        }
    }

    fn ln_e_of_expected(self) -> f64 {
        let scale = 1.0 + SD * SD * self.information;
        ln_half_gauss(self.score * SD / libm::sqrt(scale)) + libm::log(2.0) - 0.5 * libm::log(scale)
    }

    fn ln_e_of_any(self) -> f64 {
        let root = libm::sqrt(1.0 + self.lean_information);
        let start = WORST * root - self.lean_score / root;
        let against_worst = self.score - WORST * self.lean_overlap;
        let ln_ratio = |harm: f64| {
            let unlikely = ln_half_gauss(start + harm * self.lean_overlap / root) - ln_half_gauss(start);
            harm * against_worst - 0.5 * harm * harm * self.information + unlikely
        };
        let harms = (0..N_HARMS).map(|nth| LEAST * libm::pow(STEP, f64::from(nth)));
        // on a geometric grid a cell is as wide as its harm
        let weight = |harm: f64| harm * libm::exp(-0.5 * harm * harm / (SD * SD));
        let pairs: Vec<(f64, f64)> = harms.map(|harm| (weight(harm), ln_ratio(harm))).collect();
        ln_weighted(&pairs) - libm::log(pairs.iter().map(|(weight, _)| weight).sum())
    }
}

/// `ln(exp(z^2 / 2) Phi(z))`, also far out on the left, where it falls like `1 / |z|`.
fn ln_half_gauss(z: f64) -> f64 {
    if z < -8.0 {
        let z2 = z * z;
        return libm::log(1.0 - 1.0 / z2 + 3.0 / (z2 * z2))
            - libm::log(-z * libm::sqrt(core::f64::consts::TAU));
    }
    0.5 * z * z + libm::log(0.5 * libm::erfc(-z / core::f64::consts::SQRT_2))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit::Draws;

    fn sums(ticks: &[Difference]) -> Sums {
        let mut sums = Sums::default();
        ticks.iter().for_each(|tick| sums.add([*tick].into_iter(), 0.0));
        sums
    }

    /// Scenario: the mixture beside its integral, summed over a fine grid of harms.
    /// Guarantees: they agree, for evidence for and against harm.
    #[test]
    fn mixture_is_the_integral() {
        for (score, information) in [(30.0, 120.0), (-40.0, 200.0), (2.0, 0.5), (-900.0, 9000.0)] {
            let step = 1e-5;
            let weight = |d: f64| 2.0 / (SD * 2.506_628_274_631) * libm::exp(-d * d / (2.0 * SD * SD));
            let sum: f64 = (0..200_000)
                .map(|nth| (f64::from(nth) + 0.5) * step)
                .map(|d| weight(d) * libm::exp(d * score - d * d * information / 2.0) * step)
                .sum();
            let closed = Sums { score, information, ..Sums::default() }.ln_e(0.0);
            assert!((closed - libm::log(sum)).abs() < 1e-3, "{score} {information}: {closed}");
        }
    }

    /// Scenario: three pods of different age in a tick, and the same sums by the inverse of their covariance, worked out by hand:
    /// `diag(1, 2, 4) + 1` has the inverse `diag(1, 1/2, 1/4) - (1, 1/2, 1/4)(1, 1/2, 1/4)' / (11/4)`.
    /// Guarantees: they agree.
    #[test]
    fn pods_share_the_noise_of_the_control() {
        let pod = |excess: f64, variance: f64, lean: f64| Difference { excess, variance, lean };
        let mut sums = Sums::default();
        sums.add([pod(1.0, 1.0, 0.0), pod(0.0, 2.0, 1.0), pod(2.0, 4.0, 2.0)].into_iter(), 1.0);
        let part = |sum_of_products: f64, a: f64, b: f64| sum_of_products - a * b / 2.75;
        let by_hand = [
            part(1.5, 1.5, 1.75),
            part(1.75, 1.75, 1.75),
            part(1.0, 1.0, 1.5),
            part(1.0, 1.0, 1.75),
            part(1.5, 1.0, 1.0),
        ];
        let seen = [sums.score, sums.information, sums.lean_score, sums.lean_overlap, sums.lean_information];
        assert!(seen.iter().zip(by_hand).all(|(a, b)| (a - b).abs() < 1e-12), "{seen:?} {by_hand:?}");
    }

    /// Scenario: a start whose excess falls from 0.5 to 0.3 while its warm-up does from 0.2 to nothing, beside the integrals over
    /// harm, warm-up and the pods' luck, each summed on a fine grid.
    /// Guarantees: closed form and integrals agree to within what the grid of harms costs.
    #[test]
    fn average_over_warm_ups_is_the_integral() {
        let tick = |nth: i32| {
            let fading = libm::exp(-f64::from(nth) / 4.0);
            Difference { excess: 0.3 + 0.2 * fading, variance: 0.03, lean: 0.1 * fading }
        };
        let ticks: Vec<Difference> = (0..12).map(tick).collect();
        let likelihood = |d: f64, r: f64, b: f64| {
            let off = ticks
                .iter()
                .map(|t| (t.excess - d - b - r * t.lean) * (t.excess - d - b - r * t.lean) / t.variance);
            libm::exp(-0.5 * off.sum::<f64>())
        };
        for luck in [0.0, 0.002] {
            let over_luck = |d: f64, r: f64| {
                let at = |nth: i32| f64::from(nth) * 0.25;
                let sum = |f: &dyn Fn(f64) -> f64| {
                    (-16..=16).map(|nth| f(at(nth)) * libm::exp(-0.5 * at(nth) * at(nth))).sum::<f64>()
                };
                sum(&|z| likelihood(d, r, z * libm::sqrt(luck)))
            };
            let over_r = |d: f64| {
                let at = |nth: i32| WORST - (f64::from(nth) + 0.5) * 0.05;
                (0..140).map(|nth| over_luck(d, at(nth)) * libm::exp(-0.5 * at(nth) * at(nth))).sum::<f64>()
            };
            let weight = |d: f64| libm::exp(-d * d / (2.0 * SD * SD));
            let harms = || (0..150).map(|nth| (f64::from(nth) + 0.5) * 0.01);
            let above: f64 =
                harms().map(|d| weight(d) * over_r(d)).sum::<f64>() / harms().map(weight).sum::<f64>();
            let integral = libm::log(above / over_r(0.0));
            let closed = sums(&ticks).without_luck(luck).ln_e_of_any();
            assert!(
                integral > 1.0 && (closed - integral).abs() < 0.1,
                "{luck}: {closed} instead of {integral}"
            );
        }
    }

    /// Scenario: 2,000 honest releases of 300 ticks each that warm up worse or better than expected, as the prior has it; seeds 0
    /// to 1,999. Guarantees: at most one in a hundred ever reaches evidence 100 beside those that are worse than what is excused.
    #[test]
    fn releases_that_differ_keep_the_promise() {
        let n = (0..2_000).filter(|&seed| {
            let (mut draws, mut sums) = (Draws::new(seed), Sums::default());
            let r = loop {
                let r = draws.normal();
                if r <= WORST {
                    break r;
                }
            };
            (0..300).any(|nth| {
                let lean = 0.1 * libm::exp(-f64::from(nth) / 20.0);
                let excess = r * lean + 0.05 * draws.normal();
                sums.add([Difference { excess, variance: 0.05 * 0.05, lean }].into_iter(), 0.0);
                sums.ln_e(0.0) >= libm::log(100.0)
            })
        });
        let n = n.count();
        assert!(n <= 20, "{n} of 2,000");
    }

    /// Scenario: harm that is seen while the pods are young, a start that is slower than expected by two standard deviations and warms
    /// up, and one that is faster than expected and then as usual.
    /// Guarantees: harm counts for more than against the worst excused warm-up; neither start is evidence of harm.
    #[test]
    fn a_slow_start_is_told_from_harm() {
        let run = |r: f64, harm: f64, worst: f64| {
            let tick = |nth: i32| {
                let lean = 0.1 * libm::exp(-f64::from(nth) / 8.0);
                Difference {
                    excess: harm + (r - worst) * lean,
                    variance: 0.02,
                    lean: if worst > 0.0 { 0.0 } else { lean },
                }
            };
            sums(&(0..15).map(tick).collect::<Vec<_>>()).ln_e(0.0)
        };
        assert!(
            run(0.0, 0.3, 0.0) > run(0.0, 0.3, WORST) + 1.0,
            "{} {}",
            run(0.0, 0.3, 0.0),
            run(0.0, 0.3, WORST)
        );
        assert!(run(2.0, 0.0, 0.0) < 1.0 && run(-3.0, 0.0, 0.0) < 0.0);
    }
}
