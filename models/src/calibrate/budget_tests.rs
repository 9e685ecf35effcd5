//! The bound on alarms under hostile sequences, and what an operator sees of episodes.

use proptest::prelude::*;

use super::*;
use crate::testkit::Draws;

const MINUTE: i64 = 60_000_000_000;
const DAY: i64 = 1440 * MINUTE;

fn default_budget() -> AlarmBudget {
    AlarmBudget::new(&BudgetParams::default().check().unwrap())
}

/// The largest number of alarms beyond `alarms_per_day` times the days, over every stretch from one alarm to another.
fn worst_excess(alarms: &[i64], per_day: f64) -> f64 {
    let mut worst = 0.0_f64;
    for (first, from) in alarms.iter().enumerate() {
        for (nth, to) in alarms.iter().enumerate().skip(first) {
            let days = (to - from) as f64 / DAY as f64;
            worst = worst.max((nth - first + 1) as f64 - per_day * days);
        }
    }
    worst
}

prop_compose! {
    fn any_params()(
        alarms_per_day in prop_oneof![Just(1.0), 0.01..200.0f64],
        step_decades in 0.01..2.0f64,
        burst_alarms in 1..40u32,
        hysteresis in 0.0..1.0f64,
        rise_decades in 0.1..3.0f64,
        merge_secs in prop_oneof![Just(0.0), 0.0..20_000.0f64],
    ) -> BudgetParams {
        let hysteresis_decades = step_decades + hysteresis;
        BudgetParams { alarms_per_day, step_decades, burst_alarms, hysteresis_decades, rise_decades, merge_secs }
    }
}

proptest! {
    /// Scenario: any settings; a series of any surprises at any gaps, with late and repeated points; some play against
    /// the budget by reaching exactly the threshold, others give the largest surprise all the time.
    /// Guarantees: every stretch of time keeps the bound; columns say the same as a budget of one series; saved and
    /// restored in the middle it goes on the same.
    #[test]
    fn bound_holds_whatever_comes(
        params in any_params(),
        points in prop::collection::vec((-100_000_000_000i64..4_000_000_000_000, 0..4u8, 0.0..6.0f64), 1..600),
    ) {
        let valid = params.check().unwrap();
        let (mut budget, mut columns) = (AlarmBudget::new(&valid), BudgetColumns::new(&valid));
        let place = columns.push();
        let (mut at, mut alarms) = (0_i64, Vec::new());
        for (nth, (gap, kind, drawn)) in points.iter().enumerate() {
            at += if *kind == 3 { gap / 100 } else { *gap };
            let decades = match kind { 0 => *drawn, 1 => budget.threshold(at), _ => 6.0 };
            let step = budget.step(at, Surprise::clamped(decades));
            prop_assert_eq!(Some(step), columns.step(place, at, Surprise::clamped(decades)));
            if step.state.is_alarm() {
                alarms.push(at);
            }
            if nth == points.len() / 2 {
                let bytes = postcard::to_allocvec(&budget).unwrap();
                let restored: AlarmBudget = postcard::from_bytes(&bytes).unwrap();
                prop_assert_eq!(&restored, &budget);
                budget = restored;
            }
        }
        let bound = f64::from(params.burst_alarms);
        let worst = worst_excess(&alarms, params.alarms_per_day);
        prop_assert!(worst <= bound + 1e-6, "{} beyond the budget, {} allowed", worst, bound);
    }

    /// Scenario: a service of up to twelve series that shout at once or in turns.
    /// Guarantees: all together keep the shared bound and each its own.
    #[test]
    fn pool_and_each_series_are_bounded(
        per_day in 0.5..20.0f64,
        n in 1..12usize,
        points in prop::collection::vec((0..12usize, 0..900_000_000_000i64, 2.0..6.0f64), 1..600),
    ) {
        let each = BudgetParams { merge_secs: 300.0, ..BudgetParams::default() }.check().unwrap();
        let shared = each.with_alarms_per_day(per_day);
        let mut pool = PooledBudget::new(&each, &shared);
        (0..n).for_each(|_| { pool.push(); });
        let (mut at, mut alarms) = (0_i64, vec![Vec::new(); n]);
        for (series, gap, decades) in points {
            at += gap;
            let step = pool.step(series % n, at, Surprise::clamped(decades)).unwrap();
            if step.state.is_alarm() {
                alarms[series % n].push(at);
            }
        }
        let burst = f64::from(each.values().burst_alarms);
        for of_series in &alarms {
            prop_assert!(worst_excess(of_series, 1.0) <= burst + 1e-6);
        }
        let mut all: Vec<i64> = alarms.concat();
        all.sort_unstable();
        prop_assert!(worst_excess(&all, per_day) <= burst + 1e-6);
    }
}

