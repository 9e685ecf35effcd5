//! The engine's configuration as people write it: good files, hostile ones with the expected text beside them, the
//! defaults, and the program that checks them.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like tests")]

use std::path::PathBuf;
use std::process::{Command, Output};

use pipelines::config::{DEFAULT_YAML, read_files, read_texts};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testdata/config")
}

fn bellwether(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bellwether")).args(arguments).output().unwrap()
}

/// Scenario: every hostile file of testdata. Guarantees: all its faults at once, each with file, line, key and what is
/// allowed, exactly as written beside it; `check` answers 3, `run` and `replay` answer 2 and start nothing.
#[test]
fn hostile_files_are_told_all_their_faults() {
    let mut n_files = 0;
    for entry in std::fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !(name.starts_with("engine-bad-") && name.ends_with(".yaml")) {
            continue;
        }
        n_files += 1;
        let faults = read_texts(&[(name.clone(), std::fs::read_to_string(&path).unwrap())], &[]).unwrap_err();
        let told = faults.iter().map(|fault| format!("{fault}\n")).collect::<String>();
        let expected = std::fs::read_to_string(path.with_extension("expected")).unwrap_or_default();
        assert_eq!(told, expected, "{name}\n{told}");
        let file = path.to_str().unwrap();
        let checked = bellwether(&["check", "--json", file]);
        assert_eq!(checked.status.code(), Some(3), "{name}");
        let answer: serde_json::Value = serde_json::from_slice(&checked.stdout).unwrap();
        assert_eq!(answer["faults"].as_array().unwrap().len(), faults.len(), "{name}");
        assert_eq!(bellwether(&["run", "--config", file]).status.code(), Some(2), "{name}");
        assert_eq!(bellwether(&["replay", "nowhere", "--config", file]).status.code(), Some(2), "{name}");
    }
    assert!(n_files >= 6, "found {n_files} files");
}

/// Scenario: the good file, the defaults, several layers. Guarantees: no faults, the last layer wins, and the documented
/// defaults are the ones that hold when nothing is written.
#[test]
fn good_files_are_read() {
    let good = folder().join("engine-good.yaml");
    let plan = read_files(std::slice::from_ref(&good), &[]).unwrap();
    let kafka = plan.kafka.as_ref().unwrap();
    assert_eq!((kafka.brokers.len(), plan.slo.latency_ms, plan.receive.enabled), (2, Some(800.0), true));
    let over = ["kafka.enabled=false", "kafka.brokers=a:1, b:2,c:3", "tenant=other"].map(str::to_owned);
    let plan = read_files(std::slice::from_ref(&good), &over).unwrap();
    assert_eq!((plan.kafka, plan.tenant.as_str()), (None, "other"));
    let defaults = read_texts(&[], &[]).unwrap();
    assert_eq!(read_texts(&[("again".into(), DEFAULT_YAML.into())], &[]).unwrap(), defaults);
    let empty: String = DEFAULT_YAML
        .lines()
        .map(|line| match line.split_once(": ") {
            Some((key, _)) if !line.trim_start().starts_with('#') && !key.contains("brokers") => {
                format!("{key}:\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    assert_eq!(read_texts(&[("empty".into(), empty)], &[]).unwrap(), defaults, "code and document agree");
    let checked = bellwether(&["check", good.to_str().unwrap()]);
    assert_eq!((checked.status.code(), checked.stdout.as_slice()), (Some(0), b"no faults\n".as_slice()));
    assert_eq!(bellwether(&["check", "--defaults"]).stdout, DEFAULT_YAML.as_bytes());
}

/// Scenario: a file that is not there beside one with a fault, an unknown command, a wrong override. Guarantees: each is
/// told, and the exit code says whose turn it is.
#[test]
fn bad_usage_answers_two() {
    let bad = folder().join("engine-bad-silent.yaml");
    let checked = bellwether(&["check", "no-such-file.yaml", bad.to_str().unwrap(), "--set", "tenant"]);
    let told = String::from_utf8(checked.stderr).unwrap();
    assert_eq!(checked.status.code(), Some(3));
    for part in ["no-such-file.yaml: cannot be read", "receive.enabled", "must be path=value", "3 faults"] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    assert_eq!(bellwether(&["dance"]).status.code(), Some(2));
    assert_eq!(bellwether(&["run", "--set", "api.address=here"]).status.code(), Some(2));
}
