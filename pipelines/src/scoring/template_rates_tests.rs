//! Templates that vanish, and such as are said more often, without a release.

use std::collections::BTreeMap;

use contract::Level;
use models::testkit::Draws;

use super::*;
use crate::config::read_texts;
use crate::features::{Arm, FeatureRows, Pod, ServiceKey, Subject, TemplateCount};
use crate::scoring::SeriesParams;
use crate::scoring::finding::{Finding, Statement};
use crate::scoring::series::{Gate, SeriesWatch};

const MINUTE: UnixNanos = 60 * NANOS_PER_SEC;

fn lines_of(counts: &[(u64, u64)], at: UnixNanos) -> LineRow {
    let text = Arc::<str>::from;
    let arm = Arm { version: text("v1"), template_hash: text(""), revision: text("") };
    let pod = Pod { id: text("a"), name: text("a"), node: text("") };
    let subject = Arc::new(Subject { service: ServiceKey::named("cart"), arm, pod });
    let counted = |&(id, lines): &(u64, u64)| TemplateCount {
        id,
        text: Arc::from(format!("statement {id} took <*> ms")),
        severity: 2,
        lines,
    };
    LineRow {
        subject,
        start_at: at - MINUTE,
        end_at: at,
        by_severity: [0; 6],
        error_samples: Vec::new(),
        templates: counts.iter().filter(|count| count.1 > 0).map(counted).collect(),
    }
}

/// A service with two statements a request or so, judged by the baseline as in production.
struct Shop {
    rates: TemplateRates,
    watch: SeriesWatch,
    draws: Draws,
    minute: i64,
}

impl Shop {
    fn new(seed: u64) -> Self {
        println!("seed {seed}");
        let plan = read_texts(&[], &[]).unwrap();
        let watch = SeriesWatch::new(SeriesParams::new(&plan.series, 10).unwrap());
        Self { rates: TemplateRates::default(), watch, draws: Draws::new(seed), minute: 0 }
    }

    /// A minute with so much of the usual traffic, and of the usual lines of each statement by request.
    fn step(&mut self, traffic: f64, said: [f64; 2]) -> Vec<Finding> {
        self.minute += 1;
        let at = self.minute * MINUTE;
        let day = libm::sin(std::f64::consts::TAU * self.minute as f64 / 1440.0);
        let requests = self.draws.poisson(600.0 * (1.0 + 0.5 * day) * traffic) as u64;
        let mut lines = |share: f64| self.draws.poisson(requests as f64 * share) as u64;
        let counts = [(1, lines(said[0])), (2, lines(0.2 * said[1]))];
        self.rates.on_lines(&lines_of(&counts, at));
        self.rates.on_requests(requests);
        let points = self.rates.close(at);
        let rows = FeatureRows { upto: at, ..FeatureRows::default() };
        let golden = BTreeMap::from([(ServiceKey::named("cart"), points)]);
        self.watch.on_rows(&rows, golden, |_| (Gate::Learn, false));
        let found = |statement| match statement {
            Statement::Found(finding) => Some(finding),
            Statement::Cleared { .. } => None,
        };
        self.watch.statements(at).into_iter().filter_map(found).collect()
    }

    /// Findings of so many minutes about the statement.
    fn run(&mut self, minutes: i64, traffic: f64, said: [f64; 2]) -> Vec<Finding> {
        (0..minutes).flat_map(|_| self.step(traffic, said)).collect()
    }
}

fn tells(found: &[Finding], id: u64) -> bool {
    let text = format!("statement {id}");
    found.iter().any(|finding| finding.evidence.iter().any(|evidence| evidence.signal.contains(&text)))
}

/// Scenario: three days of two statements that come with every request and with every fifth; then the traffic falls to a
/// third, rises again, the second statement is said no more, comes back, and the first is said twice as often. Five seeds.
/// Guarantees: of the traffic something is said in one run at the most (with fewer requests shares differ more); the vanished statement and the one said more often are each told within ten
/// minutes, at most as an observation; a saved state goes on alike.
#[test]
fn templates_that_vanish_or_change_are_told() {
    let mut of_traffic = 0;
    for seed in 1..=5 {
        let mut shop = Shop::new(seed);
        shop.run(3 * 1440, 1.0, [1.0, 1.0]);
        let quiet = shop.run(30, 0.33, [1.0, 1.0]).len() + shop.run(60, 1.0, [1.0, 1.0]).len();
        of_traffic += u32::from(quiet > 0);
        let saved = postcard::to_stdvec(&shop.rates).unwrap();
        assert_eq!(postcard::from_bytes::<TemplateRates>(&saved).unwrap(), shop.rates);
        let vanished = shop.run(10, 1.0, [1.0, 0.0]);
        assert!(tells(&vanished, 2) && !tells(&vanished, 1), "seed {seed}: {vanished:?}");
        assert!(vanished.iter().all(|finding| finding.level == Level::Monitor));
        shop.run(240, 1.0, [1.0, 1.0]);
        let more = shop.run(10, 1.0, [2.0, 1.0]);
        assert!(tells(&more, 1), "seed {seed}: {more:?}");
    }
    assert!(of_traffic <= 1, "{of_traffic} of 5");
}

/// Scenario: more templates than are counted, then than may be steady; a rare one; one that widens; requests that stay away.
/// Guarantees: the bounds hold, only steady ones have points, the series of a merged one goes on under its name, and a pause
/// gives no point.
#[test]
fn only_steady_templates_have_series() {
    let mut rates = TemplateRates::default();
    let mut at = MINUTE;
    let mut round = |rates: &mut TemplateRates, counts: &[(u64, u64)], requests: u64| {
        at += MINUTE;
        rates.on_lines(&lines_of(counts, at));
        rates.on_requests(requests);
        rates.close(at)
    };
    let many: Vec<(u64, u64)> = (1..=200).map(|id| (id, 5)).collect();
    (0..40).for_each(|_| drop(round(&mut rates, &many, 50)));
    assert_eq!((rates.templates.len(), round(&mut rates, &many, 50).len()), (COUNTED_MAX, STEADY_MAX));
    let mut rates = TemplateRates::default();
    for nth in 0..40 {
        round(&mut rates, &[(1, 10), (2, u64::from(nth % 7 == 0))], 20);
    }
    let name = |points: &[Point]| points.iter().map(|point| point.name.words().0).collect::<Vec<_>>();
    let before = round(&mut rates, &[(1, 10)], 20);
    assert_eq!((before.len(), before[0].value), (1, 0.5));
    rates.on_merge(&TemplateMerge { service: ServiceKey::named("cart"), former: 1, id: 9 });
    let after = round(&mut rates, &[(9, 40)], 20);
    assert_eq!((name(&after), after[0].value), (name(&before), 2.0));
    assert!(round(&mut rates, &[(9, 40)], 3).is_empty());
    assert_eq!(round(&mut rates, &[], 17)[0].value, 2.0);
}
