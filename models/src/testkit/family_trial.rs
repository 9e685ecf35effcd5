//! Ways to sort incidents into families, and what each finds in generated ones whose kinds are known.
//!
//! Here to be measured, not to be shipped: [`crate::families`] is what the product uses, and `cargo run --release -p benches --bin
//! families` prints why (`docs/families.md`). The others are linfa's: DBSCAN over what is remembered, k-means and a mixture of normal
//! distributions with the number of groups that has the best silhouette, and incremental k-means with a fixed number. All
//! look at the same fingerprints at the same moments. The mixture takes logarithms of the platform.

use std::collections::{BTreeMap, BTreeSet};

use linfa::DatasetBase;
use linfa::traits::{Fit, FitWith, Predict, Transformer};
use linfa_clustering::{Dbscan, GaussianMixtureModel, IncrKMeansError, KMeans};
use linfa_nn::distance::L2Dist;
use ndarray::{Array2, Axis};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256Plus;

use super::day_types::silhouette;
use super::incidents::{MADE_TRAITS, MadeIncident};
use crate::accuracy::adjusted_rand_index;
use crate::families::{Families, FamilyParams, Fingerprint};

/// Incidents between two looks at how the groups have changed.
const LOOK_EVERY: usize = 10;
/// Groups that k-means and the mixture may have; of incremental k-means, those it has.
const GROUPS_MAX: usize = 16;
/// What is added to the diagonal of a covariance.
const REGULAR: f64 = 0.01;

/// A way to sort incidents.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FamilyWay {
    /// [`crate::families`] with these settings; their bounds do not count.
    Leader(FamilyParams),
    /// DBSCAN with this tolerance; two make a group, who is near nobody stands alone.
    Density(f64),
    /// K-means, groups by silhouette.
    Means,
    /// Incremental k-means with sixteen groups.
    Incremental,
    /// Mixture of normal distributions, groups by silhouette.
    Mixture,
}

/// What a way found, means over worlds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FamilyFigures {
    /// Adjusted Rand index of the groups after the last incident against the kinds.
    pub rand_index: f64,
    /// Share of the incidents that keep the id of their group from one look to the next.
    pub ids_kept: f64,
    /// Share of young incidents of a kind seen before that are said to be of the group in which that kind is most frequent.
    pub known_named: f64,
    /// Share of young incidents that are the first of their kind that are said to be new.
    pub new_told: f64,
}

/// How a way does on the worlds of these seeds.
///
/// ```
/// use models::testkit::{FamilyWay, family_figures};
/// let figures = family_figures(FamilyWay::Leader(models::families::FamilyParams::default()), &[1, 2], 60);
/// assert!(figures.rand_index > 0.5 && figures.rand_index <= 1.0);
/// ```
#[must_use]
pub fn family_figures(way: FamilyWay, seeds: &[u64], count: usize) -> FamilyFigures {
    let mut sum = FamilyFigures::default();
    for &seed in seeds {
        let one = trial(way, &super::made_incidents(seed, count), seed);
        sum.rand_index += one.rand_index / seeds.len() as f64;
        sum.ids_kept += one.ids_kept / seeds.len() as f64;
        sum.known_named += one.known_named / seeds.len() as f64;
        sum.new_told += one.new_told / seeds.len() as f64;
    }
    sum
}

/// Groups of incidents so far, and where another one would go.
struct Sorted {
    of: Vec<usize>,
    next: Option<usize>,
}

/// Counts of one world.
#[derive(Default)]
struct Counts {
    kept: (usize, usize),
    known: (usize, usize),
    new: (usize, usize),
}

impl Counts {
    fn look(&mut self, past: &[MadeIncident], young: &MadeIncident, sorted: &Sorted) {
        if past.iter().any(|other| other.kind == young.kind) {
            let right = sorted.next.is_some() && sorted.next == most_of(past, &sorted.of, young.kind);
            self.known = (self.known.0 + usize::from(right), self.known.1 + 1);
        } else {
            self.new = (self.new.0 + usize::from(sorted.next.is_none()), self.new.1 + 1);
        }
    }
}

