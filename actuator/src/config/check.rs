//! Written settings to a plan, one function per section.

use std::net::SocketAddr;
use std::path::PathBuf;

use settings::{Fault, Reader};

use super::freeze;
use super::plan::{EnginePlan, IntakeKind, KafkaPlan, LimitsPlan, Plan};
use crate::ledger::Retention;
use crate::policy::{Author, Mode, Rules, ScopeMatch, ScopeRule};

/// Every setting with its default; the first layer of every configuration.
pub const DEFAULT_YAML: &str = include_str!("../../default.yaml");

/// Reads the files in order, then the `path=value` overrides, on top of the defaults.
///
/// # Errors
/// All faults at once, sorted by file and line.
pub fn read_files(files: &[PathBuf], overrides: &[String]) -> Result<Plan, Vec<Fault>> {
    settings::read_files(files, |texts| read_texts(texts, overrides))
}

/// The same for texts `(name, content)` that were read already.
///
/// # Errors
/// All faults at once, sorted by file and line.
pub fn read_texts(texts: &[(String, String)], overrides: &[String]) -> Result<Plan, Vec<Fault>> {
    let mut reader = Reader::default();
    reader.add_yaml("default.yaml", DEFAULT_YAML);
    texts.iter().for_each(|(name, text)| reader.add_yaml(name, text));
    overrides.iter().for_each(|given| reader.add_override(given));
    let revision = revision_of(texts, overrides);
    let plan = check(&mut reader, revision);
    let faults = reader.finish();
    if faults.is_empty() { Ok(plan) } else { Err(faults) }
}

/// Names one state of the policy in ledger and trailers.
fn revision_of(texts: &[(String, String)], overrides: &[String]) -> String {
    let parts = texts.iter().map(|(_, text)| text.as_str()).chain(overrides.iter().map(String::as_str));
    contract::content_id(&parts.collect::<Vec<_>>()).chars().take(12).collect()
}

fn check(reader: &mut Reader, revision: String) -> Plan {
    reader.whole("version", 1, 1..=1);
    let intake = reader.choice(
        "intake",
        IntakeKind::Http,
        &[("http", IntakeKind::Http), ("kafka", IntakeKind::Kafka)],
    );
    Plan {
        data_dir: PathBuf::from(reader.required("data_dir", "a directory")),
        api_address: reader.address("api.address", SocketAddr::from(([127, 0, 0, 1], 8081))),
        intake,
        engine: engine(reader),
        kafka: kafka(reader),
        ledger: ledger(reader),
        limits: limits(reader),
        rules: rules(reader, revision),
    }
}

fn engine(reader: &mut Reader) -> EnginePlan {
    let url = reader.required("engine.url", "http://host:port");
    let parsed =
        url.parse::<http::Uri>().ok().filter(|uri| uri.scheme_str() == Some("http") && uri.host().is_some());
    if parsed.is_none() && !url.is_empty() {
        reader.fault("engine.url", format!("is {url:?}, must be http://host:port"));
    }
    EnginePlan {
        url: url.trim_end_matches('/').to_owned(),
        idle_secs: reader.whole("engine.idle_secs", 60, 1..=3600),
    }
}

fn kafka(reader: &mut Reader) -> KafkaPlan {
    let brokers = reader.list("kafka.brokers");
    if brokers.is_empty() {
        reader.fault("kafka.brokers", "is empty, must name at least one host:port");
    }
    KafkaPlan {
        brokers,
        group_id: reader.required("kafka.group_id", "the name of a consumer group"),
        risk_events_topic: reader.required("kafka.risk_events_topic", "the name of a topic"),
        outcomes_topic: reader.required("kafka.outcomes_topic", "the name of a topic"),
    }
}

fn ledger(reader: &mut Reader) -> Retention {
    Retention {
        bytes_max: reader.whole("ledger.retained_bytes", 256 << 20, 16 << 20..=1_000_000_000_000),
        secs_max: reader.whole("ledger.retained_secs", 157_680_000, 2_592_000..=946_080_000),
    }
}

fn limits(reader: &mut Reader) -> LimitsPlan {
    LimitsPlan {
        event_bytes: reader.whole("limits.event_bytes", 1_048_576, 1024..=16_777_216) as usize,
        push_attempts: reader.whole("limits.push_attempts", 5, 1..=50) as u32,
        walk_commits: reader.whole("limits.walk_commits", 5000, 10..=1_000_000) as usize,
    }
}

