//! Releases that leave no old version beside them: failed requests after against before, and against other services.
//!
//! Holds, per service, its past in steps of ten seconds, and while a new version serves alone the watch of it. Promises:
//! bounded, in the checkpoint; steps with both versions are the canary test's business and count for neither. What it
//! does not do: judge slowness, or a service that was watched for less than ten minutes.

use std::collections::BTreeMap;

use contract::{Capsule, Evidence, Level, Rule, Timestamp, rounded};
use engine::record::{NANOS_PER_SEC, UnixNanos};
use models::sequential::{
    BeforeAfterParams, BeforeAfterPast, BeforeAfterReading, BeforeAfterWatch, Decision, PlaceboPool,
    StepCounts,
};
use serde::{Deserialize, Serialize};

use super::capsule::{pack, unpack};
use super::finding::{Finding, RuleName, Suspect};
use super::wording::probability;
use crate::features::{Arm, ServiceKey};

/// Length of a step.
pub(crate) const STEP: UnixNanos = 10 * NANOS_PER_SEC;
/// Peers looked at.
const PEERS_MAX: usize = 32;
/// A version that has served nothing for so many steps is not watched any more.
const SILENT_STEPS_MAX: u32 = 6;
/// The numbers of a row of the capsule.
pub(crate) const COLUMNS: [&str; 4] = ["at_nanos", "requests", "failed", "peers_ln_micros"];

/// Whether a step may be learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// It is an example of what is normal.
    Learn,
    /// Something is wrong.
    Discard,
}

/// A version that is watched.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Watched {
    suspect: Suspect,
    before: BeforeAfterWatch,
    watch: BeforeAfterWatch,
    /// Placebos known at the switch.
    pool: PlaceboPool,
    rows: Vec<[i64; COLUMNS.len()]>,
    reading: Option<BeforeAfterReading>,
    silent_steps: u32,
}

/// What one service's releases are judged by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct BeforeAfter {
    past: BeforeAfterPast,
    /// The open step: other versions, and the watched one.
    open: [StepCounts; 2],
    watched: Option<Watched>,
    /// The version seen last.
    newest: Option<Suspect>,
    silent_steps: u32,
}

impl Default for BeforeAfter {
    fn default() -> Self {
        let params = BeforeAfterParams::default().check().expect("the defaults are checked by a test");
        Self {
            past: BeforeAfterPast::new(&params),
            open: [StepCounts::default(); 2],
            watched: None,
            newest: None,
            silent_steps: 0,
        }
    }
}

impl BeforeAfter {
    /// This version is compared: from its first step alone it is watched. Gives the one that is not watched any more.
    pub(crate) fn start(&mut self, suspect: &Suspect, pool: &PlaceboPool) -> Option<Suspect> {
        if self.newest.as_ref() == Some(suspect) {
            return None;
        }
        self.newest = Some(suspect.clone());
        self.past.abandon_placebos();
        let before = self.watched.take();
        self.watched = self.past.switch().map(|watch| Watched {
            suspect: suspect.clone(),
            before: watch.clone(),
            watch,
            pool: pool.clone(),
            rows: Vec::new(),
            reading: None,
            silent_steps: 0,
        });
        before.filter(|watched| watched.reading.is_some()).map(|watched| watched.suspect)
    }

    /// Requests and failed ones of a version.
    pub(crate) fn on_requests(&mut self, arm: &Arm, (requests, failed): (u64, u64)) {
        let is_watched = self.watched.as_ref().is_some_and(|watched| watched.suspect.arm == *arm);
        let open = &mut self.open[usize::from(is_watched)];
        open.requests += requests;
        open.bad += failed;
    }

    /// How far the open step's rate is from the usual one.
    pub(crate) fn deviation(&self) -> Option<f64> {
        let [others, watched] = self.open;
        let all = StepCounts { requests: others.requests + watched.requests, bad: others.bad + watched.bad };
        self.past.deviation(all)
    }

    /// Ends the step; `peers` is the median of the other services' deviations. Gives the evidence of a placebo that is
    /// over, and the suspect whose watch ended.
    pub(crate) fn close(&mut self, at: UnixNanos, peers: f64, gate: Gate) -> (Option<f64>, Option<Suspect>) {
        let [others, alone] = std::mem::take(&mut self.open);
        self.silent_steps = if others.requests + alone.requests == 0 { self.silent_steps + 1 } else { 0 };
        // as the capsule tells it
        let peers_micros = (peers * 1e6).round();
        let Some(watched) = &mut self.watched else {
            let learned = || self.past.learn(others, peers_micros / 1e6);
            return ((gate == Gate::Learn).then(learned).flatten(), None);
        };
        watched.silent_steps = if alone.requests == 0 { watched.silent_steps + 1 } else { 0 };
        if alone.requests > 0 && others.requests == 0 {
            watched.take(at, alone, peers_micros);
        }
        let is_over = watched.watch.is_over() || watched.silent_steps >= SILENT_STEPS_MAX;
        (None, if is_over { self.watched.take().map(|watched| watched.suspect) } else { None })
    }

