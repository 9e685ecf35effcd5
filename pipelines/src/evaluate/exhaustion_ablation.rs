//! `evaluate exhaustion --ablation`: what each piece of the forecast is worth, on recordings and generated series.
//!
//! One piece is taken out at a time. The seeds are neither those that settings were chosen on nor those of `--simulate`: a
//! decision made on this table leaves the latter's figures blind. What it does not do: decide.

use models::exhaustion::{ExhaustionParams, TrendOf};
use models::testkit::{HandedOn, LeakFigures, LeakRule, leak_figures, release_figures};
use serde::Serialize;

use super::canaryrec::RecordingError;
use super::exhaustion::evaluate_exhaustion;
use super::part::Selection;

/// First seed.
const SEED: u64 = 7_000_001;
/// Healthy series of each kind, and leaks of each growth, base, length and start.
const SERIES: (u64, u64) = (8, 1);
/// Healthy releases of each kind, and leaking ones of each base, growth and length.
const RELEASES: (u64, u64) = (20, 1);

/// Figures with one piece taken out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ablation {
    /// Which piece.
    pub without: &'static str,
    /// Recordings: leaks warned of, of these half an hour ahead, healthy ones warned of.
    pub recorded: [usize; 3],
    /// The same of the strict rule.
    pub recorded_act: [usize; 3],
    /// Generated series, warnings.
    pub warn: AblatedRule,
    /// Generated series, the strict rule.
    pub act: AblatedRule,
    /// Generated releases: leaking ones that are blamed, healthy ones that are blamed.
    pub releases: [usize; 2],
}

/// Figures of one rule on generated series.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AblatedRule {
    /// False warnings per series and day.
    pub false_per_series_day: f64,
    /// Share of the leaks warned of ahead.
    pub warned_share: f64,
    /// Share of the leaks of an hour or more warned of at least 30 samples ahead.
    pub early_share: f64,
}

/// What is taken out, and the settings without it.
fn pieces() -> Vec<(&'static str, ExhaustionParams, HandedOn)> {
    let all = ExhaustionParams::default();
    let mut pieces = vec![("nothing", all, HandedOn::History)];
    let mut without = |name, change: &dyn Fn(&mut ExhaustionParams)| {
        let mut params = all;
        change(&mut params);
        pieces.push((name, params, HandedOn::History));
    };
    without("lows (means instead)", &|p| p.trend_of = TrendOf::Means);
    without("significance", &|p| (p.z, p.z_short) = (0.0, 0.0));
    without("more of it for short rises", &|p| p.z_short = p.z);
    without("evenness of the quarters", &|p| (p.evenness, p.evenness_last) = (0.0, 0.0));
    without("more of it for the last", &|p| p.evenness_last = p.evenness);
    without("least rise", &|p| p.growth = 0.0);
    without("stands above the past", &|p| (p.record, p.record_swings) = (-1.0, 0.0));
    without("by 2 % of the limit", &|p| p.record = 0.0);
    without("by half a swing", &|p| p.record_swings = 0.0);
    without("reach by the span", &|p| (p.reach_blind, p.reach_warn, p.reach_act) = (10.0, 10.0, 10.0));
    without("less reach without a past", &|p| p.reach_blind = p.reach_warn);
    without("less reach to act", &|p| p.reach_act = p.reach_warn);
    without("horizon by what is known", &|p| p.horizon_share = 0.0);
    pieces.push(("history of the version before", all, HandedOn::Nothing));
    pieces.push(("restarts end trends", all, HandedOn::Trends));
    pieces
}

/// Every piece taken out in turn, on the recordings of a selection and on generated series.
///
/// # Errors
/// [`RecordingError`] for a folder that is not laid out as told.
pub fn ablate_exhaustion(selection: Selection<'_>) -> Result<Vec<Ablation>, RecordingError> {
    pieces().into_iter().map(|piece| ablate(selection, piece)).collect()
}

fn ablate(
    selection: Selection<'_>,
    (without, params, handed_on): (&'static str, ExhaustionParams, HandedOn),
) -> Result<Ablation, RecordingError> {
    let params = params.check().expect("every piece can be taken out within the allowed ranges");
    let recorded = evaluate_exhaustion(selection, &params)?;
    let early = |share: f64| (share * recorded.positives as f64).round() as usize;
    let of = |rule| rule_of(&leak_figures(rule, &params, SEED, SERIES.0, SERIES.1));
    let (found, blamed) = release_figures(&params, SEED, RELEASES, handed_on).blamed();
    Ok(Ablation {
        without,
        recorded: [recorded.warned, early(recorded.lead_over_half_share), recorded.false_alarms],
        recorded_act: [recorded.acted, early(recorded.act_lead_over_half_share), recorded.act_false_alarms],
        warn: of(LeakRule::Warn),
        act: of(LeakRule::Act),
        releases: [found, blamed],
    })
}

fn rule_of(figures: &LeakFigures) -> AblatedRule {
    let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
    AblatedRule {
        false_per_series_day: figures.false_per_series_day(),
        warned_share: share(figures.warned, figures.leaks),
        early_share: share(figures.slow_early, figures.slow_leaks),
    }
}
