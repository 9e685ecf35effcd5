//! One service's comparison of a new arm with the stable one: who is who, since when, and what the tests say.
//!
//! The first arm that serves is stable. A new arm is compared with it until it is gone (rolled back), until it has
//! served alone for long enough (promoted), or until a still newer arm takes its place.

use engine::record::{NANOS_PER_SEC, UnixNanos};
use models::sequential::{CanaryTest, CanaryValidParams, Mode, OwnTime, PodCounts, PodIdx, Reading, Tick};
use serde::{Deserialize, Serialize};

use super::capsule::Tape;
use super::cells::{Cadence, PodTally, ServiceTick};
use super::finding::Suspect;
use super::over::Over;
use super::roster::{PodRecord, Roster};
use super::warmup::Warmup;
use super::yardstick::{Limits, Yardstick};
use crate::features::Arm;

/// A service must have been watched for so long before its first arm counts as stable.
const LEARNING: UnixNanos = 15 * NANOS_PER_SEC;
/// An arm without requests for so long (or three exports) does not serve any more.
const GONE: UnixNanos = 15 * NANOS_PER_SEC;
/// A pod that served a request within so long is serving.
const SERVING: UnixNanos = 5 * NANOS_PER_SEC;
/// A new arm that served alone for so long is the stable one.
const PROMOTED: UnixNanos = 60 * NANOS_PER_SEC;
/// The new arm must tell at least this share of the calls per request that the stable one tells, over so many requests.
const CALLS_ALIKE: f64 = 0.8;
const CALLS_REQUESTS_MIN: u64 = 20;
/// Age of pods whose start was not seen.
const OLD_SECS: f64 = 1e6;
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
    /// A comparison is over, and why.
    Ended(Suspect, Over),
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
    /// Calls that requests led to, in the control and in the new arm.
    calls: [Calls; 2],
    /// Since when the service is watched.
    watched_since: UnixNanos,
    /// How its pods warm up.
    warmup: Warmup,
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
            calls: [Calls::default(); 2],
            watched_since: at,
            warmup: Warmup::default(),
            heir: None,
        }
    }

    /// The same service at another cadence: counts cannot be carried over, who is who and how pods warm up can.
    pub(crate) fn at_cadence(&self, params: &CanaryValidParams, cadence: Cadence, at: UnixNanos) -> Self {
        let (phase, warmup, watched_since) = (self.phase.clone(), self.warmup.clone(), self.watched_since);
        Self { phase, warmup, watched_since, ..Self::new(params, cadence, at) }
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
            Phase::Learning(since) => self.learn(roster, (since, now), fresh),
            Phase::Stable(stable) => self.look_for_newcomer(roster, stable, now),
            Phase::Comparing(suspect) => self.look_for_end(roster, suspect, (now, is_suspected), fresh),
        }
    }

    fn learn(
        &mut self,
        roster: &Roster,
        (since, now): (UnixNanos, UnixNanos),
        fresh: impl Fn() -> CanaryTest,
    ) -> Vec<Turn> {
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
        arms.retain(|(serving, ..)| *serving > 0);
        // what was counted of several arms is nobody's past
        if arms.len() > 1 {
            self.test = fresh();
        }
        if let Some((_, _, arm)) = arms.into_iter().max() {
            self.phase = Phase::Stable(arm.clone());
        }
        Vec::new()
    }

    fn look_for_newcomer(&mut self, roster: &Roster, stable: Arm, now: UnixNanos) -> Vec<Turn> {
        let Some((arm, first_at)) = newcomer(roster, &stable, now) else { return Vec::new() };
        let suspect = Suspect { arm, stable, first_at };
        // pods that joined a stable version meanwhile showed how they warm up
        self.warmup.keep();
        self.compare(&suspect);
        vec![Turn::Started(suspect)]
    }

    /// Starts to compare: the test knows the control's past and how young pods behave, and nothing of the suspect.
    fn compare(&mut self, suspect: &Suspect) {
        self.test = self.test.clone().released(suspect.first_at).with_curve(self.warmup.curve());
        self.calls = [Calls::default(); 2];
        self.reading = None;
        self.peak_ln_e = f64::NEG_INFINITY;
        self.control_since_canary = 0;
        self.warmup.begin();
        self.heir = None;
        self.phase = Phase::Comparing(suspect.clone());
    }

    /// The new arm becomes the stable one, with what was learned of it.
    fn promote(&mut self, is_suspected: bool, fresh: impl Fn() -> CanaryTest) {
        if !is_suspected && self.peak_ln_e < LN_DOUBTFUL {
            self.warmup.keep();
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
            self.warmup.begin();
            self.phase = Phase::Stable(suspect.stable.clone());
            let [new, stable] = suspect.names();
            return vec![Turn::Ended(suspect, Over::Gone { new, stable })];
        }
        // what is suspected is not promoted by surviving: it stays suspected until it is gone
        let alone_since = served(&suspect.stable).max(suspect.first_at);
        if !is_suspected && serves(&suspect.arm) && alone_since.saturating_add(PROMOTED) < now {
            self.promote(is_suspected, fresh);
            self.phase = Phase::Stable(suspect.arm.clone());
            let [new, _] = suspect.names();
            let over = Over::ServedAlone { new, secs: PROMOTED / NANOS_PER_SEC };
            return vec![Turn::Ended(suspect, over)];
        }
        let newcomer = newcomer(roster, &suspect.stable, now);
        let Some((arm, first_at)) =
            newcomer.filter(|(arm, at)| *arm != suspect.arm && *at > suspect.first_at)
        else {
            return Vec::new();
        };
        let over = Over::Followed { old: suspect.arm.name().to_owned(), by: arm.name().to_owned() };
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
        vec![Turn::Ended(suspect, over), Turn::Started(next)]
    }

    /// A pod's age at `at`; what was there when we first looked is old.
    fn age_secs(&self, pod: &PodRecord, at: UnixNanos) -> f64 {
        if pod.first_at < self.watched_since + LEARNING {
            return OLD_SECS;
        }
        (at - pod.first_at).max(0) as f64 / NANOS_PER_SEC as f64
    }

    /// Feeds a tick to the test, and learns from it afterwards.
    pub(crate) fn on_tick(&mut self, tick: &ServiceTick, roster: &Roster, yardstick: &Yardstick) {
        self.last_tick_at = tick.end_at;
        let span_secs = tick.span as f64 / NANOS_PER_SEC as f64;
        let limits = yardstick.limits();
        let present = |pod| {
            Some(Present { pod, tally: tick.pods.get(&pod.idx)?, age_secs: self.age_secs(pod, tick.end_at) })
        };
        let mut pods: Vec<Present<'_>> =
            roster.iter().filter(|pod| self.knows(&pod.arm)).filter_map(present).collect();
        pods.sort_by_key(|present| present.pod.idx);
        let suspect = self.suspect().cloned();
        let (mut control, mut canary) = (Vec::new(), Vec::new());
        for present in &pods {
            let Present { pod, tally, age_secs } = *present;
            match &suspect {
                Some(suspect) if pod.arm == suspect.arm => {
                    self.calls[1].add(tally);
                    canary.push(present.counts(&self.warmup.excused(limits, age_secs, span_secs)));
                }
                _ => {
                    self.calls[0].add(tally);
                    control.push(present.counts(&self.warmup.expected(limits, age_secs, span_secs)));
                }
            }
        }
        let counted = Tick { at: tick.end_at, span_secs, control: &control, canary: &canary };
        if suspect.is_none() {
            self.test.history(&counted);
        } else {
            let is_told = limits.own.is_some();
            self.test.judge_own_time(if is_told { own_time_of(self.calls) } else { OwnTime::Untold });
            self.judge(&counted);
            if control.iter().all(|counts| counts.requests == 0) && !canary.is_empty() {
                let young = pods.iter().filter(|present| self.is_suspected(&present.pod.arm));
                self.raise_heir(&counted, &young.copied().collect::<Vec<_>>(), limits);
            }
        }
        let aged: Vec<_> = pods.iter().map(|present| (present.age_secs, present.tally)).collect();
        self.warmup.learn(span_secs, &aged);
    }

    fn judge(&mut self, tick: &Tick<'_>) {
        self.count_silence(tick.control, tick.canary);
        self.tape.note(&self.test, tick);
        let reading = self.test.observe(tick);
        self.peak_ln_e = self.peak_ln_e.max(reading.ln_e);
        self.reading = Some(reading);
    }

    /// Whether the arm has a part in this. One that serves and is not compared yet may be anything: it is no example of how pods warm
    /// up, and would pass for how the yardstick varies.
    fn knows(&self, arm: &Arm) -> bool {
        self.is_suspected(arm) || self.control_arm().is_none_or(|control| control == arm)
    }

    fn is_suspected(&self, arm: &Arm) -> bool {
        self.suspect().is_some_and(|suspect| suspect.arm == *arm)
    }

    /// The new arm serves alone: it is the control of the next comparison.
    fn raise_heir(&mut self, tick: &Tick<'_>, pods: &[Present<'_>], limits: &Limits) {
        let warmup = self.warmup.provisional();
        let counts: Vec<PodCounts> = pods
            .iter()
            .map(|present| present.counts(&warmup.expected(limits, present.age_secs, tick.span_secs)))
            .collect();
        let heir = self.heir.get_or_insert_with(|| Box::new(self.test.anew(tick.at)));
        heir.history(&Tick { control: &counts, canary: &[], ..*tick });
    }

    fn count_silence(&mut self, control: &[PodCounts], canary: &[PodCounts]) {
        if canary.iter().any(|counts| counts.requests > 0) {
            self.control_since_canary = 0;
        } else {
            self.control_since_canary += control.iter().map(|counts| counts.requests).sum::<u64>();
        }
    }
}

