//! Services that are healthy for days, and what is said when they are not.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::Level;
use engine::record::{NANOS_PER_SEC, UnixNanos};
use models::testkit::Draws;

use super::name::{CallSignal, Point, SeriesName};
use super::watch::{Gate, SeriesWatch};
use super::{Golden, SeriesParams};
use crate::config::read_texts;
use crate::features::{Arm, FeatureRows, Pod, ResourceRow, ResourceSignal, ServiceKey, Subject};
use crate::scoring::cells::{PodTally, ServiceTick};
use crate::scoring::finding::{Finding, RuleName, Statement, Suspect};

const SEC: UnixNanos = NANOS_PER_SEC;
const MINUTE: UnixNanos = 60 * SEC;
const DAY: i64 = 1_440;

fn params(overrides: &[&str]) -> SeriesParams {
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
    SeriesParams::new(&read_texts(&[], &overrides).unwrap().series, 10).unwrap()
}

fn cart() -> ServiceKey {
    ServiceKey::named("cart")
}

fn calls(signal: CallSignal) -> SeriesName {
    SeriesName::Calls(signal, Arc::from(""))
}

/// One service, minute by minute: traffic of a daily wave, few errors, some latency, some memory.
struct Shop {
    watch: SeriesWatch,
    draws: Draws,
    minute: i64,
    gate: (Gate, bool),
}

/// What is wrong: factors on traffic, latency and memory, and a share of errors on top.
#[derive(Clone, Copy)]
struct Wrong {
    traffic: f64,
    latency: f64,
    memory: f64,
    errors: f64,
}

const NOTHING: Wrong = Wrong { traffic: 1.0, latency: 1.0, memory: 1.0, errors: 0.0 };

impl Shop {
    fn new(overrides: &[&str], seed: u64) -> Self {
        println!("seed {seed}");
        let watch = SeriesWatch::new(params(overrides));
        Self { watch, draws: Draws::new(seed), minute: 0, gate: (Gate::Learn, false) }
    }

    /// The points of the next minute.
    fn points(&mut self, wrong: Wrong) -> Vec<Point> {
        self.minute += 1;
        let at = self.minute * MINUTE;
        let day = libm::sin(std::f64::consts::TAU * self.minute as f64 / DAY as f64);
        let mut noise = |size: f64| 1.0 + size * self.draws.normal();
        let rate = 100.0 * (1.0 + 0.4 * day) * noise(0.05) * wrong.traffic;
        let values = [
            (calls(CallSignal::Rate), rate),
            (calls(CallSignal::ErrorShare), (0.004 * noise(0.3)).max(0.0) + wrong.errors),
            (calls(CallSignal::Duration), 40.0 * (1.0 + 0.1 * day) * noise(0.08) * wrong.latency),
            (SeriesName::Resource(ResourceSignal::Memory), 3e8 * noise(0.02) * wrong.memory),
        ];
        values.map(|(name, value)| Point { name, at, value }).to_vec()
    }

    fn step(&mut self, wrong: Wrong) -> Vec<Statement> {
        let points = self.points(wrong);
        let at = self.minute * MINUTE;
        let rows = FeatureRows { upto: at, ..FeatureRows::default() };
        let gate = self.gate;
        self.watch.on_rows(&rows, BTreeMap::from([(cart(), points)]), |_| gate);
        self.watch.statements(at)
    }

    fn run(&mut self, minutes: i64, wrong: Wrong) -> Vec<Statement> {
        (0..minutes).flat_map(|_| self.step(wrong)).collect()
    }
}

