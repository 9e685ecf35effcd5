//! One service's comparison of a new arm with the stable one: who is who, since when, and what the tests say.
//!
//! The first arm that serves is stable. A new arm is compared with it until it is gone (rolled back), until it has
//! served alone for long enough (promoted), or until a still newer arm takes its place.

use engine::record::{NANOS_PER_SEC, UnixNanos};
use models::sequential::{
    CanaryTest, CanaryValidParams, Mode, PodCounts, PodIdx, Reading, Tick, WarmupHistory, WarmupRecord,
};
use serde::{Deserialize, Serialize};

use super::capsule::Tape;
use super::cells::{Cadence, ServiceTick};
use super::finding::Suspect;
use super::roster::Roster;
use super::yardstick::Yardstick;
use crate::features::Arm;

/// A service must have been watched for so long before its first arm counts as stable.
const LEARNING: UnixNanos = 15 * NANOS_PER_SEC;
/// An arm without requests for so long (or three exports) does not serve any more.
const GONE: UnixNanos = 15 * NANOS_PER_SEC;
/// A pod that served a request within so long is serving.
const SERVING: UnixNanos = 5 * NANOS_PER_SEC;
/// A new arm that served alone for so long is the stable one.
const PROMOTED: UnixNanos = 60 * NANOS_PER_SEC;
/// `ln 20`: a deploy with as much evidence against it teaches nothing about warm-up.
const LN_DOUBTFUL: f64 = 3.0;

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
    /// What young pods of good deploys showed.
    warmup: WarmupHistory,
    /// The same of the present deploy, which is not known to be good yet.
    deploy: WarmupRecord,
    /// While comparing: the test for the time when the new arm is the stable one; it learns while that arm serves alone.
    heir: Option<Box<CanaryTest>>,
}

impl Contest {
    pub(crate) fn new(params: &CanaryValidParams, cadence: Cadence, at: UnixNanos) -> Self {
        Self {
            phase: Phase::Learning(at),
            test: fresh_test(params, cadence, at),
            reading: None,
            peak_ln_e: f64::NEG_INFINITY,
            control_since_canary: 0,
            last_tick_at: at,
            tape: Tape::default(),
            warmup: WarmupHistory::default(),
            deploy: WarmupRecord::default(),
            heir: None,
        }
    }

