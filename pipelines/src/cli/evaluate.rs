//! `bellwether evaluate`: labelled recordings, figures out.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::evaluate_series::Asks;
use super::evaluate_vectors::{Extent, Run, end_to_end, vectors};
use super::{
    ConfigArgs, Exit, chain_of, evaluate_ablation, evaluate_canary, evaluate_exhaustion, evaluate_logs,
    evaluate_series,
};
use crate::evaluate::{DetectorPart, Part, RHYTHM_SEED, Selection, export_exhaustion};

/// What can be evaluated.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// What each piece of the detector of single series is worth: the folders `kpi2018`, `mscloud`, `nab`, and generated series
    Ablation,
    /// Servers of many metrics, a row every 5 min: `<machine>_train.csv.zst`, `_test.csv.zst`, `_test_label.txt.zst`
    Asd,
    /// Recorded rollouts: `labels.json`, `<id>.csv.zst`, `<id>.log.zst`
    Canary,
    /// Processes that run out of something: `labels.json`, `<id>.csv.zst`
    Exhaustion,
    /// Services of many metrics, a row every 5 min, laid out like asd
    Jumpstarter,
    /// KPIs of the 2018 AIOps challenge: `<id>.csv.zst`
    Kpi2018,
    /// Labelled log lines: Loghub files, or recordings whose statements are known
    Logs,
    /// Microsoft cloud monitoring: `<kind>/<name>.csv.zst`
    Mscloud,
    /// Numenta Anomaly Benchmark: `data/`, `combined_windows.json`
    Nab,
    /// Generated series of days, weeks, jobs, bursts, shifts; no folder is needed
    Rhythms,
    /// Servers of many metrics, a row every minute, laid out like asd
    Smd,
}

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
pub(crate) struct EvaluateArgs {
    /// What
    #[arg(value_enum)]
    kind: Kind,
    /// Folder of recordings
    folder: Option<PathBuf>,
    /// Which of the recordings, by a hash of their names: settings are chosen on the development part alone
    #[arg(long, value_enum, default_value = "all")]
    part: Part,
    /// One JSON document instead of a table
    #[arg(long)]
    json: bool,
    /// With `--json`: every machine too (asd, jumpstarter, smd)
    #[arg(long, requires = "json")]
    details: bool,
    /// The machines as services that send OTLP, through the whole engine: what it would have published (asd, jumpstarter, smd)
    #[arg(long, conflicts_with_all = ["details", "params", "html"])]
    end_to_end: bool,
    /// Settings of the detector other than the defaults, as JSON, for ablations (asd, jumpstarter, smd)
    #[arg(long, value_name = "JSON")]
    params: Option<String>,
    /// Also add the rarity of windows among their prototypes to the score, with this weight (asd, jumpstarter, smd)
    #[arg(long, value_name = "WEIGHT")]
    prototypes: Option<f64>,
    /// Also write the recordings as OTLP JSON lines that `bellwether replay` reads, a folder for each
    #[arg(long, value_name = "DIR")]
    write_otlp: Option<PathBuf>,
    /// nab: score at this threshold instead of the best one
    #[arg(long)]
    threshold: Option<f64>,
    /// Also write a page of plots, one per series, misses and false alarms first
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// canary: also simulate rollouts, honest and harmful ones; exhaustion: also try generated series, beside the rules
    /// that most people run
    #[arg(long)]
    simulate: bool,
    /// exhaustion: what each piece of the forecast is worth, on the recordings and on generated series
    #[arg(long, conflicts_with_all = ["simulate", "html"])]
    ablation: bool,
    /// canary: simulated rollouts of each kind
    #[arg(long, default_value_t = 20, value_name = "N")]
    runs: u64,
    /// canary: also run each recording at so many places in a second and in a window (a number without a factor with ten)
    #[arg(long, value_name = "N")]
    phases: Option<u64>,
    /// ablation, rhythms: seed of the first generated series of each kind
    #[arg(long, value_name = "N", default_value_t = RHYTHM_SEED)]
    seed: u64,
    /// kpi2018, mscloud, nab, rhythms: leave a view of the detector out (its number), or `rhythm`, to see what it is worth
    #[arg(long, value_name = "PART")]
    without: Vec<DetectorPart>,
    /// kpi2018, mscloud, nab, rhythms: which of production's two detectors
    #[arg(long, value_enum, default_value = "full", conflicts_with = "without")]
    tier: evaluate_series::SeriesTier,
    /// kpi2018, mscloud: the first day of a service in another cluster, begun like the one that is known and with nothing
    #[arg(long, conflicts_with_all = ["html", "without"])]
    moved: bool,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Exit 0 when the figures could be computed, whatever they are, 2 for a wrong folder.
pub(crate) fn main(args: &EvaluateArgs) -> Exit {
    let folder = match (&args.folder, args.kind) {
        (Some(folder), _) => folder.as_path(),
        (None, Kind::Rhythms) => Path::new(""),
        (None, _) => {
            eprintln!("error: the folder of recordings is missing: bellwether evaluate KIND FOLDER");
            return Exit::Usage;
        }
    };
    if args.folder.is_some() && !folder.is_dir() {
        eprintln!("error: {} is no folder that can be read", folder.display());
        return Exit::Usage;
    }
    let selection = Selection { folder, part: args.part };
    let printing = evaluate_series::Printing {
        selection,
        json: args.json,
        html: args.html.as_ref(),
        without: &args.without,
        tier: args.tier,
        asks: if args.moved { Asks::FirstDays } else { Asks::Everything },
    };
    match args.kind {
        Kind::Ablation => evaluate_ablation::ablation(selection, args.seed, args.json),
        Kind::Canary => canary(args, selection),
        Kind::Exhaustion => {
            use evaluate_exhaustion::Generated;
            if args.ablation {
                return evaluate_exhaustion::ablation(selection, args.json);
            }
            if let Some(out) = &args.write_otlp
                && let Err(error) = export_exhaustion(folder, out)
            {
                return failed(&error);
            }
            let generated = if args.simulate { Generated::Yes } else { Generated::No };
            evaluate_exhaustion::exhaustion(selection, args.json, args.html.as_deref(), generated)
        }
        Kind::Kpi2018 => evaluate_series::kpi2018(&printing),
        Kind::Logs => evaluate_logs::logs(selection, args.json),
        Kind::Mscloud => evaluate_series::mscloud(&printing),
        Kind::Nab => evaluate_series::nab(&printing, args.threshold),
        Kind::Rhythms => evaluate_series::rhythms(&printing, args.seed),
        Kind::Asd | Kind::Jumpstarter | Kind::Smd => {
            let interval_secs = if matches!(args.kind, Kind::Smd) { 60 } else { 300 };
            if !args.end_to_end {
                let extent = if args.details { Extent::Details } else { Extent::Means };
                let (params, prototypes) = (args.params.as_deref(), args.prototypes);
                return vectors(&printing, &Run { interval_secs, extent, params, prototypes });
            }
            match args.config.plan() {
                Ok(plan) => end_to_end(&printing, interval_secs, &plan),
                Err(exit) => exit,
            }
        }
    }
}

fn canary(args: &EvaluateArgs, selection: Selection<'_>) -> Exit {
    let plan = match args.config.plan() {
        Ok(plan) => plan,
        Err(exit) => return exit,
    };
    let besides = evaluate_canary::Besides {
        write_otlp: args.write_otlp.as_deref(),
        simulated_runs: args.simulate.then_some(args.runs),
        phases: args.phases,
    };
    evaluate_canary::canary(selection, &plan, args.json, besides)
}

/// Tells the figures, as a JSON document or as a person reads them.
pub(super) fn printed(report: &impl Serialize, as_json: bool, for_people: impl FnOnce()) -> Exit {
    if as_json {
        println!("{}", serde_json::to_string_pretty(report).expect("plain values always serialise"));
    } else {
        for_people();
    }
    Exit::Fine
}

/// Writes a page of plots.
pub(super) fn write_page(path: &Path, page: String) -> Result<(), Exit> {
    std::fs::write(path, page).map_err(|error| {
        eprintln!("error: cannot write {}: {error}", path.display());
        Exit::Failed
    })
}

/// Says what went wrong.
pub(super) fn failed(error: &dyn std::error::Error) -> Exit {
    eprintln!("error: {}", chain_of(error));
    Exit::Failed
}
