//! The capsule of a comparison: the last ticks that went into the canary test, its state before them, and the numbers
//! that its answer was weighed with; and the way back from there to the test's reading.
//!
//! Promises: bounded, in the checkpoint, a function of the ticks alone. What it does not do: hold rows of rules without
//! a state; their numbers stand among the facts.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract::{Capsule, Rule, Timestamp, rounded};
use engine::record::{NANOS_PER_SEC, UnixNanos};
use models::sequential::{CanaryParams, CanaryTest, Decision, N_COUNTED, OwnTimes, PodCounts, PodIdx, Tick};
use serde::{Deserialize, Serialize};

use super::before_after;
use super::finding::RuleName;
use super::wording::Judged;

/// After so many ticks a new stretch begins; the last two stretches are kept.
const TICKS_MAX: usize = 15;
/// And after so many rows, however few ticks they are.
const ROWS_MAX: usize = 500;
/// Bound of an unpacked state that is read back.
const STATE_BYTES_MAX: u64 = 4 << 20;

/// Stands in place of a pod where there is none.
const NO_POD: i64 = -1;

/// The numbers of a row, in this order.
const COLUMNS: [&str; 16] = [
    "at_nanos",
    "span_nanos",
    "is_canary",
    "pod",
    "age_nanos",
    "requests",
    "errors",
    "slower_than_p50",
    "slower_than_p90",
    "slower_than_p99",
    "own_slower_than_p90",
    "own_requests",
    "own_ln_us_micros",
    "own_ln_us_squares_micros",
    "own_excused_ln_micros",
    "own_unsure_ln_micros",
];

/// Ticks in order, and the test as it was before the first of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Stretch {
    before: CanaryTest,
    rows: Vec<[i64; COLUMNS.len()]>,
    n_ticks: usize,
}

/// The last ticks of a comparison.
///
/// # Invariants
/// At most two stretches, the later one going on where the earlier one ends.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Tape {
    earlier: Option<Stretch>,
    later: Option<Stretch>,
    n_rows_before: u64,
}

fn nanos(secs: f64) -> i64 {
    (secs * NANOS_PER_SEC as f64).round() as i64
}

fn secs(nanos: i64) -> f64 {
    nanos as f64 / NANOS_PER_SEC as f64
}

fn row_of(tick: &Tick<'_>, is_canary: bool, counts: &PodCounts) -> [i64; COLUMNS.len()] {
    let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    let mut row = empty_row(tick);
    row[2] = i64::from(is_canary);
    row[3] = i64::from(counts.pod.0);
    row[4] = nanos(counts.age_secs);
    row[5] = count(counts.requests);
    row[6..11].copy_from_slice(&counts.bad.map(count));
    let OwnTimes { requests, ln_micros, ln_squares_micros, excused_ln_micros, unsure_ln_micros } = counts.own;
    let own = [count(requests), ln_micros, ln_squares_micros, excused_ln_micros, unsure_ln_micros];
    row[11..].copy_from_slice(&own);
    row
}

/// The row of a tick in which nobody served: the test counts it.
fn empty_row(tick: &Tick<'_>) -> [i64; COLUMNS.len()] {
    let mut row = [0; COLUMNS.len()];
    row[..4].copy_from_slice(&[tick.at, nanos(tick.span_secs), 0, NO_POD]);
    row
}

impl Tape {
    /// Notes a tick, before the test sees it.
    pub(crate) fn note(&mut self, test: &CanaryTest, tick: &Tick<'_>) {
        let is_full = |stretch: &Stretch| stretch.n_ticks >= TICKS_MAX || stretch.rows.len() >= ROWS_MAX;
        if self.later.as_ref().is_none_or(is_full) {
            let forgotten = std::mem::replace(&mut self.earlier, self.later.take());
            self.n_rows_before += forgotten.map_or(0, |stretch| stretch.rows.len() as u64);
        }
        let fresh = || Stretch { before: test.clone(), rows: Vec::new(), n_ticks: 0 };
        let stretch = self.later.get_or_insert_with(fresh);
        stretch.n_ticks += 1;
        if tick.control.is_empty() && tick.canary.is_empty() {
            stretch.rows.push(empty_row(tick));
        }
        stretch.rows.extend(tick.control.iter().map(|counts| row_of(tick, false, counts)));
        stretch.rows.extend(tick.canary.iter().map(|counts| row_of(tick, true, counts)));
    }

