//! How much mean log times of control pods vary: from request to request, from block to block, from pod to pod.
//!
//! An analysis of variance in three layers, so that no layer is counted twice. Requests differ around their pod's tick
//! (`variance`). A pod's blocks of 1, 5, 20 and 60 ticks differ around its own lasting level; the largest factor beyond
//! chance is `phi`. The lasting levels differ from pod to pod beyond that; DerSimonian & Laird's moment, shrunk to a
//! prior where few pods tell it, is `tau2`. [`TimeSpread::local`] looks at the open block and the one before it alone.
//! Knows controls only. Learned layers outlive a promotion: the noise is the service's, not the version's.

use serde::{Deserialize, Serialize};

use super::placebo::PodPrior;
use super::pods::{Arm, Times};

/// Lengths of the blocks in ticks.
const LENGTHS: [u32; 4] = [1, 5, 20, 60];
/// Degrees of freedom of the prior that blocks differ by chance alone.
const PRIOR_DOF: f64 = 20.0;
/// The same for the last two blocks.
const LOCAL_DOF: f64 = 8.0;
/// What an earlier version taught counts for so many degrees of freedom at the most.
const INHERITED_DOF: f64 = 60.0;
const INHERITED_PODS: f64 = 8.0;
/// So many standard deviations of chance are taken off a factor: the largest of four, over few blocks, is by chance alone
/// a ninth too large on average.
const CHANCE_SDS: f64 = 2.0;
/// The last two blocks stand out from this many standard deviations of chance on, and by what lies beyond them.
const LOCAL_SDS: f64 = 2.5;
/// Requests beyond the first of each pod and tick before a variance is believed.
const VARIANCE_DOF_MIN: f64 = 30.0;
/// Times are kept to within 1 %: log times vary by that at least.
const VARIANCE_MIN: f64 = 4e-4;
/// Seconds after which what was learned counts for less by a factor e.
const MEMORY_TICKS: f64 = 3_600.0;

/// Requests and their summed log times.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Open {
    n: f64,
    sum: f64,
}

/// A pod's blocks: weights, and their weighted deviations from the arm's mean, plain and squared.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Blocks {
    weight: f64,
    sum: f64,
    squares: f64,
    count: f64,
}

impl Blocks {
    fn level(&self) -> f64 {
        if self.weight > 0.0 { self.sum / self.weight } else { 0.0 }
    }
}

/// Squares and their degrees of freedom.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Squares {
    sum: f64,
    dof: f64,
}

impl Squares {
    fn scaled(self, factor: f64) -> Self {
        Self { sum: self.sum * factor, dof: self.dof * factor }
    }

    /// Standard deviation of the sum, where squares are those of normal deviates of variance 1.
    fn chance_sd(self) -> f64 {
        libm::sqrt(2.0 * self.dof.max(0.0))
    }

    /// At most `dof` degrees of freedom, at the same mean.
    fn at_most(self, dof: f64) -> Self {
        self.scaled((dof / self.dof.max(dof)).min(1.0))
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Level {
    ticks: u32,
    filled: u32,
    open: Vec<Open>,
    pods: Vec<Blocks>,
    /// Of an earlier version, in units of the variance.
    inherited: Squares,
}

/// The three layers.
///
/// # Invariants
/// Memory is four blocks per pod slot and level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct TimeSpread {
    within: Squares,
    levels: Vec<Level>,
    open: Vec<Open>,
    previous: Vec<Open>,
    /// Of an earlier version: degrees of freedom and the moment.
    inherited_tau2: Squares,
}

impl Default for TimeSpread {
    fn default() -> Self {
        let level = |ticks| Level {
            ticks,
            filled: 0,
            open: Vec::new(),
            pods: Vec::new(),
            inherited: Squares::default(),
        };
        Self {
            within: Squares::default(),
            levels: LENGTHS.map(level).to_vec(),
            open: Vec::new(),
            previous: Vec::new(),
            inherited_tau2: Squares::default(),
        }
    }
}

impl TimeSpread {
    /// Takes in a tick of the controls.
    pub(crate) fn add(&mut self, control: &Arm) {
        self.within = self.within.scaled(1.0 - 1.0 / MEMORY_TICKS);
        let mut all = Times::default();
        control.pods.iter().for_each(|pod| all.merge(&pod.times()));
        if all.n > 1.0 {
            self.within.sum += (all.squares - all.sum * all.sum / all.n).max(0.0);
            self.within.dof += all.n - 1.0;
        }
        for level in &mut self.levels {
            gather(&mut level.open, control);
            level.filled += 1;
            if level.filled >= level.ticks {
                level.close();
            }
        }
        gather(&mut self.open, control);
    }

