//! One service's comparison of a new arm with the stable one: who is who, since when, and what the tests say.
//!
//! The first arm that serves is stable. A new arm is compared with it until it is gone (rolled back), until it has
//! served alone for long enough (promoted), or until a still newer arm takes its place.

use engine::record::{NANOS_PER_SEC, UnixNanos};
use models::sequential::{CanaryTest, CanaryValidParams, Mode, PodCounts, PodIdx, Reading, Tick};
use serde::{Deserialize, Serialize};

use super::capsule::Tape;
use super::cells::{Cadence, ServiceTick};
use super::finding::Suspect;
use super::roster::{PodRecord, Roster};
use super::yardstick::Yardstick;
use crate::features::Arm;

/// A service must have been watched for so long before its first arm counts as stable.
const LEARNING: UnixNanos = 15 * NANOS_PER_SEC;
/// An arm without requests for so long is gone.
const GONE: UnixNanos = 15 * NANOS_PER_SEC;
/// A pod that served a request within so long is serving.
const SERVING: UnixNanos = 5 * NANOS_PER_SEC;
/// A new arm that served alone for so long is the stable one.
const PROMOTED: UnixNanos = 60 * NANOS_PER_SEC;

/// Where a service stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Phase {
    /// Watched since; no arm is stable yet.
    Learning(UnixNanos),
    /// One arm.
    Stable(Arm),
    /// Two arms.
    Comparing(Suspect),
}

/// What a change of phase means to those on the right.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Turn {
    /// A comparison starts.
    Started(Suspect),
    /// A comparison is over; why, in words.
    Ended(Suspect, String),
}

/// The comparison of one service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Contest {
    pub(crate) phase: Phase,
    pub(crate) test: CanaryTest,
    pub(crate) reading: Option<Reading>,
    /// The largest evidence so far in this comparison: the bound on false stops holds for it, not for the last value.
    pub(crate) peak_ln_e: f64,
    /// Control requests since the canary's last request, and control requests in all while comparing.
    pub(crate) control_since_canary: u64,
    /// End of the last tick seen.
    pub(crate) last_tick_at: UnixNanos,
    /// What went into the test last.
    pub(crate) tape: Tape,
}

impl Contest {
    pub(crate) fn new(params: &CanaryValidParams, cadence: Cadence, at: UnixNanos) -> Self {
        Self {
            phase: Phase::Learning(at),
            test: CanaryTest::new(params, mode_of(cadence), at),
            reading: None,
            peak_ln_e: f64::NEG_INFINITY,
            control_since_canary: 0,
            last_tick_at: at,
            tape: Tape::default(),
        }
    }

    /// The suspect, while there is one.
    pub(crate) fn suspect(&self) -> Option<&Suspect> {
        match &self.phase {
            Phase::Comparing(suspect) => Some(suspect),
            _ => None,
        }
    }

    /// The arm that serves as yardstick.
    pub(crate) fn control_arm(&self) -> Option<&Arm> {
        match &self.phase {
            Phase::Learning(_) => None,
            Phase::Stable(arm) => Some(arm),
            Phase::Comparing(suspect) => Some(&suspect.stable),
        }
    }

    /// Looks at who is there.
    pub(crate) fn on_roster(
        &mut self,
        roster: &Roster,
        (now, is_suspected): (UnixNanos, bool),
        fresh: impl Fn() -> Fresh,
    ) -> Vec<Turn> {
        match self.phase.clone() {
            Phase::Learning(since) => self.learn(roster, since, now),
            Phase::Stable(stable) => self.look_for_newcomer(roster, stable, now),
            Phase::Comparing(suspect) => {
                // what is suspected is not promoted by surviving: it stays suspected until it is gone
                let promoted_after = if is_suspected { UnixNanos::MAX } else { PROMOTED };
                self.look_for_end(roster, suspect, (now, promoted_after), fresh)
            }
        }
    }

    fn learn(&mut self, roster: &Roster, since: UnixNanos, now: UnixNanos) -> Vec<Turn> {
        if now < since + LEARNING {
            return Vec::new();
        }
        // the arm with the most pods that serve; of two equals the one seen first
        let mut arms: Vec<(usize, std::cmp::Reverse<UnixNanos>, &Arm)> = Vec::new();
        for arm in arms_of(roster) {
            let serving = roster.of_arm(arm).filter(|pod| pod.last_request_at.is_some()).count();
            let first = roster.first_of(arm).unwrap_or(now);
            arms.push((serving, std::cmp::Reverse(first), arm));
        }
        if let Some((_, _, arm)) = arms.into_iter().filter(|(serving, ..)| *serving > 0).max() {
            self.phase = Phase::Stable(arm.clone());
        }
        Vec::new()
    }

    fn look_for_newcomer(&mut self, roster: &Roster, stable: Arm, now: UnixNanos) -> Vec<Turn> {
        let Some((arm, first_at)) = newcomer(roster, &stable, now) else { return Vec::new() };
        let suspect = Suspect { arm, stable, first_at };
        self.test = self.test.clone().released(first_at);
        self.reading = None;
        self.peak_ln_e = f64::NEG_INFINITY;
        self.control_since_canary = 0;
        self.phase = Phase::Comparing(suspect.clone());
        vec![Turn::Started(suspect)]
    }

