//! What every detector keeps to, whatever its model: it is tried against a fixed list of hostile inputs.

use serde::{Serialize, de::DeserializeOwned};

use super::Draws;
use crate::calibrate::{AlarmBudget, BudgetParams, TailCalibrator, TailParams};
use crate::{Detector, RawScore};

/// A rule that a detector broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breach {
    /// The rule.
    pub rule: &'static str,
    /// What was seen.
    pub seen: String,
}

const STEP: i64 = 10_000_000_000;
const FIVE_MINUTES_A_DAY: usize = 288;

/// When a series has its points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rhythm {
    /// Every ten seconds.
    Regular,
    /// After half a second to a minute, with an hour's gap now and then.
    Irregular,
    /// Every ten seconds; each fifth point comes twice, each seventh has an older one behind it.
    Repeated,
}

/// Points of a noisy series of `width` values.
fn series(width: usize, n: usize, rhythm: Rhythm) -> Vec<(i64, Vec<f64>)> {
    let mut draws = Draws::new(1);
    let mut at = 0;
    let mut point = |nth: usize| {
        at += match rhythm {
            Rhythm::Irregular if nth % 97 == 50 => 360 * STEP,
            Rhythm::Irregular => (STEP as f64 * (0.05 + 6.0 * draws.uniform())) as i64,
            Rhythm::Repeated if nth % 5 == 4 => 0,
            Rhythm::Repeated if nth % 7 == 6 => -STEP / 2,
            Rhythm::Regular | Rhythm::Repeated => STEP,
        };
        (at, (0..width).map(|_| 100.0 + 5.0 * draws.normal()).collect())
    };
    (0..n).map(&mut point).collect()
}

fn scores<D: Detector>(detector: &mut D, points: &[(i64, Vec<f64>)]) -> Vec<Option<RawScore>> {
    let score_then_learn = |(at, x): &(i64, Vec<f64>)| {
        let score = detector.score(*at, x);
        detector.learn(*at, x);
        score
    };
    points.iter().map(score_then_learn).collect()
}

/// Every rule that a fresh detector over `width` values breaks; `n` points must be enough for it to be mature.
///
/// The rules: it matures, also on irregular and repeated points; scores depend on the past alone; `score` changes nothing; saved and restored it goes
/// on with the same bits; NaN, infinities, wrong widths, repeated and late points change nothing and have no
/// score; gaps of years and values of any size neither panic nor leave the state unusable; its size is bounded; a constant
/// and a series of two values give no alarm.
pub fn breaches<D>(fresh: impl Fn() -> D, width: usize, n: usize) -> Vec<Breach>
where
    D: Detector + Clone + PartialEq + Serialize + DeserializeOwned,
{
    let mut found = Vec::new();
    let mut rule = |rule: &'static str, holds: bool, seen: String| {
        if !holds {
            found.push(Breach { rule, seen });
        }
    };
    for rhythm in [Rhythm::Irregular, Rhythm::Repeated] {
        rhythmic(&fresh, &series(width, 2 * n, rhythm), rhythm, &mut rule);
    }
    let points = series(width, 2 * n, Rhythm::Regular);
    let (mut whole, mut half) = (fresh(), fresh());
    let all = scores(&mut whole, &points);
    rule("matures", whole.maturity().is_mature() && all.last().is_some_and(Option::is_some), String::new());
    let first = scores(&mut half, &points[..n]);
    rule("causality", all[..n] == first[..], "scores of the past changed with the future".to_owned());

    let before = half.clone();
    let _ = half.score(points[n].0, &points[n].1);
    rule("score changes nothing", before == half, String::new());

    match postcard::to_allocvec(&half).ok().and_then(|bytes| postcard::from_bytes::<D>(&bytes).ok()) {
        None => rule("save and restore", false, "it cannot be saved".to_owned()),
        Some(mut restored) => {
            let rest = scores(&mut restored, &points[n..]);
            rule(
                "save and restore",
                rest == all[n..] && restored == whole,
                "it went on differently".to_owned(),
            );
        }
    }
    for (what, at, x) in hostile(&points[n - 1], width) {
        let mut tried = half.clone();
        let score = tried.score(at, &x);
        tried.learn(at, &x);
        rule("unusable points change nothing", score.is_none() && tried == half, what.to_owned());
    }
    wild(half, &mut rule, points[n].0, width);
    for (what, alarms_max, value) in MONOTONOUS {
        let alarms = alarms(fresh(), width, n, value);
        rule(
            "a constant and two values stay calm",
            alarms.len() <= alarms_max,
            format!("{what}: {alarms:?}"),
        );
    }
    found
}