    /// What goes into the event, `test` being the test after the last tick.
    pub(crate) fn capsule(&self, test: &CanaryTest, judged: &Judged, params: &CanaryParams) -> Capsule {
        let stretches: Vec<&Stretch> = self.earlier.iter().chain(&self.later).collect();
        let rows_from = stretches.iter().flat_map(|s| &s.rows).map(|row| row[0]).min().unwrap_or(0);
        let relative = |row: &[i64; COLUMNS.len()]| {
            let [at, rest @ ..] = row;
            std::iter::once(at - rows_from).chain(rest.iter().copied()).collect()
        };
        let rule = RuleName::CanaryTest;
        Capsule {
            rule: Rule { name: rule.as_str().to_owned(), version: rule.version() },
            facts: facts(params, judged),
            rows_from: Timestamp::from_unix_nanos(rows_from),
            columns: COLUMNS.iter().map(|&name| name.to_owned()).collect(),
            rows: stretches.iter().flat_map(|s| &s.rows).map(relative).collect(),
            n_rows_before: self.n_rows_before,
            state: stretches.first().map_or_else(String::new, |s| pack(&state_of(&s.before))),
            state_digest: contract::bytes_digest(&state_of(test)),
        }
    }
}

fn state_of(test: &CanaryTest) -> Vec<u8> {
    postcard::to_stdvec(test).expect("plain values always serialise")
}

pub(super) fn pack(state: &[u8]) -> String {
    STANDARD.encode(zstd::encode_all(state, 3).expect("memory takes every byte"))
}

pub(super) fn unpack(text: &str) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    let packed = STANDARD.decode(text).map_err(|e| format!("the state is not base64: {e}"))?;
    let mut state = Vec::new();
    let mut unpacked = zstd::Decoder::new(&*packed).map_err(|e| e.to_string())?.take(STATE_BYTES_MAX + 1);
    unpacked.read_to_end(&mut state).map_err(|e| format!("the state cannot be unpacked: {e}"))?;
    if state.len() as u64 > STATE_BYTES_MAX {
        return Err(format!("the state holds more than {STATE_BYTES_MAX} bytes"));
    }
    Ok(state)
}

fn facts(params: &CanaryParams, judged: &Judged) -> BTreeMap<String, f64> {
    let silence = &judged.silence;
    let mut facts = vec![
        ("alpha_act", params.alpha_act),
        ("alpha_pause", params.alpha_pause),
        ("canary_pods", judged.canary_pods as f64),
        ("horizon_secs", params.horizon_secs),
        ("nodes_clean", f64::from(judged.nodes_clean)),
        ("peak_ln_e", judged.peak_ln_e),
        ("silence_expected_requests", silence.expected_requests),
        ("silence_restarts", silence.restarts),
        ("silence_secs", silence.silent_secs),
        ("silence_stable_restarts", silence.stable_restarts),
    ];
    if let Some(cost) = &judged.cost {
        facts.extend([("cpu_expected_ms", cost.expected_ms), ("cpu_observed_ms", cost.observed_ms)]);
    }
    if let Some(reading) = &judged.reading {
        facts.extend([("elapsed_secs", reading.elapsed_secs), ("ln_e", reading.ln_e)]);
    }
    let thresholds = ["threshold_p50_us", "threshold_p90_us", "threshold_p99_us"];
    facts.extend(thresholds.into_iter().zip(judged.limits.whole.into_iter().flatten()));
    facts.extend(judged.limits.own.map(|limit| ("threshold_own_p90_us", limit)));
    let known = facts.into_iter().filter(|(_, value)| value.is_finite());
    // a negative zero is a zero
    known.map(|(name, value)| (name.to_owned(), rounded(value) + 0.0)).collect()
}

