//! The shop's own rules.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;

const NOON: UnixNanos = 1_795_521_600 * SECOND;

fn fleet(seed: u64) -> Fleet {
    let mut broken = BrokenBuilds::default();
    broken.add(4, "2.0.0", Behaviour { crashes: true, ..Behaviour::default() });
    let mut fleet = Fleet::new(seed, broken);
    for (service, spec) in SERVICES.iter().enumerate() {
        let template = Arc::new(Template {
            service,
            version: spec.version.to_owned(),
            env: BTreeMap::new(),
            hash: format!("{service:05x}"),
        });
        for _ in 0..spec.replicas {
            fleet.create(&template, &Arc::from("r0"), NOON, true);
        }
    }
    fleet
}

fn run(seed: u64, secs: i64, disturbance: Disturbance) -> Vec<Step> {
    let fleet = fleet(seed);
    let mut shop = Shop::new(seed, 60.0, NOON);
    let tick = SECOND / 10;
    (0..secs * 10).map(|n| shop.step(NOON + n * tick, NOON + (n + 1) * tick, &fleet, disturbance)).collect()
}

/// Scenario: the same seed twice, another seed once.
/// Guarantees: equal facts for equal seeds, different ones otherwise.
#[test]
fn chance_is_the_seed() {
    assert_eq!(run(7, 3, Disturbance::NONE), run(7, 3, Disturbance::NONE));
    assert_ne!(run(7, 3, Disturbance::NONE), run(8, 3, Disturbance::NONE));
}

/// Scenario: the constant tables.
/// Guarantees: calls point behind their caller (no cycle), all indices exist, front shares add up to 1.
#[test]
fn graph_is_sound() {
    assert!(SERVICES.len() >= 8);
    for (idx, operation) in OPERATIONS.iter().enumerate() {
        assert!(operation.service < SERVICES.len());
        for call in operation.calls {
            assert!(call.operation > idx && call.operation < OPERATIONS.len(), "{} of {idx}", call.operation);
        }
    }
    let share: f64 = OPERATIONS.iter().map(|operation| operation.front_share).sum();
    assert!((share - 1.0).abs() < 1e-9);
    let callers: BTreeSet<usize> = OPERATIONS
        .iter()
        .filter(|o| o.calls.iter().any(|c| operation_of(c.operation).service == DATABASE))
        .map(|o| o.service)
        .collect();
    assert!(callers.len() >= 3, "the database is shared by {callers:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    /// Scenario: some seconds of traffic under any seed and a sick database or none.
    /// Guarantees: every parent is in its trace; a child lies inside its parent; one root per trace; both sides of
    /// an answered call agree on operation and status.
    #[test]
    fn traces_are_complete(seed in any::<u64>(), sick in any::<bool>()) {
        let disturbance = if sick {
            Disturbance { database_latency_factor: 6.0, database_error_share: 0.2, load_factor: 1.0 }
        } else {
            Disturbance::NONE
        };
        for step in run(seed, 2, disturbance) {
            let spans: BTreeMap<_, _> = step.spans.iter().map(|s| ((s.trace_id, s.span_id), s)).collect();
            prop_assert_eq!(spans.len(), step.spans.len());
            let roots = step.spans.iter().filter(|s| s.parent_id.is_none()).count();
            prop_assert_eq!(roots, step.front_requests as usize);
            for span in &step.spans {
                prop_assert!(span.start_at < span.end_at);
                let Some(parent_id) = span.parent_id else { continue };
                let parent = spans.get(&(span.trace_id, parent_id));
                prop_assert!(parent.is_some());
                let parent = parent.unwrap();
                prop_assert!(parent.start_at <= span.start_at && span.end_at <= parent.end_at);
                if span.kind == SpanKind::Server {
                    prop_assert_eq!(parent.kind, SpanKind::Client);
                    prop_assert_eq!((parent.operation, parent.status), (span.operation, span.status));
                }
            }
        }
    }
}

/// Scenario: 30 s of calm, 30 s of ten-fold load, 30 s of a sick database.
/// Guarantees: calm fails rarely; the peak multiplies requests by about ten and strains every service; the sick
/// database harms its callers, not the services that do not use it.
#[test]
fn disturbances_do_what_they_say() {
    let calm = run(3, 30, Disturbance::NONE);
    let peak = run(3, 30, Disturbance { load_factor: 10.0, ..Disturbance::NONE });
    let sick = run(
        3,
        30,
        Disturbance { database_error_share: 0.15, database_latency_factor: 6.0, load_factor: 1.0 },
    );
    let front = |steps: &[Step]| steps.iter().map(|s| f64::from(s.front_requests)).sum::<f64>();
    let failures = |steps: &[Step], service: usize| {
        let of = |r: &&RequestFact| operation_of(r.operation).service == service;
        let all = steps.iter().flat_map(|s| &s.requests).filter(of).count() as f64;
        steps.iter().flat_map(|s| &s.requests).filter(of).filter(|r| r.status >= 500).count() as f64 / all
    };
    assert!(failures(&calm, FRONTEND) < 0.04, "{}", failures(&calm, FRONTEND));
    assert!((6.0..11.0).contains(&(front(&peak) / front(&calm))), "{}", front(&peak) / front(&calm));
    let catalog = service_named("catalog").unwrap();
    let recommendation = service_named("recommendation").unwrap();
    assert!(failures(&sick, catalog) > 0.1);
    assert!(failures(&sick, recommendation) < 0.02);
}

/// Scenario: a pod of a broken build that ends right after its start.
/// Guarantees: it takes traffic only while it runs, never becomes available, restarts with growing pauses, and
/// serves nothing.
#[test]
fn a_crash_loop_emits_nothing() {
    let mut fleet = fleet(1);
    let template = Arc::new(Template {
        service: 4,
        version: "2.0.0".to_owned(),
        env: BTreeMap::new(),
        hash: "bad".to_owned(),
    });
    let id = fleet.create(&template, &Arc::from("r1"), NOON, false);
    let mut shop = Shop::new(1, 60.0, NOON);
    let tick = SECOND / 10;
    let mut faulty = 0;
    for n in 0..300 {
        let now = NOON + n * tick;
        fleet.advance(now);
        let step = shop.step(now, now + tick, &fleet, Disturbance::NONE);
        faulty += step.faulty_requests;
        assert!(step.spans.iter().all(|span| span.pod != id));
        assert!(!fleet.pod(id).unwrap().is_available(now));
    }
    assert!(faulty > 0);
    let restarts = fleet.pod(id).unwrap().restarts;
    assert!((3..=6).contains(&restarts), "{restarts}");
}