/// The alarms that are allowed, and a value by the number of its point and a random part of one.
type Monotonous = (&'static str, usize, fn(usize, f64) -> f64);

/// Series in which nothing ever happens.
const MONOTONOUS: [Monotonous; 5] = [
    ("zero", 0, |_, _| 0.0),
    ("a tenth", 0, |_, _| 0.1),
    ("minus 26", 0, |_, _| -26.0),
    // two values may spend what the budget gives for the days after the first
    ("every other point", 3, |nth, _| if nth.is_multiple_of(2) { 3.0 } else { 4.0 }),
    ("at random one of two", 3, |_, part| if part < 0.5 { 0.0 } else { 1.0 }),
];

/// The points of such a series, one in five minutes for four days and more, that would be alarms: the scores weighed among
/// the past ones and held against the default budget. The first day counts for nothing.
fn alarms<D: Detector>(
    mut detector: D,
    width: usize,
    n: usize,
    value: fn(usize, f64) -> f64,
) -> Vec<(usize, f64)> {
    let checked = "the defaults are within their ranges";
    let mut tail = TailCalibrator::new(&TailParams::default().check().expect(checked));
    let mut budget = AlarmBudget::new(&BudgetParams::default().check().expect(checked));
    let (mut draws, mut found) = (Draws::new(2), Vec::new());
    for nth in 0..n.max(FIVE_MINUTES_A_DAY) * 2 + 2 * FIVE_MINUTES_A_DAY {
        let at = (nth as i64 + 1) * 30 * STEP;
        let x = vec![value(nth, draws.uniform()); width];
        if let Some(score) = detector.score(at, &x) {
            let surprise = tail.p_value(score).surprise();
            let is_known = nth >= FIVE_MINUTES_A_DAY && tail.maturity().is_mature();
            if is_known && budget.step(at, surprise).state.is_alarm() {
                found.push((nth, score.value()));
            }
            tail.observe(at, score);
        }
        detector.learn(at, &x);
    }
    found
}

/// Irregular and repeated points: it still matures, has a score for later points only, and goes on after a restore.
fn rhythmic<D>(
    fresh: impl Fn() -> D,
    points: &[(i64, Vec<f64>)],
    rhythm: Rhythm,
    rule: &mut impl FnMut(&'static str, bool, String),
) where
    D: Detector + Clone + PartialEq + Serialize + DeserializeOwned,
{
    let mut whole = fresh();
    let all = scores(&mut whole, points);
    let mut newest = i64::MIN;
    let fair = points.iter().zip(&all).all(|((at, _), score)| {
        let later = *at > newest;
        newest = newest.max(*at);
        later || score.is_none()
    });
    rule("points that are not later have no score", fair, format!("{rhythm:?}"));
    rule(
        "matures",
        whole.maturity().is_mature() && all.iter().rev().take(9).any(Option::is_some),
        format!("{rhythm:?}"),
    );
    let mut half = fresh();
    let middle = points.len() / 2;
    scores(&mut half, &points[..middle]);
    let saved = postcard::to_allocvec(&half).ok();
    let restored = saved.and_then(|bytes| postcard::from_bytes::<D>(&bytes).ok());
    let rest = restored.map(|mut restored| scores(&mut restored, &points[middle..]));
    rule("save and restore", rest.as_deref() == Some(&all[middle..]), format!("{rhythm:?}"));
}

/// Every rule that a calibration breaks: p-values lie in (0, 1] and never rise with the score.
pub fn calibration_breaches(p_value: impl Fn(RawScore) -> f64) -> Vec<Breach> {
    let mut found = Vec::new();
    let mut last = (f64::NEG_INFINITY, 1.0);
    let steps = (-300..=300).map(|power| libm::exp2(f64::from(power) / 8.0));
    for raw in std::iter::once(0.0).chain(steps) {
        let Some(score) = RawScore::new(raw) else { continue };
        let p = p_value(score);
        if !(p > 0.0 && p <= 1.0) {
            found.push(Breach { rule: "p-values lie in (0, 1]", seen: format!("{p} at {raw}") });
        }
        if p > last.1 {
            found.push(Breach {
                rule: "calibration is monotone",
                seen: format!("{p} at {raw} after {last:?}"),
            });
        }
        last = (raw, p);
    }
    found
}

fn hostile(last: &(i64, Vec<f64>), width: usize) -> Vec<(&'static str, i64, Vec<f64>)> {
    let later = last.0 + STEP;
    vec![
        ("nan", later, vec![f64::NAN; width]),
        ("infinity", later, vec![f64::INFINITY; width]),
        ("too many values", later, vec![1.0; width + 1]),
        ("no values", later, Vec::new()),
        ("duplicate", last.0, last.1.clone()),
        ("late", last.0 - STEP, last.1.clone()),
        ("as late as can be", i64::MIN, last.1.clone()),
    ]
}

/// Gaps of years and huge, tiny and constant values; then ten thousand points more.
fn wild<D>(mut detector: D, rule: &mut impl FnMut(&'static str, bool, String), from: i64, width: usize)
where
    D: Detector + Serialize,
{
    let size = |detector: &D| postcard::to_allocvec(detector).map_or(usize::MAX, |bytes| bytes.len());
    let (mut at, small) = (from, size(&detector));
    let values = [1e300, -1e300, 1e-300, 0.0, -0.0, f64::MAX, 100.0];
    for (nth, value) in values.iter().cycle().take(10_000).enumerate() {
        at += if nth < 20 { 365 * 86_400 * 1_000_000_000 } else { STEP };
        detector.learn(at, &vec![*value; width]);
    }
    let large = size(&detector);
    rule("size is bounded", large <= small + 64 * width, format!("{small} bytes grew to {large}"));
    let score = detector.score(at + STEP, &vec![100.0; width]);
    rule("survives wild values", score.is_some(), "no score afterwards".to_owned());
    detector.learn(i64::MAX, &vec![100.0; width]);
    rule("survives the end of time", detector.score(i64::MAX, &vec![1.0; width]).is_none(), String::new());
}