/// Scenario: a service is known for four days in one cluster; then it comes up in another one with half of its load, and so does a service
/// of another name; after half a day both fail and are slow for twenty minutes. Six seeds; the state is saved and loaded once both have begun.
/// Guarantees: in the healthy hours nobody is called; the service that is known elsewhere is alerted about in half of the runs at least; what is said of it
/// says whose history that is, and has hardly any maturity; nothing is said of the other; the restored state goes on with the same bytes.
#[test]
fn a_service_in_another_cluster_begins_with_what_is_known_of_it() {
    let elsewhere = |name: &str| ServiceKey { cluster: "two".into(), ..ServiceKey::named(name) };
    const SEEDS: usize = 6;
    let mut alerted = 0;
    for seed in 0..SEEDS {
        let mut shop = Shop::new(&[], seed as u64);
        shop.run(4 * DAY, NOTHING);
        let (known, unknown) = (elsewhere("cart"), elsewhere("basket"));
        let mut said = Vec::new();
        for minute in 0..740_i64 {
            let wrong = Wrong { latency: 3.0, errors: 0.1, ..NOTHING };
            let mut points = shop.points(if minute < 720 { NOTHING } else { wrong });
            points[0].value *= 0.5;
            let at = shop.minute * MINUTE;
            let rows = FeatureRows { upto: at, ..FeatureRows::default() };
            let golden = [&known, &unknown].map(|service| (service.clone(), points.clone()));
            shop.watch.on_rows(&rows, BTreeMap::from(golden), |_| (Gate::Learn, false));
            let statements = shop.watch.statements(at);
            let is_calm = findings(&statements).iter().all(|finding| finding.level == Level::Monitor);
            assert!(minute >= 720 || is_calm, "seed {seed}, minute {minute}: {statements:?}");
            said.extend(statements);
            if minute == 100 {
                let saved = shop.watch.save();
                shop.watch = SeriesWatch::new(params(&[]));
                shop.watch.load(&saved).unwrap();
                assert_eq!(shop.watch.save(), saved);
            }
        }
        let found = findings(&said);
        assert!(found.iter().all(|finding| finding.service == known), "seed {seed}: {found:?}");
        let alert = found.iter().find(|finding| finding.level == Level::Alert);
        alerted += usize::from(alert.is_some());
        for found in found {
            assert!(found.maturity < 0.1, "{}", found.maturity);
            let text = &found.evidence[0].text;
            assert!(
                text.contains("of its own, after 4 days of the same service in another cluster"),
                "{text}"
            );
        }
    }
    println!("alerted in {alerted} of {SEEDS} runs");
    assert!(2 * alerted >= SEEDS, "{alerted}");
}

/// Minutes of a worker that serves nobody: eight metrics that follow its work. From `odd_from` on for an hour, five of them do not.
/// The levels of what is said, by minute.
fn worker(seed: u64, days: i64, odd_from: i64, also: &[SeriesName]) -> Vec<(i64, Level)> {
    let (mut watch, mut draws) = (SeriesWatch::new(params(&[])), Draws::new(seed));
    let (service, mut said) = (ServiceKey::named("worker"), Vec::new());
    for minute in 1..days * DAY {
        let at = minute * MINUTE;
        let work = 50.0 + 20.0 * libm::sin(std::f64::consts::TAU * minute as f64 / 97.0) + draws.normal();
        let metric = |nth: usize, draws: &mut Draws| {
            let is_odd = nth < 5 && (odd_from..odd_from + 60).contains(&minute);
            let value = (nth + 1) as f64 * (work + draws.normal()) * if is_odd { -1.0 } else { 1.0 };
            Point { name: SeriesName::Other(format!("queue.{nth}").into()), at, value }
        };
        let mut points: Vec<Point> = (0..8).map(|nth| metric(nth, &mut draws)).collect();
        points.extend(also.iter().map(|name| Point { name: name.clone(), at, value: 5.0 + draws.normal() }));
        let rows = FeatureRows { upto: at, ..FeatureRows::default() };
        watch.on_rows(&rows, BTreeMap::from([(service.clone(), points)]), |_| (Gate::Learn, false));
        let statements = watch.statements(at);
        said.extend(findings(&statements).iter().map(|finding| (minute, finding.level)));
    }
    said
}

/// Scenario: a worker without requests, known for six days, whose metrics contradict each other for an hour; the same of a service that
/// has requests too. Three seeds.
/// Guarantees: all of its signals together alert within that hour, and never before; they never ask for `act`. Where requests tell what
/// is felt, they are watched and no more.
#[test]
fn a_service_without_requests_may_alert() {
    for seed in 0..3 {
        println!("seed {seed}");
        let odd_from = 6 * DAY;
        let said = worker(seed, 7, odd_from, &[]);
        let alerts: Vec<i64> =
            said.iter().filter(|(_, level)| *level >= Level::Alert).map(|it| it.0).collect();
        let first = *alerts.first().unwrap();
        assert!((odd_from..odd_from + 60).contains(&first), "seed {seed}: {first}");
        assert!(said.iter().all(|(_, level)| *level < Level::Act), "seed {seed}");
        let said = worker(seed, 7, odd_from, &[calls(CallSignal::Rate)]);
        assert!(said.iter().all(|(_, level)| *level == Level::Monitor), "seed {seed}");
    }
}

