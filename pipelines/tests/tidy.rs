//! Style as a test: sizes, edges between crates and stages, words that do not belong, documents that must match.
//!
//! What it does not check: what clippy, rustfmt and cargo-deny check already.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate is in the workspace").to_owned()
}

/// Source files of our crates, tests and benches apart.
fn sources() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for krate in ["engine", "models", "pipelines", "actuator"] {
        collect(&root().join(krate), &mut found);
    }
    assert!(found.len() > 50, "the sources were not found");
    found
}

fn collect(folder: &Path, found: &mut BTreeMap<String, String>) {
    let mut entries: Vec<_> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if path.is_dir() && !matches!(name.as_str(), "tests" | "target" | "benches" | "fuzz") {
            collect(&path, found);
        } else if name.ends_with(".rs") && !name.ends_with("tests.rs") {
            let key = path.strip_prefix(root()).expect("below the root").to_string_lossy().replace('\\', "/");
            found.insert(key, fs::read_to_string(&path).expect("UTF-8"));
        }
    }
}

/// The lines before a file's own test module.
fn without_tests(text: &str) -> impl Iterator<Item = &str> {
    text.lines().take_while(|line| *line != "#[cfg(test)]")
}

/// Scenario: every source file. Guarantees: 500 lines of code at the most, and a module document.
#[test]
fn files_are_small_and_say_what_they_are_for() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let code = without_tests(&text)
            .filter(|line| !line.trim().is_empty() && !line.trim().starts_with("//"))
            .count();
        if code > 500 {
            faults.push(format!("{path}: {code} lines of code, 500 is the stop"));
        }
        if !text.lines().take(5).any(|line| line.starts_with("//!")) {
            faults.push(format!("{path}: no module document at the top"));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Scenario: the engine's sources. Guarantees: no word of the product in them.
#[test]
fn the_engine_knows_no_word_of_the_product() {
    let mut faults = Vec::new();
    for (path, text) in sources().iter().filter(|(path, _)| path.starts_with("engine/src")) {
        for word in ["rollout", "argocd", "anomaly", "incident", "canary"] {
            let hits = without_tests(text)
                .filter(|line| !line.trim().starts_with("//"))
                .filter(|line| line.to_lowercase().contains(word));
            faults.extend(hits.map(|line| format!("{path}: {}", line.trim())));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Direct dependencies of a crate, without those for tests.
fn dependencies(manifest: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(manifest)).expect("a manifest");
    let section = text.split("[dependencies]").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    section
        .lines()
        .filter_map(|line| line.split(['.', ' ', '=']).next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Scenario: the manifests. Guarantees: only the edges between crates that the architecture allows.
#[test]
fn crates_keep_to_the_allowed_edges() {
    let banned: [(&str, &[&str]); 6] = [
        ("engine/Cargo.toml", &["models", "contract", "pipelines", "actuator", "demo"]),
        ("models/Cargo.toml", &["engine", "contract", "pipelines", "tokio", "arrow", "rdkafka"]),
        ("pipelines/contract/Cargo.toml", &["engine", "models", "pipelines", "tokio", "arrow"]),
        ("pipelines/settings/Cargo.toml", &["engine", "models", "contract", "pipelines", "tokio", "arrow"]),
        ("actuator/Cargo.toml", &["engine", "models", "pipelines", "arrow", "datafusion", "linfa"]),
        ("pipelines/Cargo.toml", &["actuator", "demo", "git2", "kube"]),
    ];
    for (manifest, names) in banned {
        let found = dependencies(manifest);
        assert!(!found.is_empty() || manifest.contains("contract"), "{manifest} was not read");
        for name in names {
            assert!(!found.contains(&(*name).to_owned()), "{manifest} must not depend on {name}");
        }
    }
}

/// The stages from left to right.
const STAGES: [&str; 9] =
    ["features", "topology", "scoring", "changes", "incident", "risk", "history", "event", "wiring"];

/// Scenario: every stage's sources. Guarantees: a stage uses what lies to its left, never what lies to its right.
#[test]
fn stages_look_only_to_the_left() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let Some(stage) = STAGES.iter().position(|stage| path.starts_with(&format!("pipelines/src/{stage}")))
        else {
            continue;
        };
        for right in &STAGES[stage + 1..] {
            let hits = without_tests(&text).filter(|line| line.contains(&format!("crate::{right}::")));
            faults.extend(hits.map(|line| format!("{path}: {}", line.trim())));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}