    /// Whether nothing was heard of the service for an hour.
    pub(crate) fn is_forgotten(&self) -> bool {
        self.silent_steps > 360
    }

    /// What it says about the watched version.
    pub(crate) fn finding(&self, service: &ServiceKey, at: UnixNanos) -> Option<Finding> {
        let watched = self.watched.as_ref()?;
        let reading = watched.reading?;
        let level = match reading.decision {
            Decision::Act => Level::Act,
            Decision::Pause(_) => Level::Alert,
            _ => return None,
        };
        let requests: i64 = watched.rows.iter().map(|row| row[1]).sum();
        Some(Finding {
            rule: RuleName::BeforeAfter,
            service: service.clone(),
            suspect: Some(watched.suspect.clone()),
            since: watched.suspect.first_at.min(at),
            at,
            level,
            failure_probability: probability(reading.ln_e),
            severity: ((reading.observed - reading.expected) * 5.0 / (requests as f64).max(1.0))
                .clamp(0.1, 1.0),
            impact: 1.0,
            maturity: if reading.pooled_placebo.is_some() { 1.0 } else { 0.5 },
            evidence: vec![evidence(&reading, requests as f64)],
            counter_evidence: Vec::new(),
            forecast: None,
        })
    }

    /// What its judgement of this suspect can be made again from.
    pub(crate) fn capsule(&self, suspect: &Suspect) -> Option<Capsule> {
        let watched = self.watched.as_ref().filter(|watched| watched.suspect == *suspect)?;
        let reading = watched.reading?;
        let rows_from = watched.rows.first()?[0];
        let relative = |row: &[i64; COLUMNS.len()]| {
            let [at, rest @ ..] = *row;
            std::iter::once(at - rows_from).chain(rest).collect()
        };
        Some(Capsule {
            rule: Rule {
                name: RuleName::BeforeAfter.as_str().to_owned(),
                version: RuleName::BeforeAfter.version(),
            },
            facts: facts(&reading),
            rows_from: Timestamp::from_unix_nanos(rows_from),
            columns: COLUMNS.iter().map(|&name| name.to_owned()).collect(),
            rows: watched.rows.iter().map(relative).collect(),
            n_rows_before: 0,
            state: pack(&state_of(&(&watched.before, &watched.pool))),
            state_digest: contract::bytes_digest(&state_of(&watched.watch)),
        })
    }
}

impl Watched {
    fn take(&mut self, at: UnixNanos, step: StepCounts, peers_micros: f64) {
        let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.rows.push([at, count(step.requests), count(step.bad), peers_micros as i64]);
        self.reading = Some(self.watch.observe(step, peers_micros / 1e6, &self.pool));
    }
}

/// Median of the other services' deviations in a step, for each service in turn.
pub(crate) fn peers_of(deviations: &[Option<f64>]) -> Vec<f64> {
    let known: Vec<(usize, f64)> = deviations
        .iter()
        .enumerate()
        .filter_map(|(nth, off)| Some((nth, (*off)?)))
        .take(PEERS_MAX + 1)
        .collect();
    let median = |own: usize| {
        let mut others: Vec<f64> = known.iter().filter(|(nth, _)| *nth != own).map(|(_, off)| *off).collect();
        others.sort_by(f64::total_cmp);
        let middle = others.len() / 2;
        match (others.get(middle), others.len() % 2) {
            (Some(value), 1) => *value,
            (Some(value), _) => 0.5 * (value + others[middle - 1]),
            (None, _) => 0.0,
        }
    };
    (0..deviations.len()).map(median).collect()
}

fn evidence(reading: &BeforeAfterReading, requests: f64) -> Evidence {
    let share = |n: f64| rounded(n / requests.max(1.0));
    Evidence {
        signal: "errors after the switch".to_owned(),
        unit: "1".to_owned(),
        expected: share(reading.expected),
        lower: 0.0,
        upper: rounded(share(reading.expected) + reading.smallest_visible_rate.unwrap_or(0.0)),
        observed: share(reading.observed),
        p_value: Some(rounded(reading.placebo_rank)),
        e_value: Some(libm::exp(reading.ln_e.clamp(-50.0, 50.0))),
        contribution: 1.0,
        text: format!(
            "{:.0} of {requests:.0} requests failed since the new version serves alone, the time before and the other \
             services lead to expect {:.1}; of pretended switches in quiet times {:.2} % gave as much",
            reading.observed,
            reading.expected,
            100.0 * reading.placebo_rank
        ),
        exemplar_trace_ids: Vec::new(),
        log_templates: Vec::new(),
    }
}

