//! Symptoms and the changes behind them.

use std::sync::Arc;

use contract::Level;

use super::*;
use crate::features::{Arm, EdgeRow, Pod, Subject};
use crate::scoring::{RuleName, Suspect};

const SEC: UnixNanos = NANOS_PER_SEC;

fn arm(version: &str) -> Arm {
    Arm { version: version.into(), template_hash: "".into(), revision: "".into() }
}

fn suspect() -> Suspect {
    Suspect { arm: arm("2"), stable: arm("1"), first_at: 100 * SEC }
}

fn finding(name: &str, suspect: Option<Suspect>, at: UnixNanos) -> Statement {
    let rule = if suspect.is_some() { RuleName::CanaryTest } else { RuleName::Slo };
    Statement::Found(Finding::alert(rule, ServiceKey::named(name), suspect, at))
}

/// `front` calls `cart`; nobody calls `mail`.
fn graph() -> CallGraph {
    let none: Arc<str> = "".into();
    let pod = Pod { id: "p".into(), name: Arc::clone(&none), node: none };
    let caller = Arc::new(Subject { service: ServiceKey::named("front"), arm: arm("1"), pod });
    let edge = EdgeRow {
        caller,
        callee: ServiceKey::named("cart"),
        callee_arm: None,
        start_at: 90 * SEC,
        end_at: 100 * SEC,
        calls: 1,
        failures: 0,
        client_us_sum: 1,
        matched: 0,
        gap_us_sum: 0,
    };
    let mut graph = CallGraph::default();
    graph.observe(&[edge], 100 * SEC);
    graph
}

/// Feeds statements second by second from 101 s on, while `cart` is compared since 100 s; gives second, service and
/// status of what was published.
fn published(
    by_second: impl Fn(i64) -> Vec<Statement>,
    upto: i64,
) -> Vec<(i64, String, contract::RiskStatus)> {
    let (graph, mut incidents) = (graph(), Incidents::new(10));
    let comparisons = BTreeMap::from([(ServiceKey::named("cart"), 100 * SEC)]);
    let mut all = Vec::new();
    for second in 101..upto {
        let around = Around { graph: &graph, comparisons: &comparisons };
        let notices = incidents.on_statements(by_second(second), around, second * SEC, |_| None);
        let told = |notice: Notice| (second, notice.incident.key.service.service.to_string(), notice.status);
        all.extend(notices.into_iter().map(told));
        let mut restored = Incidents::new(10);
        restored.load(&incidents.save()).unwrap();
        assert_eq!(restored, incidents, "a restart changes nothing");
    }
    all
}

/// Scenario: a caller breaks its SLO a few seconds before the new version behind it is found guilty. Guarantees: one
/// incident, the change's; the caller never has one of its own.
#[test]
fn a_symptom_waits_for_the_change_behind_it() {
    let seen = published(
        |second| {
            let mut now = vec![finding("front", None, second * SEC)];
            now.extend((second >= 110).then(|| finding("cart", Some(suspect()), second * SEC)));
            now
        },
        140,
    );
    assert!(!seen.is_empty() && seen.iter().all(|(_, name, _)| name == "cart"), "{seen:?}");
    assert_eq!(seen[0], (110, "cart".to_owned(), contract::RiskStatus::Opened));
}

/// Scenario: the comparison never finds anything; a service that calls nobody breaks its SLO too. Guarantees: the
/// caller's own incident comes after the wait, the unrelated one at once.
#[test]
fn a_symptom_without_a_culprit_is_told_after_a_while() {
    let both = |second| vec![finding("front", None, second * SEC), finding("mail", None, second * SEC)];
    let seen = published(both, 140);
    let opened = contract::RiskStatus::Opened;
    assert_eq!(seen, [(101, "mail".to_owned(), opened), (126, "front".to_owned(), opened)]);
}

/// Scenario: a finding that asks for `act` and for `alert` in turn, every five seconds, for two minutes, and then for
/// `alert` alone. Guarantees: one rise, no fall while it flaps, one fall a minute after the last `act`, which says so.
#[test]
fn a_level_that_flaps_is_held() {
    let (graph, mut incidents, comparisons) = (graph(), Incidents::new(10), BTreeMap::new());
    let mut levels = Vec::new();
    for second in 101..300_i64 {
        let Statement::Found(mut now) = finding("cart", Some(suspect()), second * SEC) else {
            unreachable!()
        };
        now.level = if second < 221 && (second / 5) % 2 == 0 { Level::Act } else { Level::Alert };
        let around = Around { graph: &graph, comparisons: &comparisons };
        let found = vec![Statement::Found(now)];
        for notice in incidents.on_statements(found, around, second * SEC, |_| None) {
            levels.push((second, notice.incident.level(), notice.incident.fell_from));
        }
    }
    let fall = levels.pop().unwrap();
    assert_eq!(levels, [(101, Level::Act, None)]);
    assert_eq!(fall, (281, Level::Alert, Some(Level::Act)));
}
