//! The configuration as people write it: good files, hostile ones with the expected text beside them, the defaults.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like tests")]

use std::ffi::OsString;
use std::path::PathBuf;

use actuator::config::{DEFAULT_YAML, read_files, read_texts};
use contract::Timestamp;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata/config")
}

fn run(arguments: &[&str]) -> (u8, String) {
    let mut out = Vec::new();
    let arguments =
        std::iter::once("bellwether-actuator").chain(arguments.iter().copied()).map(OsString::from);
    let code = actuator::cli::main(arguments, || Timestamp::from_unix_nanos(0), &mut out);
    (code, String::from_utf8(out).unwrap())
}

/// Scenario: every hostile file of testdata. Guarantees: all its faults at once, each with file, line, key and what is
/// allowed, exactly as written beside it; `check` answers 3.
#[test]
fn hostile_files_are_told_all_their_faults() {
    let mut n_files = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !(name.starts_with("actuator-bad-") && name.ends_with(".yaml")) {
            continue;
        }
        n_files += 1;
        let faults = read_texts(&[(name.clone(), std::fs::read_to_string(&path).unwrap())], &[]).unwrap_err();
        let told = faults.iter().map(|fault| format!("{fault}\n")).collect::<String>();
        let expected = std::fs::read_to_string(path.with_extension("expected")).unwrap_or_default();
        assert_eq!(told, expected, "{name}\n{told}");
        for arguments in [&["check", "--config"][..], &["check"]] {
            let (code, out) = run(&[arguments, &[path.to_str().unwrap()]].concat());
            assert_eq!((code, out.lines().count()), (3, faults.len()), "{name}");
        }
    }
    assert!(n_files >= 5, "found {n_files} files");
}

/// Scenario: the good file, the defaults, several layers. Guarantees: no faults, the last layer wins, the policy's revision
/// follows its text.
#[test]
fn good_files_are_read() {
    let good = folder().join("actuator-good.yaml");
    let plan = read_files(std::slice::from_ref(&good), &[]).unwrap();
    assert_eq!(plan.rules.scopes.len(), 2);
    let other =
        read_files(std::slice::from_ref(&good), &["policy.scopes[0].mode=observe".to_owned()]).unwrap();
    assert_eq!(other.rules.scopes[0].mode, actuator::policy::Mode::Observe);
    assert_ne!(plan.rules.revision, other.rules.revision);
    let defaults = read_texts(&[], &[]).unwrap();
    assert_eq!(read_texts(&[("again".into(), DEFAULT_YAML.into())], &[]).unwrap().limits, defaults.limits);
    assert!(defaults.rules.scopes.is_empty(), "nothing is touched by default");
    let (code, out) = run(&["check", "--json", "--config", good.to_str().unwrap()]);
    assert_eq!(code, 0);
    assert!(out.contains("\"ok\":true"), "{out}");
}

/// Scenario: bad usage. Guarantees: exit code 2; faults as JSON where asked.
#[test]
fn bad_usage_answers_two() {
    assert_eq!(run(&["dance"]).0, 2);
    assert_eq!(run(&["--help"]).0, 0);
    let (code, out) = run(&["run", "--set", "intake=pigeon", "--json"]);
    assert_eq!(code, 2);
    assert!(out.contains("\"key\":\"intake\""), "{out}");
    let (code, out) = run(&["check", "--config", "/no/such/file.yaml"]);
    assert_eq!(code, 3);
    assert!(out.starts_with("/no/such/file.yaml: cannot be read"), "{out}");
}

/// Scenario: freeze, thaw and ledger from the command line on one data directory. Guarantees: answers as documented, a
/// changed ledger answers 3.
#[test]
fn the_switch_and_the_ledger_work_from_the_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let set = format!("data_dir={}", dir.path().display());
    assert_eq!(run(&["freeze", "--why", "migration", "--set", &set]).0, 0);
    assert!(actuator::freeze::frozen(dir.path()).unwrap().starts_with("migration"));
    assert_eq!(run(&["ledger", "verify", "--set", &set]).0, 1, "there is none yet");
    drop(actuator::ledger::Ledger::open(dir.path(), Timestamp::from_unix_nanos(0)).unwrap());
    assert_eq!(run(&["ledger", "verify", "--set", &set]).0, 0);
    std::fs::write(dir.path().join("ledger.jsonl"), "{}\n").unwrap();
    let (code, out) = run(&["ledger", "verify", "--set", &set]);
    assert_eq!(code, 3);
    assert!(out.starts_with("broken at line 1: "), "{out}");
    assert_eq!(run(&["thaw", "--set", &set]).0, 0);
    assert_eq!(actuator::freeze::frozen(dir.path()), None);
}