    /// The same service at another cadence: counts cannot be carried over, who is who and how pods warm up can.
    pub(crate) fn at_cadence(&self, params: &CanaryValidParams, cadence: Cadence, at: UnixNanos) -> Self {
        let (phase, warmup) = (self.phase.clone(), self.warmup.clone());
        Self { phase, warmup, ..Self::new(params, cadence, at) }
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
        fresh: impl Fn() -> CanaryTest,
    ) -> Vec<Turn> {
        match self.phase.clone() {
            Phase::Learning(since) => self.learn(roster, since, now),
            Phase::Stable(stable) => self.look_for_newcomer(roster, stable, now),
            Phase::Comparing(suspect) => self.look_for_end(roster, suspect, (now, is_suspected), fresh),
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
        self.compare(&suspect);
        vec![Turn::Started(suspect)]
    }

    /// Starts to compare: the test knows the control's past and how young pods behave, and nothing of the suspect.
    fn compare(&mut self, suspect: &Suspect) {
        self.test = self.test.clone().released(suspect.first_at).with_curve(self.warmup.curve());
        self.reading = None;
        self.peak_ln_e = f64::NEG_INFINITY;
        self.control_since_canary = 0;
        self.deploy = WarmupRecord::default();
        self.heir = None;
        self.phase = Phase::Comparing(suspect.clone());
    }

    /// The new arm becomes the stable one, with what was learned of it.
    fn promote(&mut self, is_suspected: bool, fresh: impl Fn() -> CanaryTest) {
        let deploy = std::mem::take(&mut self.deploy);
        if !is_suspected && self.peak_ln_e < LN_DOUBTFUL {
            self.warmup.keep(deploy);
        }
        self.test = self.heir.take().map_or_else(fresh, |heir| *heir);
    }

    fn look_for_end(
        &mut self,
        roster: &Roster,
        suspect: Suspect,
        (now, is_suspected): (UnixNanos, bool),
        fresh: impl Fn() -> CanaryTest,
    ) -> Vec<Turn> {
        let served = |arm: &Arm| roster.last_request_of(arm).unwrap_or(UnixNanos::MIN);
        let serves = |arm: &Arm| roster.of_arm(arm).any(|pod| pod.served_lately(GONE, now));
        if !roster.is_alive(&suspect.arm, now) && serves(&suspect.stable) {
            self.heir = None;
            self.phase = Phase::Stable(suspect.stable.clone());
            let reason = format!("{} is gone and {} serves", suspect.arm.name(), suspect.stable.name());
            return vec![Turn::Ended(suspect, reason)];
        }
        // what is suspected is not promoted by surviving: it stays suspected until it is gone
        let alone_since = served(&suspect.stable).max(suspect.first_at);
        if !is_suspected && serves(&suspect.arm) && alone_since.saturating_add(PROMOTED) < now {
            self.promote(is_suspected, fresh);
            self.phase = Phase::Stable(suspect.arm.clone());
            let reason =
                format!("{} has served alone for {} s", suspect.arm.name(), PROMOTED / NANOS_PER_SEC);
            return vec![Turn::Ended(suspect, reason)];
        }
        let newcomer = newcomer(roster, &suspect.stable, now);
        let Some((arm, first_at)) =
            newcomer.filter(|(arm, at)| *arm != suspect.arm && *at > suspect.first_at)
        else {
            return Vec::new();
        };
        let reason = format!("{} was followed by {}", suspect.arm.name(), arm.name());
        // a newer arm is compared with whoever serves now
        let serving = |arm: &Arm| roster.of_arm(arm).filter(|pod| pod.served_lately(SERVING, now)).count();
        let stable = if serving(&suspect.arm) > serving(&suspect.stable) {
            self.promote(is_suspected, fresh);
            suspect.arm.clone()
        } else {
            suspect.stable.clone()
        };
        let next = Suspect { arm, stable, first_at };
        self.compare(&next);
        vec![Turn::Ended(suspect, reason), Turn::Started(next)]
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
            self.learn_from(&tick);
        } else {
            self.test.history(&tick);
        }
    }

    /// Beside the control the new arm shows how its pods warm up; alone it is the control of the next comparison.
    fn learn_from(&mut self, tick: &Tick<'_>) {
        let requests = |pods: &[PodCounts]| pods.iter().map(|pod| pod.requests).sum::<u64>();
        if requests(tick.control) > 0 {
            self.deploy.add(tick);
        } else if requests(tick.canary) > 0 {
            let heir = self.heir.get_or_insert_with(|| Box::new(self.test.anew(tick.at)));
            heir.history(&Tick { control: tick.canary, canary: &[], ..*tick });
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

/// A test without history.
pub(crate) fn fresh_test(params: &CanaryValidParams, cadence: Cadence, at: UnixNanos) -> CanaryTest {
    let mode = match cadence {
        Cadence::Seconds => Mode::Events,
        Cadence::Exports(length) => {
            Mode::Metrics { export_interval_secs: length as f64 / NANOS_PER_SEC as f64 }
        }
    };
    CanaryTest::new(params, mode, at)
}

fn arms_of(roster: &Roster) -> Vec<&Arm> {
    let mut arms: Vec<&Arm> = roster.iter().map(|pod| &pod.arm).collect();
    arms.sort();
    arms.dedup();
    arms
}

/// The newest arm that is alive and not the stable one.
fn newcomer(roster: &Roster, stable: &Arm, now: UnixNanos) -> Option<(Arm, UnixNanos)> {
    let arms = arms_of(roster).into_iter().filter(|arm| *arm != stable && roster.is_alive(arm, now));
    arms.filter_map(|arm| roster.first_of(arm).map(|at| (at, arm.clone()))).max().map(|(at, arm)| (arm, at))
}
