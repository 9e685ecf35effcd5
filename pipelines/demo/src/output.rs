//! What the person (or the pipeline) sees: the time line as it happens, and the summary.
//!
//! The only place of the demo that writes to standard output and error. A closed pipe is not an error.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};

use serde::Serialize;

use crate::timeline::Summary;

/// What kind of line; it decides the colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// The demo itself.
    Note,
    /// A commit or a step of the shop.
    Shop,
    /// Something bad begins.
    Fault,
    /// The engine speaks.
    Engine,
    /// The actuator acted.
    Actuator,
    /// All is well.
    Well,
}

/// One line of the time line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Happening {
    /// Seconds after the start of the run.
    pub at_s: f64,
    /// What kind.
    pub tone: Tone,
    /// In words.
    pub text: String,
}

/// How to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// JSON lines.
    Json,
    /// Words.
    Plain,
    /// Words with colours.
    Coloured,
}

impl Style {
    /// JSON if asked for; colours only on a terminal.
    #[must_use]
    pub fn choose(is_json: bool, is_headless: bool) -> Self {
        match (is_json, !is_headless && std::io::stdout().is_terminal()) {
            (true, _) => Self::Json,
            (false, true) => Self::Coloured,
            (false, false) => Self::Plain,
        }
    }

    /// A line of the time line.
    pub fn happening(self, happening: &Happening) {
        write(&self.line_of(happening));
    }

    fn line_of(self, happening: &Happening) -> String {
        let Happening { at_s, tone, text } = happening;
        match self {
            Self::Json => serde_json::to_string(happening).unwrap_or_default(),
            Self::Plain => format!("{at_s:8.1} s  {:8} {text}", word(*tone)),
            Self::Coloured => {
                format!("\x1b[2m{at_s:8.1} s\x1b[0m  \x1b[{}m{:8}\x1b[0m {text}", colour(*tone), word(*tone))
            }
        }
    }

    /// The summary of one run.
    pub fn summary(self, summary: &Summary) {
        match self {
            Self::Json => write(&serde_json::to_string(summary).unwrap_or_default()),
            Self::Plain | Self::Coloured => write(&in_words(summary)),
        }
    }

    /// What several runs amount to.
    pub fn totals(self, summaries: &[Summary]) {
        let totals = totals_of(summaries);
        match self {
            Self::Json => write(&serde_json::to_string(&totals).unwrap_or_default()),
            Self::Plain | Self::Coloured => {
                totals.faults.iter().for_each(|(fault, total)| write(&total_in_words(fault, total)));
            }
        }
    }
}

/// What several runs of one fault amount to.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Total {
    /// Runs.
    pub runs: usize,
    /// Their seeds.
    pub seeds: Vec<u64>,
    /// Whether nothing was to be reverted: a decoy, or nothing happened.
    pub is_decoy: bool,
    /// Runs in which anything was reverted.
    pub reverted: usize,
    /// Simulated minutes in all.
    pub minutes: f64,
    /// Of these, as they should be.
    pub ok: usize,
    /// False acts in all of them.
    pub false_acts: usize,
    /// p50 and p95 of the seconds to detection.
    pub detected_s: Option<[f64; 2]>,
    /// p50 and p95 of the seconds to the revert; a run without one counts as infinitely long.
    pub revert_committed_s: Option<[f64; 2]>,
    /// p50 and p95 of the seconds to recovery.
    pub healthy_s: Option<[f64; 2]>,
}

/// Totals per fault.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Totals {
    /// By name of the fault.
    pub faults: BTreeMap<&'static str, Total>,
    /// Whether every run was fine.
    pub ok: bool,
}

/// Adds runs up.
#[must_use]
pub fn totals_of(summaries: &[Summary]) -> Totals {
    let mut by_fault: BTreeMap<&'static str, Vec<&Summary>> = BTreeMap::new();
    for summary in summaries {
        by_fault.entry(summary.fault).or_default().push(summary);
    }
    let total = |runs: &Vec<&Summary>| Total {
        runs: runs.len(),
        seeds: runs.iter().map(|run| run.seed).collect(),
        is_decoy: runs.iter().any(|run| run.is_decoy),
        reverted: runs.iter().filter(|run| !run.reverted_commits.is_empty()).count(),
        minutes: (runs.iter().map(|run| run.minutes).sum::<f64>() * 10.0).round() / 10.0,
        ok: runs.iter().filter(|run| run.ok).count(),
        false_acts: runs.iter().map(|run| run.false_acts).sum(),
        detected_s: p50_and_p95(runs.iter().map(|run| run.detected_s)),
        revert_committed_s: p50_and_p95(runs.iter().map(|run| run.revert_committed_s)),
        healthy_s: p50_and_p95(runs.iter().map(|run| run.healthy_s)),
    };
    let faults = by_fault.iter().map(|(fault, runs)| (*fault, total(runs))).collect();
    Totals { faults, ok: summaries.iter().all(|summary| summary.ok) }
}