fn findings(statements: &[Statement]) -> Vec<&Finding> {
    let mut found = Vec::new();
    for statement in statements {
        if let Statement::Found(finding) = statement {
            found.push(finding);
        }
    }
    found
}

fn signals(finding: &Finding) -> Vec<&str> {
    finding.evidence.iter().map(|evidence| evidence.signal.as_str()).collect()
}

/// Scenario: three healthy days, then twenty minutes of failing and slow requests, then health again; the state is saved and
/// loaded in the middle of it. Guarantees: hardly anything is said of the healthy days and nothing above `monitor`; the
/// trouble alerts, never acts, and names both signals with what was usual; it is cleared afterwards; the restored state goes
/// on with the same words and the same bytes.
#[test]
fn trouble_of_two_signals_alerts_and_clears() {
    let mut shop = Shop::new(&[], 3);
    let healthy = shop.run(3 * DAY, NOTHING);
    assert!(findings(&healthy).iter().all(|finding| finding.level == Level::Monitor));
    // five series of which two days count: less than half of their budgets
    assert!(shop.watch.counts().alarms <= 4, "{:?}", shop.watch.counts());
    shop.run(30, NOTHING);
    let wrong = Wrong { latency: 3.0, errors: 0.1, ..NOTHING };
    shop.run(5, wrong);
    let saved = shop.watch.save();
    let mut again = Shop { watch: SeriesWatch::new(params(&[])), draws: shop.draws.clone(), ..shop };
    again.watch.load(&saved).unwrap();
    let (went_on, restored) = (shop.run(15, wrong), again.run(15, wrong));
    assert_eq!(went_on, restored);
    assert_eq!(shop.watch.save(), again.watch.save());
    let found = findings(&went_on);
    let last = found.last().unwrap();
    assert_eq!((last.rule, last.level, &last.suspect), (RuleName::Baseline, Level::Alert, &None));
    assert!(signals(last).contains(&"latency p90") && signals(last).contains(&"error share"), "{last:?}");
    assert!(last.failure_probability < 0.8 && last.maturity < 0.5);
    for evidence in &last.evidence {
        assert!(evidence.observed > evidence.upper && evidence.upper > evidence.expected, "{evidence:?}");
        assert!(
            evidence.p_value.unwrap() < 1e-3 && evidence.text.contains("3 days of history"),
            "{evidence:?}"
        );
    }
    let after = shop.run(30, NOTHING);
    let cleared = after.iter().filter(|statement| matches!(statement, Statement::Cleared { .. })).count();
    assert_eq!(cleared, 1);
    assert!(findings(&after[after.len() - 1..]).is_empty());
}

/// Scenario: the same trouble in the fifth hour of a service; and beside a comparison of a new version that has found
/// something. Guarantees: nothing is said on its own; as support its few hours of history are told, the golden signals of
/// the comparison are not told twice, and nothing else of the finding changes.
#[test]
fn the_young_stay_calm_and_support() {
    let mut shop = Shop::new(&[], 5);
    shop.run(5 * 60, NOTHING);
    let first_at = shop.minute * MINUTE;
    let said = shop.run(10, Wrong { latency: 3.0, errors: 0.1, memory: 2.0, ..NOTHING });
    assert!(said.is_empty(), "{said:?}");
    let arm = |name: &str| Arm { version: name.into(), template_hash: "".into(), revision: "".into() };
    let suspect = Some(Suspect { arm: arm("2"), stable: arm("1"), first_at });
    let alert = Finding::alert(RuleName::CanaryTest, cart(), suspect, shop.minute * MINUTE);
    let bare = Finding { since: first_at, ..alert };
    let mut finding = bare.clone();
    shop.watch.support(&mut finding);
    assert_eq!(signals(&finding), ["memory a pod"]);
    assert!(finding.evidence[0].text.contains("5 h of history"), "{:?}", finding.evidence);
    assert_eq!(finding.evidence[0].contribution, 0.0);
    assert_eq!(Finding { evidence: Vec::new(), ..finding }, bare);
    let mut innocent = Finding { suspect: None, ..bare.clone() };
    shop.watch.support(&mut innocent);
    assert!(innocent.evidence.is_empty());
}

