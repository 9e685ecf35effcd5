//! `evaluate ablation`: what each piece of the detector of single series is worth, on all labelled sets and on generated series.
//!
//! One piece is taken out at a time, and everything is run anew: NAB with thresholds from other files, the ranking of
//! kpi2018, mscloud and of generated rhythms, and what the alarm budget of kpi2018 finds at one false episode a
//! series-week. Beside each figure stands its difference from that of everything, with a paired bootstrap interval over the
//! files: where the interval holds 0 the difference is noise. What it does not do: decide.

use models::accuracy::{Found, NabProfile};
use models::univariate::{AlarmParams, MeanSurprise, Periods, SurpriseParams};
use serde::Serialize;

use super::canaryrec::RecordingError;
use super::kpi2018::read_kpi2018;
use super::mscloud::read_mscloud;
use super::nab::{Labelled, fitted_raw, read_files};
use super::part::Selection;
use super::points::{found_a_week, recall};
use super::resample::{bootstrap, by_two_threads, mean};
use super::rhythms::{rhythm_series, vus_of};
use super::series::{LabelledSeries, SeriesDetector, score_series};

/// Names of the columns, in their order.
pub const ABLATION_COLUMNS: [&str; 5] =
    ["nab", "kpi2018 vus_pr", "kpi2018 recall", "mscloud vus_pr", "rhythms vus_pr"];

/// One figure without a piece.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct AblatedFigure {
    /// The figure.
    pub figure: f64,
    /// What it is beyond that of everything.
    pub difference: f64,
    /// Paired 95 % bootstrap interval of the difference, over files.
    pub interval: (f64, f64),
    /// Whether the interval holds 0.
    pub is_noise: bool,
}

/// What became of everything without one piece.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AblatedPiece {
    /// The piece.
    pub without: String,
    /// By column ([`ABLATION_COLUMNS`]); `None` for a set that is not there.
    pub figures: [Option<AblatedFigure>; 5],
}

/// What is run: the labelled sets that are there, and generated series.
#[derive(Debug)]
pub struct AblationSets {
    nab: Vec<Labelled>,
    kpi2018: Vec<LabelledSeries>,
    mscloud: Vec<LabelledSeries>,
    rhythms: Vec<LabelledSeries>,
}

impl AblationSets {
    /// The folders `nab`, `kpi2018` and `mscloud` of a selection's folder, those that there are, and so many generated series of
    /// each kind from a seed on.
    ///
    /// # Errors
    /// [`RecordingError`] names file and line.
    pub fn read(selection: Selection<'_>, (seed, n): (u64, u64)) -> Result<Self, RecordingError> {
        let folder = |name: &str| Some(selection.folder.join(name)).filter(|path| path.is_dir());
        let mut sets = Self {
            nab: Vec::new(),
            kpi2018: Vec::new(),
            mscloud: Vec::new(),
            rhythms: rhythm_series(seed, n),
        };
        if let Some(folder) = folder("nab") {
            sets.nab = selection.part.of(read_files(&folder)?, |labelled| labelled.series.name.clone());
        }
        if let Some(folder) = folder("kpi2018") {
            sets.kpi2018 = read_kpi2018(Selection { folder: &folder, part: selection.part })?;
        }
        if let Some(folder) = folder("mscloud") {
            sets.mscloud = read_mscloud(Selection { folder: &folder, part: selection.part })?;
            sets.mscloud.retain(|series| series.labels[series.scored.clone()].contains(&true));
        }
        Ok(sets)
    }
}

/// A detector with a piece taken out, and the alarm rule of the benchmark that wants one.
#[derive(Debug, Clone)]
struct Piece {
    name: String,
    detector: SeriesDetector,
    alarms: AlarmParams,
}

/// What a detector makes of all sets, by file.
#[derive(Debug)]
struct Outcome {
    nab: Vec<f64>,
    kpi2018: Vec<f64>,
    found: Vec<Found>,
    mscloud: Vec<f64>,
    rhythms: Vec<f64>,
}

/// Takes out every piece in turn; tells each row when it is known. The first one is everything.
pub fn ablate_series(sets: &AblationSets, mut told: impl FnMut(&AblatedPiece)) -> Vec<AblatedPiece> {
    let mut everything = None;
    let mut row = |piece: &Piece| {
        let outcome = outcome(sets, piece);
        let row = compared(sets, piece, &outcome, everything.as_ref().unwrap_or(&outcome));
        told(&row);
        everything.get_or_insert(outcome);
        row
    };
    pieces().iter().map(&mut row).collect()
}

