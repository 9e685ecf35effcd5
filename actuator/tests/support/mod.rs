//! What the tests stand on: a real bare repository with a second writer, real events, a real data directory.
#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    missing_debug_implementations,
    reason = "each test file uses a part"
)]
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "the helpers of tests fail like tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

use actuator::config::{Plan, read_texts};
use contract::{
    Assessment, Change, ChangeKind, Evidence, Level, Origin, Recommendation, RemedyKind, RiskEvent,
    RiskStatus, Rule, Scope, Timestamp, Window, incident_id,
};
use tempfile::TempDir;

/// 2026-11-24T08:00:00Z, a Tuesday: every test's idea of now.
pub const NOW_SECS: i64 = 1_795_507_200;

pub fn at(secs_after_now: i64) -> Timestamp {
    Timestamp::from_unix_nanos((NOW_SECS + secs_after_now) * 1_000_000_000)
}

/// A bare repository, the clone of a person who works on it, and the actuator's data directory.
pub struct World {
    pub dir: TempDir,
    pub bare: PathBuf,
    pub person: PathBuf,
}

/// Runs the real `git`, as a person would.
pub fn git(dir: &Path, secs_after_now: i64, arguments: &[&str]) -> String {
    let date = format!("{} +0000", NOW_SECS + secs_after_now);
    let mut command = Command::new("git");
    command.current_dir(dir).args(arguments);
    let settings = [
        ("GIT_AUTHOR_NAME", "Ada"),
        ("GIT_AUTHOR_EMAIL", "ada@example.com"),
        ("GIT_COMMITTER_NAME", "Ada"),
        ("GIT_COMMITTER_EMAIL", "ada@example.com"),
        ("GIT_AUTHOR_DATE", &date),
        ("GIT_COMMITTER_DATE", &date),
        ("GIT_CONFIG_GLOBAL", "/dev/null"),
        ("GIT_CONFIG_SYSTEM", "/dev/null"),
        ("GIT_EDITOR", "true"),
    ];
    command.envs(settings.iter().map(|(name, value)| (*name, *value)));
    let output = command.output().expect("git is installed");
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(output.status.success(), "git {arguments:?}: {text} {}", String::from_utf8_lossy(&output.stderr));
    text
}

pub fn manifest(version: &str, timeout_ms: u32) -> String {
    format!(
        "kind: Deployment\nreplicas: 3\nimage: registry.example/cart:{version}\nenv:\n  TIMEOUT_MS: {timeout_ms}\n"
    )
}

impl World {
    /// Version 1.0.0 of `cart` and `checkout`, made an hour ago.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (bare, person) = (dir.path().join("shop.git"), dir.path().join("person"));
        git(dir.path(), 0, &["init", "-q", "--bare", "-b", "main", "shop.git"]);
        git(dir.path(), 0, &["clone", "-q", "shop.git", "person"]);
        let world = Self { dir, bare, person };
        git(&world.person, 0, &["checkout", "-q", "-B", "main"]);
        world.write("apps/checkout/deployment.yaml", &manifest("1.0.0", 500));
        world.write("README.md", "the shop\n");
        world.commit("apps/cart/deployment.yaml", &manifest("1.0.0", 500), "Begin", -3600);
        world
    }

    pub fn write(&self, file: &str, text: &str) {
        let path = self.person.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Writes a file, commits all that was written and pushes it; gives back the commit.
    pub fn commit(&self, file: &str, text: &str, message: &str, secs_after_now: i64) -> String {
        self.write(file, text);
        git(&self.person, secs_after_now, &["add", "-A"]);
        git(&self.person, secs_after_now, &["commit", "-q", "-m", message]);
        self.push()
    }

    pub fn push(&self) -> String {
        git(&self.person, 0, &["push", "-q", "origin", "HEAD:main"]);
        git(&self.person, 0, &["rev-parse", "HEAD"])
    }

    /// The usual bad deploy, one minute ago.
    pub fn bad_deploy(&self) -> String {
        self.commit("apps/cart/deployment.yaml", &manifest("1.1.0", 500), "Deploy cart 1.1.0", -60)
    }

    pub fn head(&self) -> String {
        git(&self.bare, 0, &["rev-parse", "main"])
    }

    pub fn file(&self, file: &str) -> String {
        git(&self.bare, 0, &["show", &format!("main:{file}")])
    }

    pub fn message(&self, commit: &str) -> String {
        git(&self.bare, 0, &["log", "-1", "--format=%B", commit])
    }

    pub fn n_commits(&self) -> usize {
        git(&self.bare, 0, &["rev-list", "--count", "main"]).parse().unwrap()
    }

    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A policy that allows everything here.
    pub fn yaml(&self) -> String {
        format!(
            "data_dir: {}\napi: {{address: \"127.0.0.1:0\"}}\npolicy:\n  scopes:\n    - name: shop\n      match: {{namespace: shop}}\n      \
             mode: auto\n      repository: {}\n      path: \"apps/{{service}}\"\n      cool_down_secs: 0\n",
            self.data_dir().display(),
            self.bare.display()
        )
    }

    /// Its plan, with settings on top.
    pub fn plan(&self, overrides: &[&str]) -> Plan {
        let yaml = self.yaml();
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        read_texts(&[("test.yaml".to_owned(), yaml)], &overrides).unwrap_or_else(|faults| {
            panic!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
        })
    }
}

