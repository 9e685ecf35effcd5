//! `bellwether evaluate ablation|rhythms`: what each piece of the detector of single series is worth, and generated series.

use std::io::Write;

use super::Exit;
use super::evaluate::{failed, printed};
use crate::evaluate::{
    ABLATION_COLUMNS, AblatedFigure, AblatedPiece, AblationSets, RHYTHM_SERIES, RhythmResult, Selection,
    ablate_series,
};

/// Every row is told as soon as it is known: with `--json` its name on stderr, else the row itself, of a table in Markdown.
pub(super) fn ablation(selection: Selection<'_>, seed: u64, json: bool) -> Exit {
    let sets = match AblationSets::read(selection, (seed, RHYTHM_SERIES)) {
        Ok(sets) => sets,
        Err(error) => return failed(&error),
    };
    if !json {
        println!("generated rhythms: {RHYTHM_SERIES} series of each kind and interval, from seed {seed} on");
        println!("| without | {} |", ABLATION_COLUMNS.join(" | "));
        println!("|---{}|", "|---".repeat(ABLATION_COLUMNS.len()));
    }
    let table = ablate_series(&sets, |piece| {
        if json {
            eprintln!("{}", piece.without);
        } else {
            println!("{}", row(piece));
            // who waits for minutes wants to see the rows come
            std::io::stdout().flush().unwrap_or_default();
        }
    });
    if json { printed(&table, json, || ()) } else { Exit::Fine }
}

fn row(piece: &AblatedPiece) -> String {
    let is_all = piece.without == "nothing";
    let cells = piece.figures.iter().enumerate().map(|(column, figure)| {
        figure.map_or_else(|| "-".to_owned(), |figure| cell(&figure, (column == 0, is_all)))
    });
    format!("| {} | {} |", piece.without, cells.collect::<Vec<_>>().join(" | "))
}

/// NAB counts to a hundred, the others to one.
fn cell(it: &AblatedFigure, (is_nab, is_all): (bool, bool)) -> String {
    let digits = if is_nab { 2 } else { 3 };
    let figure = format!("{:.digits$}", it.figure);
    if is_all {
        return figure;
    }
    let (low, high) = it.interval;
    let told = if it.is_noise { " noise" } else { "" };
    format!("{figure} {:+.digits$} [{low:+.digits$}, {high:+.digits$}]{told}", it.difference)
}

/// Means by kind of generated series.
pub(super) fn kinds(results: &[RhythmResult], seed: u64) -> String {
    let n = results.len().max(1) as f64;
    let mean = results.iter().map(|it| it.vus_pr).sum::<f64>() / n;
    let mut text = format!("{:<36} {:>7} {:>10} {:>7}", "kind", "vus_pr", "by chance", "series");
    for it in results {
        text.push_str(&format!(
            "\n{:<36} {:>7.3} {:>10.3} {:>7}",
            it.kind, it.vus_pr, it.by_chance, it.series
        ));
    }
    text.push_str(&format!("\nmean over kinds and intervals: VUS-PR {mean:.3}; seeds from {seed} on"));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: everything, a loss, a difference that is noise, a set that is not there.
    /// Guarantees: the row says the figure, the difference with its interval and that it is noise where it is.
    #[test]
    fn rows_say_what_is_noise() {
        let figure = |figure, difference, interval: (f64, f64)| {
            let is_noise = interval.0 <= 0.0 && interval.1 >= 0.0;
            Some(AblatedFigure { figure, difference, interval, is_noise })
        };
        let check = |without: &str, figures: [Option<AblatedFigure>; 5], text: &str| {
            assert_eq!(row(&AblatedPiece { without: without.to_owned(), figures }), text);
        };
        let lost = figure(70.0, -3.5, (-5.0, -1.0));
        let noise = figure(0.5, 0.01, (-0.02, 0.03));
        check("nothing", [lost, noise, None, None, None], "| nothing | 70.00 | 0.500 | - | - | - |");
        let text = "| it | 70.00 -3.50 [-5.00, -1.00] | 0.500 +0.010 [-0.020, +0.030] noise | - | - | - |";
        check("it", [lost, noise, None, None, None], text);
    }
}