/// Scenario: the series that is best at alarming: the largest surprise at every minute that is not in an open episode.
/// Guarantees: over 30 days it uses what the bound allows and no more, so the bound is not an idle one.
#[test]
fn bound_is_reached() {
    let mut budget = default_budget();
    let mut alarms = 0_u32;
    for minute in 0..30 * 1440 {
        let at = i64::from(minute) * MINUTE;
        let loud = !budget.is_open();
        let step = budget.step(at, Surprise::clamped(if loud { 5.0 } else { 0.0 }));
        alarms += u32::from(step.state.is_alarm());
    }
    // (S_max + eta - floor) / eta with a floor of log10(1440).
    let bound = 30.0 + (5.4 - libm::log10(1440.0)) / 0.4;
    assert!(f64::from(alarms) <= bound && f64::from(alarms) >= bound - 2.0, "{alarms} of {bound}");
}

/// Scenario: calm, then two hours of surprise with dips below the threshold, rising once by more than a decade; calm.
/// Guarantees: one episode that speaks twice, whose end is told an hour after its last point.
#[test]
fn one_incident_is_one_episode() {
    let mut budget = default_budget();
    let mut told = Vec::new();
    for minute in 0..600_i64 {
        let decades = match minute {
            200..260 => 3.6,
            260..262 => 4.9,
            262..320 if minute % 3 == 0 => 0.1,
            262..320 => 3.4,
            _ => 0.5,
        };
        let step = budget.step(minute * MINUTE, Surprise::clamped(decades));
        if step.state.is_alarm() {
            told.push((minute, step.state));
        }
        if let Some(last_at) = step.ended_at {
            assert_eq!((minute, last_at / MINUTE), (380, 319));
        }
    }
    assert_eq!(told, [(200, AlarmState::Opened), (260, AlarmState::Rose)]);
    assert!(!budget.is_open());
}

/// Scenario: an open episode whose series goes silent.
/// Guarantees: time alone ends it, once.
#[test]
fn silence_ends_an_episode() {
    let mut budget = default_budget();
    (0..50).for_each(|minute| {
        budget.step(minute * MINUTE, Surprise::clamped(0.2));
    });
    budget.step(50 * MINUTE, Surprise::clamped(5.0));
    assert_eq!(budget.end(110 * MINUTE), None);
    assert_eq!(budget.end(111 * MINUTE), Some(50 * MINUTE));
    assert_eq!(budget.end(112 * MINUTE), None);
}

/// Scenario: exact p-values of a calm series at 1 s, 10 s, 60 s, 300 s and 3600 s, 60 days each, irregular by a half.
/// Guarantees: the budget is kept with room at every interval, without a burst.
#[test]
fn exact_p_values_stay_within_the_budget_at_any_interval() {
    for (interval, seed) in [(1.0, 1), (10.0, 2), (60.0, 3), (300.0, 4), (3600.0, 5)] {
        let (mut budget, mut draws) = (default_budget(), Draws::new(seed));
        let (mut at, mut alarms) = (0_i64, 0_u32);
        let days = if interval < 10.0 { 10 } else { 60 };
        while at < days * DAY {
            at += (interval * (0.5 + draws.uniform()) * 1e9) as i64;
            let p = PValue::new(1.0 - draws.uniform()).unwrap();
            alarms += u32::from(budget.step(at, p.surprise()).state.is_alarm());
        }
        assert!(f64::from(alarms) <= 1.2 * days as f64, "seed {seed}, {interval} s: {alarms} in {days} days");
    }
}