fn pieces() -> Vec<Piece> {
    let (all, alarms) = (SurpriseParams::default(), AlarmParams::default());
    let piece = |name: &str, params: SurpriseParams| Piece {
        name: name.to_owned(),
        detector: SeriesDetector::with(params)
            .expect("every piece can be taken out within the allowed ranges"),
        alarms,
    };
    let lacking = |views: &[usize]| SurpriseParams {
        views: views.iter().fold(all.views, |left, view| left & !(1 << view)),
        ..all
    };
    let mut pieces = vec![piece("nothing", all)];
    for (view, name) in MeanSurprise::VIEWS.iter().enumerate() {
        pieces.push(piece(&format!("view {view}: {name}"), lacking(&[view])));
    }
    pieces.extend([
        piece("the value and its means (0 to 3)", lacking(&[0, 1, 2, 3])),
        piece("the usual day (4 to 7, 9)", lacking(&[4, 5, 6, 7, 9])),
        piece("all means (1 to 3, 5 to 7)", lacking(&[1, 2, 3, 5, 6, 7])),
        piece("what is new in a few steps (11, 12)", lacking(&[11, 12])),
        piece("mean deviations of 3 and 6 steps (5, 6)", lacking(&[5, 6])),
        piece("periods other than a week", SurpriseParams { periods: Periods::Week, ..all }),
        piece("all periods beside the day", SurpriseParams { periods: Periods::None, ..all }),
        piece("more weight for the strongest: the plain mean", SurpriseParams { power: 1.0, ..all }),
        piece("the mean: the strongest alone, nearly", SurpriseParams { power: 100.0, ..all }),
        piece("the hold of the highest score", SurpriseParams { hold: 0.0, ..all }),
        piece("fading of what was visited", SurpriseParams { memory_days: 365.0, memory_points: 1e6, ..all }),
        piece("ranges that age", SurpriseParams { aged_visits: 0.0, ..all }),
        piece("how far outside of a range", SurpriseParams { beyond: 0.0, ..all }),
        piece("little taught by the extreme", SurpriseParams { extreme_teaches: 1.0, ..all }),
        piece("clipping of the level and the error", SurpriseParams { clip_deviations: 1e6, ..all }),
        piece("a lasting shift as new baseline", SurpriseParams { rebase_steps: 1e6, ..all }),
        piece("time passing in gaps", SurpriseParams { gap_steps_max: 1.0, ..all }),
    ]);
    let of_rule = |name: &str, alarms| Piece { alarms, ..piece(name, all) };
    pieces.push(of_rule("NAB alone: fatigue of the alarm rule", AlarmParams { fatigue: 0.0, ..alarms }));
    pieces
        .push(of_rule("NAB alone: hold-off of the alarm rule", AlarmParams { hold_off_secs: 0.0, ..alarms }));
    pieces.push(Piece { detector: SeriesDetector::hot(), ..piece("the full tier: the hot one alone", all) });
    pieces
}

fn outcome(sets: &AblationSets, piece: &Piece) -> Outcome {
    let ranked = |series: &[LabelledSeries]| {
        by_two_threads(series, |one| vus_of(one, &score_series(one, &piece.detector).scores))
    };
    let scored = by_two_threads(&sets.nab, |one| score_series(&one.series, &piece.detector));
    Outcome {
        nab: fitted_raw(&sets.nab, &scored, piece.alarms),
        kpi2018: ranked(&sets.kpi2018),
        found: found_a_week(&sets.kpi2018, &piece.detector),
        mscloud: ranked(&sets.mscloud),
        rhythms: ranked(&sets.rhythms),
    }
}

fn compared(sets: &AblationSets, piece: &Piece, of: &Outcome, all: &Outcome) -> AblatedPiece {
    let nab = |raw: &[f64], drawn: &[usize]| {
        let windows = drawn.iter().map(|&nth| sets.nab[nth].file.n_windows()).sum();
        NabProfile::STANDARD.normalised(drawn.iter().map(|&nth| raw[nth]).sum(), windows)
    };
    let means = |values: &[f64], drawn: &[usize]| mean(drawn.iter().map(|&nth| values[nth]));
    let figures = [
        paired(sets.nab.len(), |drawn| (nab(&of.nab, drawn), nab(&all.nab, drawn))),
        paired(of.kpi2018.len(), |drawn| (means(&of.kpi2018, drawn), means(&all.kpi2018, drawn))),
        paired(of.found.len(), |drawn| (recall(&of.found, drawn), recall(&all.found, drawn))),
        paired(of.mscloud.len(), |drawn| (means(&of.mscloud, drawn), means(&all.mscloud, drawn))),
        paired(of.rhythms.len(), |drawn| (means(&of.rhythms, drawn), means(&all.rhythms, drawn))),
    ];
    AblatedPiece { without: piece.name.clone(), figures }
}

/// What becomes of a figure over `n` files: `both` gives it and what it is compared with, over the drawn numbers of files. `None`
/// without any file.
#[must_use]
pub fn paired(n: usize, both: impl Fn(&[usize]) -> (f64, f64)) -> Option<AblatedFigure> {
    let whole: Vec<usize> = (0..n).collect();
    let (figure, of_all) = if n > 0 { both(&whole) } else { return None };
    let interval = bootstrap(n, |drawn| {
        let (figure, of_all) = both(drawn);
        figure - of_all
    });
    let is_noise = interval.0 <= 0.0 && interval.1 >= 0.0;
    Some(AblatedFigure { figure, difference: figure - of_all, interval, is_noise })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: ten files that all lose a little, ten of which half lose and half gain.
    /// Guarantees: the first difference is told apart from noise, the second is noise; nothing is said of no files.
    #[test]
    fn noise_is_called_noise() {
        let of = |loss: &dyn Fn(usize) -> f64| {
            let means = |drawn: &[usize], less: &dyn Fn(usize) -> f64| {
                mean(drawn.iter().map(|&nth| nth as f64 - less(nth)))
            };
            paired(10, |drawn| (means(drawn, loss), means(drawn, &|_| 0.0))).unwrap()
        };
        let steady = of(&|_| 0.01);
        assert!(!steady.is_noise && (steady.difference + 0.01).abs() < 1e-9, "{steady:?}");
        let mixed = of(&|nth| if nth % 2 == 0 { 1.0 } else { -1.0 });
        assert!(mixed.is_noise, "{mixed:?}");
        assert_eq!(paired(0, |_| (1.0, 2.0)), None);
    }

    /// Scenario: the pieces that are taken out.
    /// Guarantees: each has a name of its own, and every view is among them.
    #[test]
    fn every_view_is_a_piece() {
        let names: std::collections::BTreeSet<String> =
            pieces().into_iter().map(|piece| piece.name).collect();
        assert_eq!(names.len(), pieces().len());
        let views = names.iter().filter(|name| name.starts_with("view ")).count();
        assert_eq!(views, MeanSurprise::VIEWS.len());
    }
}
