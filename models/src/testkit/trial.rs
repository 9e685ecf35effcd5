//! One rollout, watched from its history to its end.

use super::{Noise, RELEASE_AT, Simulator, World};
use crate::sequential::{CanaryTest, CanaryValidParams, Decision, Mode, WarmupCurve};

/// What the test said about one rollout; times in seconds since the release.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Outcome {
    /// Evidence first reached the level of a pause.
    pub paused_secs: Option<f64>,
    /// Evidence first reached the level of undoing, whether on one pod or on several.
    pub certain_secs: Option<f64>,
    /// The test said `Act`.
    pub acted_secs: Option<f64>,
    /// The test said `Promote`.
    pub promoted_secs: Option<f64>,
    /// Control pods set aside.
    pub sick_pods: u32,
}

/// Watches the world of this seed for `secs` after the release.
///
/// ```
/// use models::{sequential::CanaryParams, testkit::{Harm, Noise, World, trial}};
/// let broken = World { harm: Harm { error_rate: 0.3, ..Harm::NONE }, ..World::honest(Noise::Iid) };
/// let seen = trial(broken, 1, &CanaryParams::default().check().unwrap(), 60.0);
/// assert!(seen.certain_secs.unwrap() < 10.0);
/// ```
#[must_use]
pub fn trial(world: World, seed: u64, params: &CanaryValidParams, secs: f64) -> Outcome {
    let mode = match world.export_secs {
        0 | 1 => Mode::Events,
        secs => Mode::Metrics { export_interval_secs: f64::from(secs) },
    };
    let curve = if world.noise == Noise::Warm(0) { WarmupCurve::Prior } else { WarmupCurve::None };
    let mut test = CanaryTest::new(params, mode, RELEASE_AT).with_curve(&curve);
    test.judge_own_time(world.own_time);
    let mut seen = Outcome::default();
    for tick in Simulator::new(world, seed) {
        let elapsed = (tick.at - RELEASE_AT) as f64 / 1e9;
        if elapsed <= 0.0 {
            test.history(&tick.as_tick());
            continue;
        }
        let reading = test.observe(&tick.as_tick());
        let note = |slot: &mut Option<f64>, holds: bool| {
            if holds && slot.is_none() {
                *slot = Some(elapsed);
            }
        };
        note(&mut seen.paused_secs, reading.ln_e >= -libm::log(params.values().alpha_pause));
        note(&mut seen.certain_secs, reading.ln_e >= -libm::log(params.values().alpha_act));
        note(&mut seen.acted_secs, reading.decision == Decision::Act);
        note(&mut seen.promoted_secs, reading.decision == Decision::Promote);
        seen.sick_pods = reading.n_sick_pods;
        let settled = seen.acted_secs.is_some() || (world.canaries() == 1 && seen.certain_secs.is_some());
        if settled || elapsed >= secs {
            break;
        }
    }
    seen
}