    /// Ends the block that `local` looks at.
    pub(crate) fn close_block(&mut self) {
        self.previous = std::mem::take(&mut self.open);
    }

    /// Forgets what a sick pod did.
    pub(crate) fn drop_pod(&mut self, slot: usize) {
        let opens = self.levels.iter_mut().map(|level| &mut level.open);
        for pods in opens.chain([&mut self.open, &mut self.previous]) {
            if let Some(pod) = pods.get_mut(slot) {
                *pod = Open::default();
            }
        }
        for pod in self.levels.iter_mut().filter_map(|level| level.pods.get_mut(slot)) {
            *pod = Blocks::default();
        }
    }

    /// What the pods of a next version inherit: the layers, without the pods.
    pub(crate) fn heir(&self) -> Self {
        let mut heir = Self { within: self.within, ..Self::default() };
        if let Some(variance) = self.variance() {
            for (new, old) in heir.levels.iter_mut().zip(&self.levels) {
                new.inherited = old.squares(variance).at_most(INHERITED_DOF);
            }
            heir.inherited_tau2 = self.moments(variance * self.phi()).at_most(INHERITED_PODS);
        }
        heir
    }

    /// Variance of a single request's log time; `None` before enough of them were seen.
    pub(crate) fn variance(&self) -> Option<f64> {
        let Squares { sum, dof } = self.within;
        (dof >= VARIANCE_DOF_MIN).then(|| (sum / dof).max(VARIANCE_MIN))
    }

    /// How much more a pod's blocks differ than chance lets them, at least 1: the largest factor of the four lengths, less
    /// what chance adds to it.
    pub(crate) fn phi(&self) -> f64 {
        let Some(variance) = self.variance() else { return 1.0 };
        self.levels.iter().fold(1.0, |phi, level| {
            let seen = level.squares(variance);
            phi.max((seen.sum - CHANCE_SDS * seen.chance_sd() + PRIOR_DOF) / (seen.dof + PRIOR_DOF))
        })
    }

    /// Variance between pods for good.
    pub(crate) fn tau2(&self, prior: PodPrior) -> f64 {
        let own = prior.sd * prior.sd;
        let Some(variance) = self.variance() else { return own };
        let seen = self.moments(variance * self.phi());
        (prior.pods * own + seen.sum) / (prior.pods + seen.dof)
    }

    /// Dispersion of the last two blocks around the pods' lasting levels, by as much as it stands out from chance: 1 if it does
    /// not, and shrunk to 1 where few pods tell it. There is no step where it begins to stand out, which chance alone often
    /// reaches over a rollout's many looks.
    pub(crate) fn local(&self) -> f64 {
        let Some(variance) = self.variance() else { return 1.0 };
        let mut seen = Squares::default();
        for block in [&self.open, &self.previous] {
            let mut used = 0.0_f64;
            for (slot, weight, off) in deviations(block, &self.levels[0].pods) {
                let pod = self.levels[0].pods.get(slot).copied().unwrap_or_default();
                let rest = off - pod.level();
                // a level that is not known well is no yardstick
                seen.sum += pod.weight / (pod.weight + weight) * weight * rest * rest / variance;
                used += 1.0;
            }
            seen.dof += (used - 1.0).max(0.0);
        }
        if seen.dof < 1.0 {
            return 1.0;
        }
        let beyond_chance = seen.sum - LOCAL_SDS * seen.chance_sd();
        ((beyond_chance + LOCAL_DOF) / (seen.dof + LOCAL_DOF)).max(1.0)
    }