fn rules(reader: &mut Reader, revision: String) -> Rules {
    let max_event_age_secs = reader.whole("limits.max_event_age_secs", 300, 10..=3600);
    let max_clock_skew_secs = reader.whole("limits.max_clock_skew_secs", 60, 0..=600);
    let author = Author {
        name: reader.required("policy.author.name", "a name for the commits"),
        email: reader.required("policy.author.email", "an address for the commits"),
    };
    for (key, text) in [("policy.author.name", &author.name), ("policy.author.email", &author.email)] {
        if text.contains(['<', '>', '\n', '\0']) {
            reader.fault(key, format!("is {text:?}, must not contain < or > or a line break"));
        }
    }
    let scopes: Vec<ScopeRule> = (0..reader.n_items("policy.scopes")).map(|idx| scope(reader, idx)).collect();
    if scopes.is_empty() && reader.text("policy.scopes").is_some() {
        reader.fault("policy.scopes", "is a single value, must be a list of scopes");
    }
    for (idx, rule) in scopes.iter().enumerate() {
        if scopes.iter().take(idx).any(|earlier| earlier.name == rule.name) && !rule.name.is_empty() {
            reader.fault(
                &format!("policy.scopes[{idx}].name"),
                format!("is {:?} twice, must be unique", rule.name),
            );
        }
    }
    Rules { max_event_age_secs, max_clock_skew_secs, author, revision, scopes }
}

fn scope(reader: &mut Reader, idx: usize) -> ScopeRule {
    let at = |key: &str| format!("policy.scopes[{idx}].{key}");
    let words = [
        ("observe", Mode::Observe),
        ("suggest", Mode::Suggest),
        ("approve", Mode::Approve),
        ("auto", Mode::Auto),
    ];
    let mode = reader.choice(&at("mode"), Mode::Observe, &words);
    ScopeRule {
        name: name(reader, &at("name")),
        matches: matches(reader, &at("match")),
        mode,
        repository: repository(reader, &at("repository"), mode),
        branch: branch(reader, &at("branch")),
        path: path(reader, &at("path"), mode),
        min_confidence: reader.number(&at("min_confidence"), 0.8, 0.0..=1.0),
        cool_down_secs: reader.whole(&at("cool_down_secs"), 1800, 0..=604_800),
        max_actions_per_day: reader.whole(&at("max_actions_per_day"), 3, 0..=100) as u32,
        scope_actions_per_day: reader.whole(&at("scope_actions_per_day"), 10, 0..=1000) as u32,
        max_commit_age_secs: reader.whole(&at("max_commit_age_hours"), 24, 1..=8760) * 3600,
        config_window_secs: reader.whole(&at("config_window_minutes"), 30, 1..=10_080) * 60,
        whole_commit: reader.choice(&at("whole_commit"), false, &[("true", true), ("false", false)]),
        freeze: (0..reader.n_items(&at("freeze")))
            .filter_map(|window| freeze::window(reader, &format!("{}[{window}]", at("freeze"))))
            .collect(),
    }
}

fn name(reader: &mut Reader, key: &str) -> String {
    let name = reader.required(key, "a short name, it stands in ledger and commits");
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !name.chars().all(fine) || name.len() > 64 {
        reader.fault(key, format!("is {name:?}, must be at most 64 of a-z A-Z 0-9 - _ ."));
    }
    name
}

fn matches(reader: &mut Reader, key: &str) -> ScopeMatch {
    let mut part = |name: &str| reader.text(&format!("{key}.{name}")).unwrap_or_else(|| "*".to_owned());
    ScopeMatch {
        tenant: part("tenant"),
        cluster: part("cluster"),
        environment: part("environment"),
        namespace: part("namespace"),
        service: part("service"),
    }
}

fn repository(reader: &mut Reader, key: &str, mode: Mode) -> String {
    let Some(text) = reader.text(key) else {
        if mode != Mode::Observe {
            reader.fault(key, "is missing, must be the path or file:// URL of a bare repository");
        }
        return String::new();
    };
    let path = text.strip_prefix("file://").unwrap_or(&text);
    if path.contains("://") || !path.starts_with('/') {
        reader.fault(
            key,
            format!("is {text:?}, must be an absolute path or a file:// URL of a bare repository"),
        );
    }
    text
}

fn branch(reader: &mut Reader, key: &str) -> String {
    let branch = reader.text(key).unwrap_or_else(|| "main".to_owned());
    if !git2::Reference::is_valid_name(&format!("refs/heads/{branch}")) {
        reader.fault(key, format!("is {branch:?}, must be the name of a branch, as in main"));
    }
    branch
}

fn path(reader: &mut Reader, key: &str, mode: Mode) -> String {
    let Some(text) = reader.text(key) else {
        if mode != Mode::Observe {
            reader.fault(
                key,
                "is missing, must be the folder or file of the desired state, as in apps/{service}",
            );
        }
        return String::new();
    };
    if let Err(why) = crate::policy::check_path_template(&text) {
        reader.fault(key, format!("is {text:?}, {why}"));
    }
    text.trim_end_matches('/').to_owned()
}