    fn look_for_end(
        &mut self,
        roster: &Roster,
        suspect: Suspect,
        (now, promoted_after): (UnixNanos, UnixNanos),
        fresh: impl Fn() -> Fresh,
    ) -> Vec<Turn> {
        let last_of = |arm: &Arm| roster.of_arm(arm).map(|pod| pod.last_at).max().unwrap_or(UnixNanos::MIN);
        let served = |arm: &Arm| roster.last_request_of(arm).unwrap_or(UnixNanos::MIN);
        let canary_gone = last_of(&suspect.arm).saturating_add(GONE) < now;
        let stable_serves = served(&suspect.stable).saturating_add(GONE) >= now;
        if canary_gone && stable_serves {
            self.phase = Phase::Stable(suspect.stable.clone());
            let reason = format!("{} is gone and {} serves", suspect.arm.name(), suspect.stable.name());
            return vec![Turn::Ended(suspect, reason)];
        }
        let alone_since = served(&suspect.stable).max(suspect.first_at);
        let canary_serves = served(&suspect.arm).saturating_add(GONE) >= now;
        if canary_serves && alone_since.saturating_add(promoted_after) < now {
            self.phase = Phase::Stable(suspect.arm.clone());
            let Fresh { params, cadence } = fresh();
            self.test = CanaryTest::new(&params, mode_of(cadence), now);
            let reason =
                format!("{} has served alone for {} s", suspect.arm.name(), PROMOTED / NANOS_PER_SEC);
            return vec![Turn::Ended(suspect, reason)];
        }
        match newcomer(roster, &suspect.stable, now)
            .filter(|(arm, at)| *arm != suspect.arm && *at > suspect.first_at)
        {
            Some((arm, first_at)) => {
                let reason = format!("{} was followed by {}", suspect.arm.name(), arm.name());
                // a newer arm is compared with whoever serves now
                let serving = |arm: &Arm| {
                    let lately = |pod: &&PodRecord| {
                        pod.last_request_at.is_some_and(|at| at.saturating_add(SERVING) >= now)
                    };
                    roster.of_arm(arm).filter(lately).count()
                };
                let promoted = serving(&suspect.arm) > serving(&suspect.stable);
                let stable = if promoted { suspect.arm.clone() } else { suspect.stable.clone() };
                let next = Suspect { arm, stable, first_at };
                let Fresh { params, cadence } = fresh();
                self.test = CanaryTest::new(&params, mode_of(cadence), first_at);
                self.reading = None;
                self.peak_ln_e = f64::NEG_INFINITY;
                self.control_since_canary = 0;
                self.phase = Phase::Comparing(next.clone());
                vec![Turn::Ended(suspect, reason), Turn::Started(next)]
            }
            None => Vec::new(),
        }
    }

    /// Feeds a tick to the test.
    pub(crate) fn on_tick(&mut self, tick: &ServiceTick, roster: &Roster, yardstick: &Yardstick) {
        self.last_tick_at = tick.end_at;
        let thresholds = yardstick.thresholds();
        let (mut control, mut canary) = (Vec::new(), Vec::new());
        let suspect = self.suspect().cloned();
        for pod in roster.iter() {
            let Some(tally) = tick.pods.get(&pod.idx) else { continue };
            let age_secs = (tick.end_at - pod.first_at).max(0) as f64 / NANOS_PER_SEC as f64;
            let counts = PodCounts {
                pod: PodIdx(pod.idx),
                requests: tally.requests,
                bad: tally.bad(thresholds),
                age_secs,
            };
            match &suspect {
                Some(suspect) if pod.arm == suspect.arm => canary.push(counts),
                Some(suspect) if pod.arm == suspect.stable => control.push(counts),
                Some(_) => {}
                None => control.push(counts),
            }
        }
        control.sort_by_key(|counts| counts.pod);
        canary.sort_by_key(|counts| counts.pod);
        let span_secs = tick.span as f64 / NANOS_PER_SEC as f64;
        let tick = Tick { at: tick.end_at, span_secs, control: &control, canary: &canary };
        if suspect.is_some() {
            self.count_silence(&control, &canary);
            self.tape.note(&self.test, &tick);
            let reading = self.test.observe(&tick);
            self.peak_ln_e = self.peak_ln_e.max(reading.ln_e);
            self.reading = Some(reading);
        } else {
            self.test.history(&tick);
        }
    }

    fn count_silence(&mut self, control: &[PodCounts], canary: &[PodCounts]) {
        if canary.iter().any(|counts| counts.requests > 0) {
            self.control_since_canary = 0;
        } else {
            self.control_since_canary += control.iter().map(|counts| counts.requests).sum::<u64>();
        }
    }
}

/// What a fresh test is made of.
pub(crate) struct Fresh {
    pub(crate) params: CanaryValidParams,
    pub(crate) cadence: Cadence,
}

fn mode_of(cadence: Cadence) -> Mode {
    match cadence {
        Cadence::Seconds => Mode::Events,
        Cadence::Exports(length) => {
            Mode::Metrics { export_interval_secs: length as f64 / NANOS_PER_SEC as f64 }
        }
    }
}

fn arms_of(roster: &Roster) -> Vec<&Arm> {
    let mut arms: Vec<&Arm> = roster.iter().map(|pod| &pod.arm).collect();
    arms.sort();
    arms.dedup();
    arms
}

/// The newest arm that is alive and not the stable one.
fn newcomer(roster: &Roster, stable: &Arm, now: UnixNanos) -> Option<(Arm, UnixNanos)> {
    let alive = |arm: &&Arm| roster.of_arm(arm).any(|pod| pod.last_at.saturating_add(2 * GONE) >= now);
    let arms = arms_of(roster).into_iter().filter(|arm| *arm != stable).filter(alive);
    arms.filter_map(|arm| roster.first_of(arm).map(|at| (at, arm.clone()))).max().map(|(at, arm)| (arm, at))
}