    /// Sum of moments between pods and their degrees of freedom, given the variance of a request within a pod's level.
    fn moments(&self, variance: f64) -> Squares {
        let pods: Vec<&Blocks> = self.levels[0].pods.iter().filter(|pod| pod.weight > 0.0).collect();
        let (mut weight, mut squares, mut sum) = (0.0, 0.0, 0.0);
        for pod in &pods {
            weight += pod.weight;
            squares += pod.weight * pod.weight;
            sum += pod.sum;
        }
        let dof = pods.len() as f64 - 1.0;
        if dof < 1.0 {
            return self.inherited_tau2;
        }
        let middle = sum / weight;
        let off = |pod: &&Blocks| pod.weight * (pod.level() - middle) * (pod.level() - middle);
        let spread = pods.iter().map(off).sum::<f64>() / variance;
        let information = (weight - squares / weight) / variance;
        let moment = ((spread - dof) / information).max(0.0);
        // levels that are known to within 5 % or better tell how pods differ, others tell chance
        let known = information / dof * 0.05 * 0.05;
        let dof = dof * known / (1.0 + known);
        Squares { sum: self.inherited_tau2.sum + dof * moment, dof: self.inherited_tau2.dof + dof }
    }
}

impl Level {
    fn close(&mut self) {
        self.filled = 0;
        self.pods.resize(self.open.len(), Blocks::default());
        let keep = 1.0 - f64::from(self.ticks) / MEMORY_TICKS;
        self.inherited = self.inherited.scaled(keep);
        let blocks: Vec<_> = deviations(&self.open, &self.pods).collect();
        for (slot, weight, off) in blocks {
            let Some(pod) = self.pods.get_mut(slot) else { continue };
            pod.weight = keep * pod.weight + weight;
            pod.sum = keep * pod.sum + weight * off;
            pod.squares = keep * pod.squares + weight * off * off;
            pod.count = keep * pod.count + 1.0;
        }
        self.open.iter_mut().for_each(|pod| *pod = Open::default());
    }