fn facts(reading: &BeforeAfterReading) -> BTreeMap<String, f64> {
    let optional = [
        ("own_placebo_max", reading.own_placebo_max),
        ("pooled_placebo", reading.pooled_placebo),
        ("smallest_visible_rate", reading.smallest_visible_rate),
    ];
    let mut facts: BTreeMap<String, f64> = [
        ("expected", reading.expected),
        ("ln_e", reading.ln_e),
        ("observed", reading.observed),
        ("placebo_rank", reading.placebo_rank),
    ]
    .map(|(name, value)| (name.to_owned(), rounded(value)))
    .into();
    facts.extend(optional.iter().filter_map(|(name, value)| Some(((*name).to_owned(), rounded((*value)?)))));
    facts
}

fn state_of(state: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(state).expect("plain values always serialise")
}

/// Runs the watch of a capsule again: what it says, and whether it ended in the very state that the event tells.
pub(super) fn rerun(capsule: &Capsule) -> Result<(BeforeAfterReading, bool), String> {
    if capsule.columns != COLUMNS {
        return Err(format!("the rows have the columns {:?}, known are {COLUMNS:?}", capsule.columns));
    }
    let (mut watch, pool): (BeforeAfterWatch, PlaceboPool) =
        postcard::from_bytes(&unpack(&capsule.state)?)
            .map_err(|e| format!("the state is of another layout than this program's: {e}"))?;
    for row in &capsule.rows {
        let [_, requests, bad, peers] = *row.as_slice() else {
            return Err(format!("a row has {} numbers", row.len()));
        };
        let step = StepCounts { requests: requests.unsigned_abs(), bad: bad.unsigned_abs() };
        watch.observe(step, peers as f64 / 1e6, &pool);
    }
    let is_same = contract::bytes_digest(&state_of(&watch)) == capsule.state_digest;
    Ok((watch.reading(&pool), is_same))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn suspect() -> Suspect {
        let arm =
            |version: &str| Arm { version: version.into(), template_hash: "".into(), revision: "".into() };
        Suspect { arm: arm("2"), stable: arm("1"), first_at: 0 }
    }

    fn step(state: &mut BeforeAfter, version: &str, (requests, errors): (u64, u64), at: i64) {
        let arm = Arm { version: Arc::from(version), template_hash: "".into(), revision: "".into() };
        state.on_requests(&arm, (requests, errors));
        state.close(at * STEP, 0.0, Gate::Learn);
    }

    /// Scenario: an hour of a version with 0.5 % errors, then another one at once with 5 %; and the same with 0.5 %.
    /// Guarantees: the first is paused (there are too few placebos to act), the second is not; what is said can be made
    /// again from its capsule, bit for bit; a restart changes nothing.
    #[test]
    fn a_switch_without_an_old_version_is_judged() {
        for (errors, is_found) in [(50, true), (5, false)] {
            let mut state = BeforeAfter::default();
            (0..400).for_each(|at| step(&mut state, "1", (1_000, 5 + at as u64 % 2), at));
            state.start(&suspect(), &PlaceboPool::default());
            for at in 400..430 {
                step(&mut state, "2", (1_000, errors), at);
                state = postcard::from_bytes(&state_of(&state)).unwrap();
            }
            let finding = state.finding(&ServiceKey::named("cart"), 430 * STEP);
            assert_eq!(finding.as_ref().map(|finding| finding.level), is_found.then_some(Level::Alert));
            let (_, is_same) = rerun(&state.capsule(&suspect()).unwrap()).unwrap();
            assert!(is_same);
        }
    }

    /// Scenario: both versions serve; then the new one falls silent for a minute. Guarantees: such steps are not counted,
    /// and the watch ends.
    #[test]
    fn steps_with_both_versions_do_not_count() {
        let mut state = BeforeAfter::default();
        (0..100).for_each(|at| step(&mut state, "1", (1_000, 5), at));
        state.start(&suspect(), &PlaceboPool::default());
        let arm = suspect().arm;
        for _ in 0..20 {
            state.on_requests(&arm, (100, 90));
            step(&mut state, "1", (900, 5), 101);
        }
        assert_eq!(state.finding(&ServiceKey::named("cart"), 0), None);
        assert!(state.watched.as_ref().is_some_and(|watched| watched.rows.is_empty()));
        (0..6).for_each(|at| step(&mut state, "1", (1_000, 5), 130 + at));
        assert!(state.watched.is_none());
    }

    /// Scenario: deviations of none, one and three services. Guarantees: each is held against the median of the others.
    #[test]
    fn peers_are_the_others() {
        assert_eq!(peers_of(&[None, Some(1.0)]), [1.0, 0.0]);
        assert_eq!(peers_of(&[Some(1.0), Some(2.0), Some(4.0)]), [3.0, 2.5, 1.5]);
    }
}
