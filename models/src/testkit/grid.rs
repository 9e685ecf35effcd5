//! The grid of worlds in which the canary test is measured: honest releases, and releases that do harm.
//!
//! What it does not do: judge the figures. `bellwether evaluate canary --simulate` prints them.

use super::{Harm, Noise, Outcome, Weights, World, trial};
use crate::sequential::{CanaryValidParams, OwnTime};

/// A cell of the grid.
#[derive(Debug, Clone, PartialEq)]
pub struct GridCell {
    /// Short name: noise, requests per second, export, weights, control pods, harm.
    pub name: String,
    /// The world.
    pub world: World,
}

/// What the runs of a cell gave.
#[derive(Debug, Clone, PartialEq)]
pub struct CellOutcome {
    /// Runs.
    pub runs: usize,
    /// Of these, reached the level of a pause.
    pub paused: usize,
    /// Of these, reached the level of undoing.
    pub certain: usize,
    /// Median seconds to undoing; `None` if less than half reached it.
    pub median_secs: Option<f64>,
    /// Median seconds to a pause.
    pub median_pause_secs: Option<f64>,
}

fn name(world: &World) -> String {
    let own_time = if world.own_time == OwnTime::Comparable { " own time" } else { "" };
    format!(
        "{:?} {} rps {} s {:?} K{}{own_time}",
        world.noise, world.rps, world.export_secs, world.weights, world.controls
    )
}

/// Honest releases: every noise on events, 15 s and 60 s exports with one growing canary pod; few control pods; more
/// and less traffic; four canary pods; with own times told on many and on few control pods.
#[must_use]
pub fn honest_cells() -> Vec<GridCell> {
    use Noise::{Common, Het10, Het20, Idio, Iid, Outage, Retry, SickControl, Warm, Zero};
    let kinds =
        [Iid, Common, Idio, Het10, Het20, Outage, Retry, SickControl, Zero, Warm(0), Warm(1), Warm(5)];
    let mut worlds = Vec::new();
    for noise in kinds {
        let quiet = World::honest(noise);
        worlds.push(quiet);
        worlds.push(World { export_secs: 15, weights: Weights::Steps, ..quiet });
        worlds.push(World { export_secs: 60, weights: Weights::Steps, ..quiet });
    }
    for noise in [Iid, Common, Idio, Het20, Outage, Retry, Warm(0), Warm(1)] {
        let few = World { controls: 3, weights: Weights::Equal, ..World::honest(noise) };
        worlds.push(few);
        worlds.push(World { export_secs: 15, ..few });
        worlds.push(World { export_secs: 60, ..few });
    }
    for noise in [Iid, Idio, Het20, Warm(1)] {
        let busy = World { rps: 5000.0, ..World::honest(noise) };
        worlds.push(busy);
        worlds.push(World { rps: 50.0, ..busy });
        worlds.push(World { weights: Weights::FourPods, ..World::honest(noise) });
        worlds.push(World { export_secs: 60, weights: Weights::Steps, ..busy });
    }
    for noise in [Iid, Common, Idio, Het10, Het20, Outage, Retry, SickControl, Warm(1), Warm(5)] {
        let told = World { own_time: OwnTime::Comparable, ..World::honest(noise) };
        let few = World { controls: 3, weights: Weights::Equal, ..told };
        worlds.extend([told, few, World { rps: 60.0, ..few }, World { rps: 5000.0, ..few }]);
    }
    worlds.into_iter().map(|world| GridCell { name: name(&world), world }).collect()
}

/// Releases that do harm from their first second on.
#[must_use]
pub fn harmful_cells() -> Vec<GridCell> {
    let error_rate = |error_rate| Harm { error_rate, ..Harm::NONE };
    let harms = [
        ("+0.5pp", error_rate(0.005)),
        ("+1pp", error_rate(0.01)),
        ("+5pp", error_rate(0.05)),
        ("p99 x1.2", Harm { p99: 1.2, ..Harm::NONE }),
        ("p99 x1.5", Harm { p99: 1.5, ..Harm::NONE }),
        ("all x1.2", Harm { latency: 1.2, ..Harm::NONE }),
        ("all x1.5", Harm { latency: 1.5, ..Harm::NONE }),
    ];
    let quiet = World::honest(Noise::Iid);
    let few = World { controls: 3, weights: Weights::Equal, ..quiet };
    let worlds = [
        quiet,
        World { rps: 50.0, ..quiet },
        World::honest(Noise::Idio),
        World { export_secs: 60, weights: Weights::Steps, ..quiet },
        few,
        World { rps: 50.0, ..few },
        World { own_time: OwnTime::Comparable, ..quiet },
        World { own_time: OwnTime::Comparable, rps: 60.0, ..few },
    ];
    let cell = |world: World, (what, harm): (&str, Harm)| {
        let world = World { harm, ..world };
        GridCell { name: format!("{} {what}", name(&world)), world }
    };
    worlds.into_iter().flat_map(|world| harms.map(|harm| cell(world, harm))).collect()
}

/// Watches `runs` seeded rollouts of a cell, for an hour at the most.
///
/// ```
/// use models::sequential::CanaryParams;
/// use models::testkit::{harmful_cells, measure};
/// let params = CanaryParams::default().check().unwrap();
/// let cell = harmful_cells().into_iter().find(|cell| cell.name.ends_with("+5pp")).unwrap();
/// assert_eq!(measure(&cell, 3, &params).certain, 3);
/// ```
#[must_use]
pub fn measure(cell: &GridCell, runs: u64, params: &CanaryValidParams) -> CellOutcome {
    let seen: Vec<Outcome> = (0..runs).map(|seed| trial(cell.world, seed, params, 3600.0)).collect();
    let secs = |pick: fn(&Outcome) -> Option<f64>| {
        let mut secs: Vec<f64> = seen.iter().filter_map(pick).collect();
        secs.sort_by(f64::total_cmp);
        (secs.len(), secs.get(seen.len() / 2).copied())
    };
    let (paused, median_pause_secs) = secs(|run| run.paused_secs);
    let (certain, median_secs) = secs(|run| run.certain_secs);
    CellOutcome { runs: seen.len(), paused, certain, median_secs, median_pause_secs }
}
