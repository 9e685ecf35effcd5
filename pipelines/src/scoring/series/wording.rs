//! Open episodes of a service's series to a finding, in numbers and words.
//!
//! A lone series is worth watching, no more. Failed or slow requests beside another signal alert, unless traffic that is
//! higher than ever explains them. Probabilities are guesses, below what any actuator acts on: how often such findings come
//! true is not known.

use std::collections::BTreeSet;

use contract::{Evidence, Level};
use engine::record::UnixNanos;
use models::univariate::Shape;

use super::name::{Kind, SeriesName};
use super::record::{Episode, Seen};
use crate::features::ServiceKey;
use crate::scoring::absence::absence_evidence;
use crate::scoring::finding::{Finding, RuleName};

/// Series named in a finding, rarest first.
const NAMED_MAX: usize = 5;
/// Usual deviations within which a value is called normal.
const NORMAL_DEVIATIONS: f64 = 3.0;

/// The finding; there is at least one episode.
pub(super) fn finding<'a>(
    service: &ServiceKey,
    episodes: impl Iterator<Item = (&'a SeriesName, &'a Episode)>,
    note: impl Fn(&SeriesName) -> Option<String>,
    (at, least): (UnixNanos, Level),
) -> Finding {
    let mut episodes: Vec<(&SeriesName, &Episode)> = episodes.collect();
    episodes.sort_by(|a, b| b.1.worst.decades.total_cmp(&a.1.worst.decades).then_with(|| a.0.cmp(b.0)));
    let level = level_of(&episodes).max(least);
    let is_lone = episodes.iter().all(|(name, episode)| is_load(name, episode));
    let (explaining, telling): (Vec<_>, Vec<_>) =
        episodes.iter().partition(|(name, episode)| is_load(name, episode) && !is_lone);
    let share = 1.0 / telling.len().clamp(1, NAMED_MAX) as f64;
    let is_alert = level == Level::Alert;
    Finding {
        rule: RuleName::Baseline,
        service: service.clone(),
        suspect: None,
        since: episodes.iter().map(|(_, episode)| episode.since_at).min().unwrap_or(at),
        at,
        level,
        failure_probability: if is_alert { 0.6 } else { 0.3 },
        severity: if is_alert { 0.5 } else { 0.25 },
        impact: 1.0,
        maturity: episodes.iter().map(|(_, episode)| episode.worst.maturity()).fold(1.0, f64::min),
        evidence: told(&telling, share, &note),
        counter_evidence: told(&explaining, 0.0, &note),
        forecast: None,
    }
}

/// Signals that are not heard any more, while others of the service are.
pub(super) fn missing(service: &ServiceKey, missing: &[(SeriesName, f64, f64)], at: UnixNanos) -> Finding {
    let longest = missing.iter().map(|(_, silent_secs, _)| *silent_secs).fold(0.0, f64::max);
    let evidence = missing.iter().take(NAMED_MAX).map(|(name, silent_secs, due_secs)| {
        let signal = name.words().0;
        let text = format!(
            "{signal} has had no value for {silent_secs:.0} s, where {due_secs:.0} s would be long, while other signals go on"
        );
        absence_evidence(signal, (*silent_secs, *due_secs), text)
    });
    Finding {
        rule: RuleName::Absence,
        service: service.clone(),
        suspect: None,
        since: at.saturating_sub((longest * 1e9) as UnixNanos),
        at,
        level: Level::Monitor,
        failure_probability: 0.3,
        severity: 0.25,
        impact: 1.0,
        maturity: 1.0,
        evidence: evidence.collect(),
        counter_evidence: Vec::new(),
        forecast: None,
    }
}

fn told(
    episodes: &[&(&SeriesName, &Episode)],
    share: f64,
    note: impl Fn(&SeriesName) -> Option<String>,
) -> Vec<Evidence> {
    let told = |(name, episode): &&(&SeriesName, &Episode)| {
        let mut evidence = evidence(name, &episode.worst, share);
        if let Some(note) = note(name) {
            evidence.text = format!("{}; {note}", evidence.text);
        }
        evidence
    };
    episodes.iter().take(NAMED_MAX).map(told).collect()
}

/// More traffic than ever is news, but no failure.
fn is_load(name: &SeriesName, episode: &Episode) -> bool {
    name.kind() == Kind::Rate && episode.worst.is_above()
}

fn level_of(episodes: &[(&SeriesName, &Episode)]) -> Level {
    let kinds = episodes.iter().map(|(name, _)| name.kind()).filter(|kind| *kind != Kind::Derived);
    let kinds: BTreeSet<Kind> = kinds.collect();
    let rises =
        |kind: Kind| episodes.iter().any(|(name, episode)| name.kind() == kind && episode.worst.is_above());
    let is_loaded = rises(Kind::Rate);
    let hurts = rises(Kind::Errors) || (rises(Kind::Duration) && !is_loaded);
    let witnesses = kinds.len() - usize::from(is_loaded);
    if hurts && witnesses >= 2 { Level::Alert } else { Level::Monitor }
}

/// One series as evidence.
pub(super) fn evidence(name: &SeriesName, seen: &Seen, contribution: f64) -> Evidence {
    let (signal, unit) = name.words();
    let reach = NORMAL_DEVIATIONS * seen.deviation;
    let side = if seen.is_above() { "above" } else { "below" };
    let shape = match seen.shape {
        None | Some(Shape::Spike) => "",
        Some(Shape::Pattern) => ", an unusual course of usual values",
        Some(Shape::LevelShift) => ", a new level",
        Some(Shape::Drift) => ", reached bit by bit",
    };
    Evidence {
        text: format!(
            "{signal} is {}{}, {side} the usual {} by {:.1} usual deviations{shape}: once in {} points ({} of history)",
            number(seen.value),
            if unit.starts_with(|first: char| first.is_ascii_alphabetic()) {
                format!(" {unit}")
            } else {
                String::new()
            },
            number(seen.expected),
            (seen.value - seen.expected).abs() / seen.deviation.max(f64::MIN_POSITIVE),
            number(libm::exp10(seen.decades)),
            history(seen),
        ),
        signal,
        unit: unit.to_owned(),
        expected: seen.expected,
        lower: seen.expected - reach,
        upper: seen.expected + reach,
        observed: seen.value,
        p_value: Some(libm::exp10(-seen.decades)),
        e_value: None,
        contribution,
        exemplar_trace_ids: Vec::new(),
        log_templates: Vec::new(),
    }
}

/// Three digits that count.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if size >= 1e4 || (size > 0.0 && size < 1e-2) {
        format!("{value:.2e}")
    } else if size >= 100.0 {
        format!("{value:.0}")
    } else if size >= 1.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}

/// How long it was learned, and whose history it goes by while that is short.
fn history(seen: &Seen) -> String {
    let own = span(seen.learned_secs);
    if seen.inherited_secs > 0.0 {
        format!(
            "{own} of its own, after {} of the same service in another cluster,",
            span(seen.inherited_secs)
        )
    } else {
        own
    }
}

fn span(secs: f64) -> String {
    if secs < 7_200.0 {
        format!("{:.0} min", secs / 60.0)
    } else if secs < 172_800.0 {
        format!("{:.0} h", secs / 3_600.0)
    } else {
        format!("{:.0} days", secs / 86_400.0)
    }
}
