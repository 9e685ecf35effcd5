//! Who counts as the yardstick of whom, from the rows on.

use std::sync::Arc;

use contract::Level;
use models::sequential::CanaryParams;
use models::testkit::Draws;

use crate::config::read_texts;
use crate::features::{
    Arm, CallRow, CallSource, FeatureRows, LatencySketch, Pod, PresenceRow, ServiceKey, Subject,
};
use crate::scoring::{Scoring, ScoringParams, SeriesParams, Statement};
use engine::record::{NANOS_PER_SEC, UnixNanos};

/// Requests of a pod in a second.
const REQUESTS: u64 = 20;

/// A service of which each second becomes rows.
struct Shop {
    scoring: Scoring,
    draws: Draws,
    second: i64,
    /// Pods: version, number, share of failed requests, first moment.
    pods: Vec<(&'static str, usize, f64, UnixNanos)>,
}

impl Shop {
    fn new(seed: u64) -> Self {
        let plan = read_texts(&[], &[]).unwrap();
        let scoring = Scoring::new(ScoringParams {
            canary: CanaryParams::default().check().unwrap(),
            slo: plan.slo.clone(),
            series: SeriesParams::new(&plan.series, 10).unwrap(),
            services_max: 10,
        });
        Self { scoring, draws: Draws::new(seed), second: 1_000, pods: Vec::new() }
    }

    /// Pods of a version begin to serve, in the middle of a second as pods do.
    fn deploy(&mut self, version: &'static str, n_pods: usize, failing: f64) {
        let (first, at) = (self.pods.len(), self.second * NANOS_PER_SEC + NANOS_PER_SEC / 3);
        self.pods.extend((first..first + n_pods).map(|nth| (version, nth, failing, at)));
    }

    /// A second; the highest level that is asked for about a suspect then.
    fn step(&mut self) -> Option<Level> {
        let (from, upto) = (self.second * NANOS_PER_SEC, (self.second + 1) * NANOS_PER_SEC);
        self.second += 1;
        let mut rows = FeatureRows { upto, log_clock: upto, ..FeatureRows::default() };
        for (version, nth, failing, first_at) in self.pods.clone() {
            let subject = subject(version, nth);
            let n_failed = self.draws.binomial(REQUESTS, failing);
            let mut durations = LatencySketch::default();
            (0..REQUESTS).for_each(|nth| durations.add(20_000 + 1_000 * nth, 1));
            rows.calls.push(CallRow {
                subject: Arc::clone(&subject),
                operation: "GET /".into(),
                start_at: from,
                end_at: upto,
                source: CallSource::Spans,
                requests: REQUESTS,
                errors: n_failed,
                duration_us_sum: 0,
                duration: durations.clone(),
                own: durations,
                calls: 0,
                exemplar_trace_ids: Vec::new(),
            });
            rows.presence.push(PresenceRow {
                subject,
                first_at,
                last_at: upto - 1,
                last_request_at: Some(upto - 1),
                export_interval: 0,
                restarts: None,
            });
        }
        let statements = self.scoring.on_rows(&rows, &std::collections::BTreeSet::new());
        let levels = statements.iter().filter_map(|statement| match statement {
            Statement::Found(finding) if finding.suspect.is_some() => Some(finding.level),
            _ => None,
        });
        levels.max()
    }
}

fn subject(version: &str, nth: usize) -> Arc<Subject> {
    let arm = Arm { version: version.into(), template_hash: "".into(), revision: "".into() };
    let name: Arc<str> = format!("checkout-{nth}").into();
    let pod = Pod { id: Arc::clone(&name), name, node: "".into() };
    Arc::new(Subject { service: ServiceKey::named("checkout"), arm, pod })
}

/// Scenario: four pods fail one request in 250 for half a minute; then two of a version that fails 40 % of its requests
/// begin to serve beside them. Thirty seeds.
/// Guarantees: certain within five seconds each time. What a version does in the second in which it appears is not held
/// to be how the stable one's pods differ, which would blind the test to it.
#[test]
fn a_version_is_no_part_of_its_own_yardstick() {
    for seed in 0..30 {
        let mut shop = Shop::new(seed);
        shop.deploy("v1", 4, 0.004);
        for _ in 0..30 {
            assert!(shop.step() < Some(Level::Act), "seed {seed}: nothing is wrong yet");
        }
        shop.deploy("v2", 2, 0.4);
        let certain = (1..60).find(|_| shop.step() == Some(Level::Act));
        assert!(certain.is_some_and(|secs| secs <= 5), "seed {seed}: certain after {certain:?} s");
    }
}

/// Scenario: the engine starts when the bad version already serves beside the stable one.
/// Guarantees: certain within five seconds after it is known who is who.
#[test]
fn what_was_learned_of_two_versions_at_once_is_no_yardstick() {
    for seed in 0..30 {
        let mut shop = Shop::new(seed);
        shop.deploy("v1", 4, 0.004);
        shop.deploy("v2", 2, 0.4);
        let certain = (1..90).find(|_| shop.step() == Some(Level::Act));
        assert!(certain.is_some_and(|secs| secs <= 21), "seed {seed}: certain after {certain:?} s");
    }
}