/// A pod in a tick.
#[derive(Debug, Clone, Copy)]
struct Present<'a> {
    pod: &'a PodRecord,
    tally: &'a PodTally,
    age_secs: f64,
}

impl Present<'_> {
    fn counts(&self, limits: &Limits) -> PodCounts {
        let (pod, age_secs) = (PodIdx(self.pod.idx), self.age_secs);
        let (bad, own) = (self.tally.bad(limits), self.tally.own_times(limits));
        PodCounts { pod, requests: self.tally.requests, bad, own, age_secs }
    }
}

/// Requests of an arm whose spans tell their own time, and the calls that those led to.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Calls {
    requests: u64,
    calls: u64,
}

impl Calls {
    fn add(&mut self, tally: &PodTally) {
        self.requests += tally.own.count();
        self.calls += tally.calls;
    }

    fn per_request(self) -> f64 {
        self.calls as f64 / self.requests.max(1) as f64
    }
}

/// A version that tells fewer of its calls than the stable one seems to take longer itself, and need not.
fn own_time_of([control, canary]: [Calls; 2]) -> OwnTime {
    let is_alike = canary.per_request() >= CALLS_ALIKE * control.per_request();
    if canary.requests >= CALLS_REQUESTS_MIN && is_alike { OwnTime::Comparable } else { OwnTime::Untold }
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

#[cfg(test)]
#[path = "contest_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "contest_example_tests.rs"]
mod example_tests;
