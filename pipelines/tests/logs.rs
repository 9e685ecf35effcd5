//! Grouping of labelled log lines: our own lines in Loghub's layout, recordings whose labels are made, raw logs.

use std::path::{Path, PathBuf};

use engine::time::clock::Clock;
use pipelines::evaluate::{LogsReport, Selection, evaluate_logs};

fn report(folder: &Path) -> LogsReport {
    evaluate_logs(Selection::all(folder), &Clock::system()).expect("the folder holds labelled lines")
}

#[expect(clippy::disallowed_methods, reason = "recorded data sets are found through the environment")]
fn recordings() -> Option<PathBuf> {
    std::env::var("BELLWETHER_DATA").ok().map(PathBuf::from)
}

/// Scenario: 600 of our own lines, labelled and in Loghub's layout; then the same without the structured file, so that
/// labels come from the raw log and its templates.
/// Guarantees: every group is right, both ways.
#[test]
fn our_own_lines_are_grouped_right() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/logs/canaryrec");
    let seen = report(&folder);
    assert_eq!((seen.grouping_accuracy, seen.f1_grouping_accuracy), (1.0, 1.0), "{seen:?}");
    assert_eq!((seen.systems[0].lines, seen.systems[0].labels), (600, 6));
    let raw = tempfile::tempdir().unwrap();
    for name in ["canaryrec.log", "canaryrec.log_templates.csv"] {
        std::fs::copy(folder.join(name), raw.path().join(name)).unwrap();
    }
    let again = report(raw.path());
    assert_eq!((again.grouping_accuracy, again.systems[0].labels), (1.0, 6), "{again:?}");
}

/// Scenario: an empty folder.
/// Guarantees: an error that names the folder and what would be read.
#[test]
fn an_empty_folder_is_an_error() {
    let empty = tempfile::tempdir().unwrap();
    let error = evaluate_logs(Selection::all(empty.path()), &Clock::system()).unwrap_err().to_string();
    assert!(error.contains("_structured.csv") && error.contains(&*empty.path().to_string_lossy()), "{error}");
}

/// Scenario: all recorded logs: our rollouts, and two systems of microservices, one of them in the services that were
/// looked at while the miner was made and in the others.
/// Guarantees: grouping accuracy of at least 0.92 on each system, also on the one held out.
#[test]
fn recorded_systems_are_grouped() {
    let Some(data) = recordings() else {
        println!("BELLWETHER_DATA is not set: nothing to read");
        return;
    };
    let mut names = Vec::new();
    for folder in ["canaryrec", "nezha"] {
        for system in report(&data.join(folder)).systems {
            println!("{system:?}");
            assert!(system.grouping_accuracy >= 0.92, "{system:?}");
            names.push(system.system);
        }
    }
    assert_eq!(names, ["canaryrec", "online_boutique", "train_ticket_tuned_on", "train_ticket_held_out"]);
}
