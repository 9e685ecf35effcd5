//! `evaluate logs`: labelled log lines through the template miner that production runs, with its defaults.
//!
//! A system's lines go through one miner in their order, the text alone, without severity or logger. A line's group is
//! the template that its id leads to at the end. What it does not do: look at a label before that.

use engine::time::clock::Clock;
use models::text::{MinerParams, Shape, TemplateId, TemplateMiner, grouping};
use serde::Serialize;

use super::canaryrec::RecordingError;
use super::line_labels::labelled_recordings;
use super::loghub::labelled_files;
use super::part::{Part, Selection};

/// Passes over the lines of a system go on for this long, so that a few lines can be timed too.
const TIMED_NANOS: i64 = 1_000_000_000;
const PASSES_MAX: usize = 1000;

/// Lines of one system, each with the name of its statement.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledLines {
    /// Which system.
    pub system: String,
    /// Label and line.
    pub lines: Vec<(String, String)>,
}

impl LabelledLines {
    /// Whether no rule was made while looking at these lines.
    fn is_held_out(&self) -> bool {
        self.system.ends_with("_held_out")
    }
}

/// What came of one system.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SystemGrouping {
    /// Which system.
    pub system: String,
    /// Lines.
    pub lines: usize,
    /// Statements.
    pub labels: usize,
    /// Templates that were found.
    pub templates: usize,
    /// Share of lines whose group is exactly that of their statement.
    pub grouping_accuracy: f64,
    /// F1 over groups.
    pub f1_grouping_accuracy: f64,
    /// Lines a second on one core, reading and mining, in the fastest of several passes.
    pub lines_per_second: f64,
    /// Bytes of a line, on average.
    pub bytes_per_line: f64,
}

/// The report, with the keys of the public contract; accuracies are means over systems, the speed is over all lines.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LogsReport {
    /// Mean share of lines in right groups.
    pub grouping_accuracy: f64,
    /// Mean F1 over groups.
    pub f1_grouping_accuracy: f64,
    /// Lines a second on one core.
    pub lines_per_second: f64,
    /// By system.
    pub systems: Vec<SystemGrouping>,
}

/// Evaluates every system of a selection: Loghub files below it, or recordings whose labels this crate can make.
///
/// # Errors
/// [`RecordingError`] names file and line, or the folder if there is nothing in it.
pub fn evaluate_logs(selection: Selection<'_>, clock: &Clock) -> Result<LogsReport, RecordingError> {
    let folder = selection.folder;
    let mut systems = selection.of(labelled_files(folder)?, |system| system.system.clone());
    if systems.is_empty() {
        systems = labelled_recordings(folder)?;
        // these were divided by what was looked at while the rules were made
        systems.retain(|system| match selection.part {
            Part::All => true,
            Part::Development => !system.is_held_out(),
            Part::HeldOut => system.is_held_out(),
        });
    }
    if systems.is_empty() {
        let why = "no *_structured.csv, *_templates.csv with its log, or labelled recording";
        return Err(RecordingError::Line { path: folder.to_owned(), line: 0, why: why.to_owned() });
    }
    let results: Vec<SystemGrouping> = systems.iter().map(|system| evaluate(system, clock)).collect();
    let mean = |of: fn(&SystemGrouping) -> f64| results.iter().map(of).sum::<f64>() / results.len() as f64;
    let lines: usize = results.iter().map(|result| result.lines).sum();
    let secs: f64 = results.iter().map(|result| result.lines as f64 / result.lines_per_second).sum();
    Ok(LogsReport {
        grouping_accuracy: mean(|result| result.grouping_accuracy),
        f1_grouping_accuracy: mean(|result| result.f1_grouping_accuracy),
        lines_per_second: if secs > 0.0 { lines as f64 / secs } else { 0.0 },
        systems: results,
    })
}

fn evaluate(system: &LabelledLines, clock: &Clock) -> SystemGrouping {
    let lines: Vec<&[u8]> = system.lines.iter().map(|(_, line)| line.as_bytes()).collect();
    let started_at = clock.now();
    let groups = mine(&lines);
    let mut fastest = clock.now() - started_at;
    for _ in 1..PASSES_MAX {
        let pass_at = clock.now();
        if pass_at - started_at >= TIMED_NANOS {
            break;
        }
        std::hint::black_box(mine(&lines));
        fastest = fastest.min(clock.now() - pass_at);
    }
    let secs = fastest.max(1) as f64 / 1e9;
    let labels: Vec<&str> = system.lines.iter().map(|(label, _)| label.as_str()).collect();
    let seen = grouping(&labels, &groups);
    SystemGrouping {
        system: system.system.clone(),
        lines: lines.len(),
        labels: seen.n_labels,
        templates: seen.n_found,
        grouping_accuracy: seen.accuracy,
        f1_grouping_accuracy: seen.f1,
        lines_per_second: lines.len() as f64 / secs,
        bytes_per_line: lines.iter().map(|line| line.len()).sum::<usize>() as f64 / lines.len().max(1) as f64,
    }
}

fn mine(lines: &[&[u8]]) -> Vec<TemplateId> {
    let params = MinerParams::default().check().expect("defaults are valid");
    let (mut miner, mut shape) = (TemplateMiner::new(&params), Shape::default());
    let mut take = |(at, line): (usize, &&[u8])| {
        shape.read(line);
        miner.take(0, &shape, at as i64, 1).id
    };
    let first: Vec<TemplateId> = lines.iter().enumerate().map(&mut take).collect();
    first.into_iter().map(|id| miner.resolve(id)).collect()
}