fn trial(way: FamilyWay, incidents: &[MadeIncident], seed: u64) -> FamilyFigures {
    let mut counts = Counts::default();
    let mut ids: Vec<usize> = Vec::new();
    let mut n_ids = 0;
    let mut leader = Leader::new(way);
    for (nth, young) in incidents.iter().enumerate() {
        if nth > 0 && nth % LOOK_EVERY == 0 {
            let past = &incidents[..nth];
            let sorted = sort(way, leader.as_ref(), past, &young.at_first, seed);
            let now = carried(&ids, &sorted.of, &mut n_ids);
            let kept = ids.iter().zip(&now).filter(|(before, now)| before == now).count();
            counts.kept = (counts.kept.0 + kept, counts.kept.1 + ids.len());
            ids = now;
            counts.look(past, young, &sorted);
        }
        if let Some(leader) = &mut leader {
            leader.families.join(nth as u128, nth as i64, &young.at_last, 0);
        }
    }
    let last = sort(way, leader.as_ref(), incidents, &Fingerprint::default(), seed);
    let truth: Vec<usize> = incidents.iter().map(|incident| incident.kind).collect();
    let share = |(right, of): (usize, usize)| if of == 0 { 1.0 } else { right as f64 / of as f64 };
    FamilyFigures {
        rand_index: adjusted_rand_index(&truth, &last.of),
        ids_kept: share(counts.kept),
        known_named: share(counts.known),
        new_told: share(counts.new),
    }
}

fn sort(
    way: FamilyWay,
    leader: Option<&Leader>,
    past: &[MadeIncident],
    x: &Fingerprint,
    seed: u64,
) -> Sorted {
    let rows = rows(past);
    match (way, leader) {
        (FamilyWay::Leader(_), leader) => leader.map_or_else(|| apart(past.len()), |leader| leader.sorted(x)),
        (FamilyWay::Density(tolerance), _) => by_density(&rows, past, x, tolerance),
        (FamilyWay::Means, _) => by_silhouette(&rows, x, |rows, groups| {
            let params = KMeans::params_with_rng(groups, Xoshiro256Plus::seed_from_u64(seed)).n_runs(4);
            let model = params.fit(&DatasetBase::from(rows.clone())).ok()?;
            Some(model.predict(rows).to_vec())
        }),
        (FamilyWay::Incremental, _) => {
            let of = incremental(&rows, seed).unwrap_or_else(|| (0..past.len()).collect());
            let next = within_reach(&rows, &of, x);
            Sorted { of, next }
        }
        (FamilyWay::Mixture, _) => by_silhouette(&rows, x, |rows, groups| {
            let params = GaussianMixtureModel::params_with_rng(groups, Xoshiro256Plus::seed_from_u64(seed));
            let params = params.n_runs(1).reg_covariance(REGULAR);
            let model = params.fit(&DatasetBase::from(rows.clone())).ok()?;
            Some(model.predict(rows).to_vec())
        }),
    }
}

/// The families of the product, without bounds that would bite.
struct Leader {
    families: Families,
}

impl Leader {
    fn new(way: FamilyWay) -> Option<Self> {
        let FamilyWay::Leader(params) = way else { return None };
        let params = FamilyParams { families_max: 1_024, incidents_max: 4_096, ..params };
        Some(Self { families: Families::new(params.check().ok()?) })
    }

    fn sorted(&self, x: &Fingerprint) -> Sorted {
        let of = self.families.remembered().map(|member| member.family as usize).collect();
        Sorted { of, next: self.families.alike(x).map(|alike| alike.family.id() as usize) }
    }
}

fn apart(count: usize) -> Sorted {
    Sorted { of: (0..count).collect(), next: None }
}

fn rows(past: &[MadeIncident]) -> Array2<f64> {
    Array2::from_shape_fn((past.len(), MADE_TRAITS), |(row, nth)| past[row].at_last.get(nth))
}

/// A group each for what is near nobody; another incident goes where the nearest one is, if that is near enough.
fn by_density(rows: &Array2<f64>, past: &[MadeIncident], x: &Fingerprint, tolerance: f64) -> Sorted {
    let found = Dbscan::params(2).tolerance(tolerance).transform(rows);
    let Ok(found) = found else { return apart(past.len()) };
    let of: Vec<usize> =
        found.iter().enumerate().map(|(nth, group)| group.unwrap_or(past.len() + nth)).collect();
    let away = past.iter().map(|other| other.at_last.distance(x)).enumerate();
    let nearest = away.min_by(|a, b| a.1.total_cmp(&b.1)).filter(|(_, away)| *away <= tolerance);
    Sorted { next: nearest.map(|(nth, _)| of[nth]), of }
}