pub fn scope(service: &str) -> Scope {
    Scope {
        tenant: "default".into(),
        cluster: "eu1".into(),
        environment: "production".into(),
        namespace: "shop".into(),
        service: service.into(),
        version: "1.1.0".into(),
        stable_version: "1.0.0".into(),
        workload: None,
    }
}

/// An event that asks for the revert of the deploy of cart 1.1.0, decided now.
pub fn event() -> RiskEvent {
    event_with(|_| {})
}

/// The same, changed and signed again.
pub fn event_with(edit: impl FnOnce(&mut RiskEvent)) -> RiskEvent {
    let scope = scope("cart");
    let change = Change {
        id: "change-1".into(),
        kind: ChangeKind::Deploy,
        from: "1.0.0".into(),
        to: "1.1.0".into(),
        commit: None,
        at: at(-50),
        author: None,
        scope: scope.clone(),
    };
    let mut event = RiskEvent {
        schema_version: contract::RISK_SCHEMA_VERSION.into(),
        incident_id: incident_id(&scope, at(0), "canary_test"),
        revision: 1,
        status: RiskStatus::Opened,
        origin: Origin::Live,
        scope,
        window: Window { start: at(-10), end: at(0) },
        change: Some(change),
        assessment: Assessment {
            failure_probability: 0.99,
            severity: 0.8,
            impact: 0.5,
            risk: 0.9,
            level: Level::Act,
            confidence: 0.99,
            maturity: 1.0,
        },
        evidence: vec![Evidence {
            signal: "errors".into(),
            unit: "1".into(),
            expected: 0.005,
            lower: 0.0,
            upper: 0.01,
            observed: 0.15,
            p_value: None,
            e_value: Some(1e6),
            contribution: 1.0,
            text: "15 % of the requests to 1.1.0 fail, 0.5 % on 1.0.0".into(),
            exemplar_trace_ids: vec![],
            log_templates: vec![],
        }],
        counter_evidence: vec![],
        causes: vec![],
        similar: vec![],
        family: None,
        forecast: None,
        recommended: vec![Recommendation {
            action: RemedyKind::GitRevert,
            target: "1.1.0".into(),
            reason: "the new version fails".into(),
            reversible: true,
        }],
        rule: Rule { name: "canary_test".into(), version: 1 },
        capsule: None,
        evidence_digest: String::new(),
        explanation: "15 % of the requests to cart 1.1.0 fail, 0.5 % on 1.0.0.".into(),
    };
    edit(&mut event);
    event.evidence_digest = event.digest();
    event
}