/// Scenario: memory of a mature service doubles for good. Guarantees: a lone series is worth watching, no more; after half an
/// hour it is its new level, the finding is cleared in those words, and nothing is said of it any more.
#[test]
fn a_new_level_of_one_series_is_watched_then_learned() {
    let mut shop = Shop::new(&[], 7);
    shop.run(3 * DAY, NOTHING);
    let said = shop.run(60, Wrong { memory: 2.0, ..NOTHING });
    let found = findings(&said);
    assert!(!found.is_empty() && found.iter().all(|finding| finding.level == Level::Monitor));
    let is_memory = |name: &&str| ["memory a pod", "signals together"].contains(name);
    assert!(signals(found[0]).contains(&"memory a pod"), "{:?}", signals(found[0]));
    assert!(signals(found[0]).iter().all(is_memory), "{:?}", signals(found[0]));
    let reasons: Vec<String> = said
        .iter()
        .filter_map(|statement| match statement {
            Statement::Cleared { over, .. } => Some(over.to_string()),
            Statement::Found(_) => None,
        })
        .collect();
    assert_eq!(reasons, ["it has stayed at its new level, which is learned from now on"]);
    let later = shop.run(DAY / 2, Wrong { memory: 2.0, ..NOTHING });
    assert!(findings(&later).iter().all(|finding| !signals(finding).contains(&"memory a pod")), "{later:?}");
}

/// Scenario: ten times the traffic, and latency that rises with it. Guarantees: not above `monitor`; the traffic is told as
/// what speaks against a failure.
#[test]
fn a_traffic_peak_explains_latency() {
    let mut shop = Shop::new(&[], 9);
    shop.run(3 * DAY, NOTHING);
    let said = shop.run(20, Wrong { traffic: 10.0, latency: 3.0, memory: 1.5, ..NOTHING });
    let found = findings(&said);
    assert!(found.iter().all(|finding| finding.level == Level::Monitor));
    let last = found.last().unwrap();
    assert!(signals(last).contains(&"latency p90"), "{last:?}");
    assert_eq!(last.counter_evidence[0].signal, "request rate");
}

/// Scenario: trouble while learning is held, for longer than a hold may last; points of a failing version. Guarantees: both
/// are counted, and a hold ends after two hours, the discarding does not.
#[test]
fn learning_is_held_for_a_while() {
    let mut shop = Shop::new(&[], 11);
    shop.run(600, NOTHING);
    shop.gate = (Gate::Hold, true);
    shop.run(180, NOTHING);
    assert_eq!(shop.watch.counts().held, 5 * 121);
    shop.gate = (Gate::Discard, true);
    shop.run(180, NOTHING);
    assert_eq!((shop.watch.counts().held, shop.watch.counts().discarded), (5 * 121, 5 * 180));
    shop.gate = (Gate::Learn, false);
    shop.run(5, NOTHING);
    shop.gate = (Gate::Hold, true);
    shop.run(1, NOTHING);
    assert_eq!(shop.watch.counts().held, 5 * 122);
}

/// Scenario: more series than there is room for; then none of them speaks for more than a day. Guarantees: what finds no
/// room is counted, the bound holds, and room is made again.
#[test]
fn the_number_of_series_is_bounded() {
    let mut watch = SeriesWatch::new(params(&["series.count_max=5"]));
    let mut step = |minute: i64, names: std::ops::Range<u32>| {
        let at = minute * MINUTE;
        let point = |nth: u32| Point {
            name: SeriesName::Other(format!("metric{nth}").into()),
            at,
            value: f64::from(nth),
        };
        let rows = FeatureRows { upto: at, ..FeatureRows::default() };
        let points = names.map(point).collect();
        watch.on_rows(&rows, BTreeMap::from([(cart(), points)]), |_| (Gate::Learn, false));
        watch.counts()
    };
    let counts = (1..4).map(|minute| step(minute, 0..8)).last().unwrap();
    assert_eq!((counts.series, counts.refused, counts.judged), (5, 9, 15));
    let counts = (4..1_460).map(|minute| step(minute, 0..0)).last().unwrap();
    assert_eq!((counts.series, counts.expired), (0, 5));
    assert_eq!(step(1_461, 10..13).series, 3);
}