/// What the test says when it is run again.
#[derive(Debug, Clone, PartialEq)]
pub struct Rerun {
    /// What it decides after the last row.
    pub decision: Decision,
    /// Its log evidence.
    pub ln_e: f64,
    /// Seconds from the release to the last row, or of the watch.
    pub elapsed_secs: f64,
    /// Ticks that it was given.
    pub n_ticks: usize,
    /// Whether it ended in the very state that the event tells.
    pub is_same: bool,
}

/// Runs the test of a capsule again.
///
/// # Errors
/// Says what stands in the way: a capsule without a test, of another version, or that cannot be read.
pub fn rerun(capsule: &Capsule) -> Result<Rerun, String> {
    let rule = RuleName::BeforeAfter;
    if capsule.rule.name == rule.as_str() && capsule.rule.version == rule.version() {
        let (reading, is_same) = before_after::rerun(capsule)?;
        let n_ticks = capsule.rows.len();
        let elapsed_secs = n_ticks as f64 * secs(before_after::STEP);
        return Ok(Rerun { decision: reading.decision, ln_e: reading.ln_e, elapsed_secs, n_ticks, is_same });
    }
    let rule = RuleName::CanaryTest;
    if capsule.rule.name != rule.as_str() || capsule.rule.version != rule.version() {
        let Rule { name, version } = &capsule.rule;
        return Err(format!(
            "this program knows {} {}, not {name:?} {version}",
            rule.as_str(),
            rule.version()
        ));
    }
    if capsule.columns != COLUMNS {
        return Err(format!("the rows have the columns {:?}, known are {COLUMNS:?}", capsule.columns));
    }
    if capsule.state.is_empty() {
        return Err("the comparison had not begun".to_owned());
    }
    let mut test: CanaryTest = postcard::from_bytes(&unpack(&capsule.state)?)
        .map_err(|e| format!("the state is of another layout than this program's: {e}"))?;
    let from = capsule.rows_from.unix_nanos();
    let rows: Vec<[i64; COLUMNS.len()]> = capsule
        .rows
        .iter()
        .map(|row| row.as_slice().try_into().map_err(|_| format!("a row has {} numbers", row.len())))
        .collect::<Result<_, String>>()?;
    let mut n_ticks = 0;
    for tick in rows.chunk_by(|a, b| a[0] == b[0]) {
        observe(&mut test, tick, from);
        n_ticks += 1;
    }
    let is_same = contract::bytes_digest(&state_of(&test)) == capsule.state_digest;
    let reading = test.reading();
    let (decision, ln_e, elapsed_secs) = (reading.decision, reading.ln_e, reading.elapsed_secs);
    Ok(Rerun { decision, ln_e, elapsed_secs, n_ticks, is_same })
}

fn observe(test: &mut CanaryTest, rows: &[[i64; COLUMNS.len()]], from: UnixNanos) {
    let (mut control, mut canary, mut end) = (Vec::new(), Vec::new(), (from, 0));
    for [at, span, is_canary, pod, age, requests, bad @ .., n_own, ln, ln_squares, excused, unsure] in rows {
        let bad: [i64; N_COUNTED] = *bad;
        end = (from.saturating_add(*at), *span);
        if *pod == NO_POD {
            continue;
        }
        let arm = if *is_canary == 0 { &mut control } else { &mut canary };
        arm.push(PodCounts {
            pod: PodIdx(u32::try_from(*pod).unwrap_or(u32::MAX)),
            requests: requests.unsigned_abs(),
            bad: bad.map(i64::unsigned_abs),
            own: OwnTimes {
                requests: n_own.unsigned_abs(),
                ln_micros: *ln,
                ln_squares_micros: *ln_squares,
                excused_ln_micros: *excused,
                unsure_ln_micros: *unsure,
            },
            age_secs: secs(*age),
        });
    }
    test.observe(&Tick { at: end.0, span_secs: secs(end.1), control: &control, canary: &canary });
}