fn by_silhouette(
    rows: &Array2<f64>,
    x: &Fingerprint,
    assigned: impl Fn(&Array2<f64>, usize) -> Option<Vec<usize>>,
) -> Sorted {
    let counts = 2..=GROUPS_MAX.min(rows.nrows().saturating_sub(1));
    let tried = counts.filter_map(|groups| {
        let of = assigned(rows, groups)?;
        let width = silhouette(rows, &of, groups);
        Some((of, width))
    });
    let best = tried.max_by(|a, b| a.1.total_cmp(&b.1));
    let of = best.map_or_else(|| vec![0; rows.nrows()], |(of, _)| of);
    let next = within_reach(rows, &of, x);
    Sorted { of, next }
}

/// Learned ten by ten, as they come; sorted by where they would go now.
fn incremental(rows: &Array2<f64>, seed: u64) -> Option<Vec<usize>> {
    if rows.nrows() < GROUPS_MAX {
        return None;
    }
    let params = KMeans::params_with(GROUPS_MAX, Xoshiro256Plus::seed_from_u64(seed), L2Dist).tolerance(1e-3);
    let mut model: Option<KMeans<f64, L2Dist>> = None;
    let mut from = 0;
    while from < rows.nrows() {
        // the first batch must hold as many rows as there are groups
        let upto = if from == 0 { 2 * LOOK_EVERY } else { from + LOOK_EVERY }.min(rows.nrows());
        let batch = DatasetBase::from(rows.slice_axis(Axis(0), (from..upto).into()).to_owned());
        model = match params.fit_with(model, &batch) {
            Ok(model) | Err(IncrKMeansError::NotConverged(model)) => Some(model),
            Err(_) => return None,
        };
        from = upto;
    }
    Some(model?.predict(rows).to_vec())
}

/// The group whose mean is nearest, if it is within the reach that families have by default.
fn within_reach(rows: &Array2<f64>, of: &[usize], x: &Fingerprint) -> Option<usize> {
    let mut sums: BTreeMap<usize, ([f64; MADE_TRAITS], f64)> = BTreeMap::new();
    for (row, group) in rows.rows().into_iter().zip(of) {
        let (sum, count) = sums.entry(*group).or_insert(([0.0; MADE_TRAITS], 0.0));
        sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
        *count += 1.0;
    }
    let away =
        |(sum, count): &([f64; MADE_TRAITS], f64)| Fingerprint::new(&sum.map(|sum| sum / count)).distance(x);
    let nearest = sums.iter().map(|(group, of)| (*group, away(of))).min_by(|a, b| a.1.total_cmp(&b.1))?;
    (nearest.1 <= FamilyParams::default().reach).then_some(nearest.0)
}

/// The group in which a kind is most frequent; of equal ones the first.
fn most_of(past: &[MadeIncident], of: &[usize], kind: usize) -> Option<usize> {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    let members = past.iter().zip(of).filter(|(incident, _)| incident.kind == kind);
    members.for_each(|(_, group)| *counts.entry(*group).or_default() += 1);
    counts
        .into_iter()
        .max_by_key(|(group, count)| (*count, std::cmp::Reverse(*group)))
        .map(|(group, _)| group)
}

/// Groups get the ids of those before with which they share most incidents, each at most one; the others get new ones.
fn carried(before: &[usize], groups: &[usize], n_ids: &mut usize) -> Vec<usize> {
    let mut shared: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    before.iter().zip(groups).for_each(|(id, group)| *shared.entry((*id, *group)).or_default() += 1);
    let mut pairs: Vec<((usize, usize), usize)> = shared.into_iter().collect();
    pairs.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let (mut id_of, mut taken) = (BTreeMap::new(), BTreeSet::new());
    for ((id, group), _) in pairs {
        if !id_of.contains_key(&group) && taken.insert(id) {
            id_of.insert(group, id);
        }
    }
    let mut id = |group: &usize| {
        *id_of.entry(*group).or_insert_with(|| {
            *n_ids += 1;
            *n_ids
        })
    };
    groups.iter().map(&mut id).collect()
}