/// Scenario: two pods report memory every 15 s, out of phase; one stops. Guarantees: one point a round, the mean over the
/// pods; when the one that set the pace is gone, the other one goes on.
#[test]
fn pods_are_one_level() {
    let row = |pod: &str, second: i64, value: f64| {
        let arm = Arm { version: "1".into(), template_hash: "".into(), revision: "".into() };
        let pod = Pod { id: pod.into(), name: pod.into(), node: "".into() };
        ResourceRow {
            subject: Arc::new(Subject { service: cart(), arm, pod }),
            signal: ResourceSignal::Memory,
            at: second * SEC,
            value,
            limit: None,
        }
    };
    let mut levels = super::levels::Levels::default();
    let mut points = Vec::new();
    for round in 0..40 {
        if round < 10 {
            points.extend(levels.add(&row("a", 15 * round, 10.0), 10));
        }
        points.extend(levels.add(&row("b", 15 * round + 7, 30.0), 10));
    }
    let seen: Vec<(i64, f64)> = points.iter().map(|point| (point.at / SEC, point.value)).collect();
    assert_eq!(seen[..9], (1..10).map(|round| (15 * round, 20.0)).collect::<Vec<_>>());
    assert!(seen[10..].iter().all(|(_, value)| *value == 30.0) && seen.len() > 20, "{seen:?}");
}

/// Scenario: a service in one-second ticks, then the same in exports of 60 s; a pause of minutes between. Guarantees: points
/// of ten seconds, and of 60; the rate is requests a second in both, and the pause is in none of them.
#[test]
fn ticks_become_points() {
    let tick = |end_s: i64, span_s: i64, requests: u64| ServiceTick {
        end_at: end_s * SEC,
        span: span_s * SEC,
        pods: BTreeMap::from([(1, PodTally { requests, errors: requests / 10, ..PodTally::default() })]),
    };
    let mut golden = Golden::default();
    (1..=30).for_each(|second| golden.on_tick(&tick(1_000 + second, 1, 20), 10));
    (1..=3).for_each(|export| golden.on_tick(&tick(2_000 + 60 * export, 60, 1_200), 10));
    let points = golden.take();
    let of = |signal| points.iter().filter(move |point| point.name == calls(signal));
    let rates: Vec<(i64, f64)> = of(CallSignal::Rate).map(|point| (point.at / SEC, point.value)).collect();
    let expected = [1_010, 1_020, 1_030, 2_060, 2_120, 2_180].map(|second| (second, 20.0));
    assert_eq!(rates, expected);
    assert!(of(CallSignal::ErrorShare).all(|point| point.value == 0.1));
    assert!(golden.take().is_empty());
}

/// Scenario: memory of a mature service is not reported any more; an hour later it has not come back. In another one
/// everything stops. Guarantees: the missing signal is worth watching, by name, until it has ended for good; a service that
/// says nothing at all is not told of here.
#[test]
fn a_missing_signal_is_told() {
    let mut shop = Shop::new(&[], 13);
    shop.run(DAY + 60, NOTHING);
    let silent = |shop: &mut Shop, minutes: i64, names: &[SeriesName]| -> Vec<Statement> {
        let mut all = Vec::new();
        for _ in 0..minutes {
            shop.minute += 1;
            let at = shop.minute * MINUTE;
            let points = names.iter().map(|name| Point { name: name.clone(), at, value: 100.0 }).collect();
            let rows = FeatureRows { upto: at, ..FeatureRows::default() };
            shop.watch.on_rows(&rows, BTreeMap::from([(cart(), points)]), |_| (Gate::Learn, false));
            let said = shop.watch.statements(at);
            all.extend(said.into_iter().filter(|statement| match statement {
                Statement::Found(finding) => finding.rule == RuleName::Absence,
                Statement::Cleared { rule, .. } => *rule == Some(RuleName::Absence),
            }));
        }
        all
    };
    let others = [calls(CallSignal::Rate), SeriesName::Resource(ResourceSignal::Cpu)];
    let said = silent(&mut shop, 30, &others);
    let found = findings(&said);
    assert!(
        found.iter().all(|finding| finding.level == Level::Monitor && signals(finding) == ["memory a pod"])
    );
    assert_eq!(found.len(), 27, "due after three intervals");
    let said = silent(&mut shop, 60, &others);
    let over = said.iter().position(|statement| matches!(statement, Statement::Cleared { .. })).unwrap();
    assert_eq!((over, said.len()), (30, 31), "an hour is the end");
    let mut other = Shop::new(&[], 15);
    other.run(DAY + 60, NOTHING);
    assert!(silent(&mut other, 60, &[]).is_empty());
}