    /// Deviations of the blocks from their pods' levels, in units of `variance`.
    fn squares(&self, variance: f64) -> Squares {
        self.pods.iter().filter(|pod| pod.count > 1.0).fold(self.inherited, |all, pod| Squares {
            sum: all.sum + (pod.squares - pod.sum * pod.level()).max(0.0) / variance,
            dof: all.dof + pod.count - 1.0,
        })
    }
}

fn gather(open: &mut Vec<Open>, control: &Arm) {
    open.resize(control.pods.len(), Open::default());
    for (sum, pod) in open.iter_mut().zip(&control.pods) {
        let times = pod.times();
        sum.n += times.n;
        sum.sum += times.sum;
    }
}

/// Per slot with requests: the weight of its mean (requests, more where it is a large part of all, whose mean it is
/// held against) and the mean's deviation. Pods come and go, so what all share in a block is what is left of their means
/// when their levels are taken off.
fn deviations<'a>(block: &'a [Open], pods: &'a [Blocks]) -> impl Iterator<Item = (usize, f64, f64)> + 'a {
    let level = |slot: usize| pods.get(slot).map_or(0.0, Blocks::level);
    let (mut n, mut sum) = (0.0, 0.0);
    for (slot, pod) in block.iter().enumerate() {
        n += pod.n;
        sum += pod.sum - pod.n * level(slot);
    }
    let there = block.iter().enumerate().filter(move |(_, pod)| pod.n > 0.0 && pod.n < n);
    there.map(move |(slot, pod)| (slot, pod.n / (1.0 - pod.n / n), pod.sum / pod.n - sum / n))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sequential::pods::PodCell;
    use crate::testkit::Draws;

    const PRIOR: PodPrior = PodPrior { sd: 0.03, pods: 4.0 };

    /// Ticks of pods with 20 requests each, log times of standard deviation 0.5, at these levels; `wave` moves a pod
    /// for ten ticks each.
    fn spread(levels: &[f64], wave: f64, ticks: usize) -> TimeSpread {
        seeded(7, levels, wave, ticks)
    }

    fn seeded(seed: u64, levels: &[f64], wave: f64, ticks: usize) -> TimeSpread {
        let (mut draws, mut spread) = (Draws::new(seed), TimeSpread::default());
        let mut waves = vec![0.0; levels.len()];
        for tick in 0..ticks {
            if tick % 10 == 0 {
                waves.iter_mut().for_each(|at| *at = wave * draws.normal());
                spread.close_block();
            }
            let mut pod = |level: f64| {
                let mut times = Times::default();
                for _ in 0..20 {
                    let log = level + 0.5 * draws.normal();
                    times.merge(&Times { n: 1.0, sum: log, squares: log * log, ..Times::default() });
                }
                PodCell { n: 20.0, own: times, ..PodCell::default() }
            };
            let pods = levels.iter().zip(&waves).map(|(level, wave)| pod(level + wave)).collect();
            spread.add(&Arm { pods, ..Arm::default() });
        }
        spread
    }

    /// Scenario: pods that agree, pods that differ for good, and pods that each move in waves.
    /// Guarantees: every layer sees its own kind of difference, and only that.
    #[test]
    fn layers_are_told_apart() {
        let even = spread(&[0.0; 6], 0.0, 300);
        assert!((even.variance().unwrap() - 0.25).abs() < 0.02);
        assert!(even.phi() < 1.3 && even.tau2(PRIOR) < 0.0009, "{} {}", even.phi(), even.tau2(PRIOR));
        assert_eq!(even.local(), 1.0);
        let apart = spread(&[-0.2, 0.2, -0.2, 0.2, -0.2, 0.2], 0.0, 300);
        assert!(apart.phi() < 1.3, "{}", apart.phi());
        assert!((0.02..0.12).contains(&apart.tau2(PRIOR)), "{}", apart.tau2(PRIOR));
        let waves = spread(&[0.0; 6], 0.1, 300);
        assert!(waves.phi() > 3.0 && waves.tau2(PRIOR) < 0.01, "{} {}", waves.phi(), waves.tau2(PRIOR));
    }

    /// Scenario: four pods that agree, watched for 45 ticks and into a block; seeds 0 to 399.
    /// Guarantees: chance does not pass for dispersion. By the long run evidence counts for at least nine tenths in 95 of a
    /// hundred services, and for 98 hundredths on average; by the last blocks for at least four fifths in 98 of a hundred.
    #[test]
    fn chance_is_not_dispersion() {
        let spreads: Vec<TimeSpread> = (0..400).map(|seed| seeded(seed, &[0.0; 4], 0.0, 45)).collect();
        let mean = spreads.iter().map(TimeSpread::phi).sum::<f64>() / 400.0;
        let n_dispersed = spreads.iter().filter(|spread| spread.phi() > 1.0 / 0.9).count();
        let n_bursts = spreads.iter().filter(|spread| spread.local() > 1.0 / 0.8).count();
        assert!(mean < 1.02 && n_dispersed <= 20 && n_bursts <= 8, "{mean} {n_dispersed} {n_bursts}");
    }

    /// Scenario: one pod is suddenly slow for a block. Guarantees: it stands out locally.
    #[test]
    fn a_burst_stands_out() {
        let mut spread = spread(&[0.0; 4], 0.0, 100);
        spread.close_block();
        let cell = |log: f64| PodCell {
            n: 20.0,
            own: Times { n: 20.0, sum: 20.0 * log, squares: 20.0 * (log * log + 0.25), ..Times::default() },
            ..PodCell::default()
        };
        for _ in 0..10 {
            let pods = vec![cell(0.5), cell(0.0), cell(0.0), cell(0.0)];
            spread.add(&Arm { pods, ..Arm::default() });
        }
        assert!(spread.local() > 3.0, "{}", spread.local());
    }

    /// Scenario: what was learned of pods that differ and move is passed on, and nothing else was seen yet.
    /// Guarantees: the heir starts with it, a pod that leaves takes its part along.
    #[test]
    fn layers_outlive_the_pods() {
        let mut old = spread(&[-0.2, 0.2, -0.2, 0.2], 0.1, 300);
        let heir = old.heir();
        assert!(heir.phi() > 0.7 * old.phi() && heir.tau2(PRIOR) > 0.3 * old.tau2(PRIOR));
        assert_eq!(heir.local(), 1.0);
        let before = old.tau2(PRIOR);
        old.drop_pod(3);
        assert!(old.tau2(PRIOR) != before && old.levels[0].pods[3].weight == 0.0);
        assert_eq!(TimeSpread::default().variance(), None);
    }
}