fn total_in_words(fault: &str, total: &Total) -> String {
    let Total { runs, ok, reverted, false_acts, minutes, .. } = total;
    let seeds: Vec<String> = total.seeds.iter().map(u64::to_string).collect();
    let seeds = seeds.join(" ");
    if total.is_decoy {
        return format!(
            "{fault:16} nothing to revert: {reverted} of {runs} reverted, {false_acts} false acts in {minutes:.1} min \
             (seeds {seeds})"
        );
    }
    let secs = |name: &str, times: Option<[f64; 2]>| match times {
        Some([p50, p95]) => format!("{name} p50 {p50:.1} s, p95 {p95:.1} s"),
        None => format!("{name} not in every run"),
    };
    let (detected, revert) =
        (secs("detected", total.detected_s), secs("fault to revert", total.revert_committed_s));
    let healthy = secs("healthy", total.healthy_s);
    format!(
        "{fault:16} {ok} of {runs} ok, {reverted} reverted; {detected}; {revert}; {healthy}; {false_acts} false acts \
         (seeds {seeds})"
    )
}

/// Nearest-rank percentiles; `None` if a run in that rank never came so far.
fn p50_and_p95(values: impl Iterator<Item = Option<f64>>) -> Option<[f64; 2]> {
    let mut values: Vec<f64> = values.map(|value| value.unwrap_or(f64::INFINITY)).collect();
    values.sort_by(f64::total_cmp);
    let rank = |share: f64| {
        let idx = ((values.len() as f64 * share).ceil() as usize).max(1) - 1;
        values.get(idx).copied().filter(|value| value.is_finite())
    };
    Some([rank(0.5)?, rank(0.95)?])
}

fn in_words(summary: &Summary) -> String {
    let secs = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1} s"));
    let Summary { fault, seed, detected_s, decided_s, revert_committed_s, healthy_s, .. } = summary;
    let (n_events, n_false) = (summary.risk_events.len(), summary.false_acts);
    let verdict = if summary.ok { "as it should be" } else { "NOT as it should be" };
    format!(
        "\n{fault}, seed {seed}: {verdict}\n  detected after          {}\n  decided after           {}\n  \
         revert committed after  {}\n  healthy after           {}\n  reverted commits        {}\n  \
         false acts              {n_false}\n  risk events             {n_events}",
        secs(*detected_s),
        secs(*decided_s),
        secs(*revert_committed_s),
        secs(*healthy_s),
        if summary.reverted_commits.is_empty() { "-".to_owned() } else { summary.reverted_commits.join(" ") },
    )
}

fn word(tone: Tone) -> &'static str {
    match tone {
        Tone::Note => "demo",
        Tone::Shop => "shop",
        Tone::Fault => "FAULT",
        Tone::Engine => "engine",
        Tone::Actuator => "actuator",
        Tone::Well => "healthy",
    }
}

fn colour(tone: Tone) -> u8 {
    match tone {
        Tone::Note => 2,
        Tone::Shop => 36,
        Tone::Fault => 31,
        Tone::Engine => 33,
        Tone::Actuator => 35,
        Tone::Well => 32,
    }
}

/// Why the demo ends early, on standard error.
pub fn error(text: &str) {
    writeln!(std::io::stderr(), "error: {text}").ok();
}

fn write(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).ok();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::Fault;
    use crate::timeline::Timeline;

    fn run(revert: Option<f64>) -> Summary {
        let summary = Timeline::new(Fault::Latency, 1, "cart").summary();
        Summary { revert_committed_s: revert, ok: revert.is_some(), ..summary }
    }

    /// Scenario: twenty runs of which none, one or two found no revert.
    /// Guarantees: nearest rank; one miss in twenty leaves p95, two do not.
    #[test]
    fn misses_count_as_endless() {
        let of = |n_missed: usize| {
            let runs: Vec<Summary> = (1..=20).map(|n| run((n > n_missed).then_some(n as f64))).collect();
            totals_of(&runs).faults.get("latency").cloned().unwrap()
        };
        assert_eq!(of(0).revert_committed_s, Some([10.0, 19.0]));
        assert_eq!(of(1).revert_committed_s, Some([11.0, 20.0]));
        assert_eq!((of(2).revert_committed_s, of(2).ok), (None, 18));
        assert!(total_in_words("latency", &of(2)).contains("18 of 20 ok"));
        assert!(total_in_words("latency", &of(0)).contains("fault to revert p50 10.0 s, p95 19.0 s"));
    }

    /// Scenario: two runs of a decoy. Guarantees: the words say what ran and that nothing was reverted.
    #[test]
    fn decoys_say_that_nothing_was_reverted() {
        let runs = [1, 2].map(|seed| Timeline::new(Fault::TrafficPeak, seed, "cart").summary());
        let total = totals_of(&runs).faults.get("traffic-peak").cloned().unwrap();
        let words = total_in_words("traffic-peak", &total);
        assert!(
            words.contains("nothing to revert: 0 of 2 reverted") && words.contains("seeds 1 2"),
            "{words}"
        );
    }

    /// Scenario: a line in all styles, a summary in words.
    /// Guarantees: JSON is one object; colours only where asked for; missing times are dashes.
    #[test]
    fn styles_differ_only_in_looks() {
        let line = Happening { at_s: 12.34, tone: Tone::Fault, text: "a \"bad\" pod".to_owned() };
        let json: serde_json::Value = serde_json::from_str(&Style::Json.line_of(&line)).unwrap();
        assert_eq!(json["tone"], "fault");
        assert_eq!(Style::Plain.line_of(&line), "    12.3 s  FAULT    a \"bad\" pod");
        assert!(Style::Coloured.line_of(&line).contains("\x1b[31m"));
        assert!(in_words(&run(None)).contains("revert committed after  -"));
    }
}
