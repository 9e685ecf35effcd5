//! Versions that leak, the evidence of it, and limits that nobody reports.

use contract::Level;

use super::super::exhaustion_wording::finding;
use super::super::finding::Finding;
use super::*;
use crate::features::Pod;

const LIMIT: f64 = 512e6;

fn row(version: &str, pod: &str, second: i64, level: f64) -> ResourceRow {
    let text = Arc::<str>::from;
    let service = ServiceKey {
        tenant: text("t"),
        cluster: text(""),
        environment: text("prod"),
        namespace: text("shop"),
        service: text("cart"),
    };
    let arm = Arm { version: text(version), template_hash: text(version), revision: text("") };
    let pod = Pod { id: text(pod), name: text(pod), node: text("n") };
    ResourceRow {
        subject: Arc::new(Subject { service, arm, pod }),
        signal: ResourceSignal::Memory,
        at: second * NANOS_PER_SEC,
        value: level * LIMIT,
        limit: Some(LIMIT),
    }
}

/// Two pods of v1 for 600 s; from 300 s on also one of v2, which leaks. `v1` gives v1's level.
fn release(v1: impl Fn(i64) -> f64) -> (ExhaustionWatch, Option<RunningOut>) {
    let mut watch = ExhaustionWatch::default();
    let mut seen = None;
    for second in 0..600_i64 {
        let mut resources = vec![row("v1", "a", second, v1(second)), row("v1", "b", second, v1(second))];
        if second >= 300 {
            resources.push(row("v2", "c", second, 0.3 + 0.0022 * (second - 300) as f64));
        }
        let upto = (second + 1) * NANOS_PER_SEC;
        watch.on_rows(&FeatureRows { upto, resources, ..FeatureRows::default() });
        seen = watch.standing(upto).pop().or(seen);
    }
    (watch, seen)
}

/// Scenario: a new version leaks beside two pods of the old one that do not.
/// Guarantees: the new version is suspected and the finding asks for `act`, with a forecast of when its memory is full;
/// the saved state goes on to say the same.
#[test]
fn a_new_version_that_leaks_is_suspected() {
    let (watch, seen) = release(|_| 0.4);
    let found = finding(&seen.unwrap(), None);
    assert_eq!(found.level, Level::Act, "{found:?}");
    let suspect = found.suspect.unwrap();
    assert_eq!((suspect.arm.name(), suspect.stable.name()), ("v2", "v1"));
    let forecast = found.forecast.unwrap();
    assert_eq!(forecast.resource, "memory");
    let left_secs = (forecast.exhausts_at.unix_nanos() - found.at) as f64 / 1e9;
    assert!((5.0..80.0).contains(&left_secs), "{left_secs}");
    let bytes = postcard::to_stdvec(&watch).unwrap();
    let again: ExhaustionWatch = postcard::from_bytes(&bytes).unwrap();
    let upto = 600 * NANOS_PER_SEC;
    assert_eq!(format!("{:?}", again.standing(upto)), format!("{:?}", watch.standing(upto)));
}

/// Scenario: the first sample of each pod of a new version that leaks is told by somebody who knows the workload alone, before the
/// pod has spoken; with the version the pod says its template too.
/// Guarantees: what was told before counts for the version that the pod says; it is suspected beside the one before, and acted on.
#[test]
fn a_pod_that_is_told_of_before_it_speaks_is_no_version_of_its_own() {
    let mut watch = ExhaustionWatch::default();
    let mut seen = None;
    for second in 0..600_i64 {
        let mut resources = vec![row("v1", "a", second, 0.4)];
        for (pod, from) in [("c", 300), ("d", 304)].into_iter().filter(|(_, from)| second >= *from) {
            let version = if second == from { "" } else { "v2" };
            resources.push(row(version, pod, second, 0.3 + 0.0022 * (second - from) as f64));
        }
        let upto = (second + 1) * NANOS_PER_SEC;
        watch.on_rows(&FeatureRows { upto, resources, ..FeatureRows::default() });
        seen = watch.standing(upto).pop().or(seen);
    }
    let found = finding(&seen.unwrap(), None);
    assert_eq!(found.level, Level::Act, "{found:?}");
    let suspect = found.suspect.unwrap();
    assert_eq!((suspect.arm.name(), suspect.stable.name()), ("v2", "v1"));
    assert_eq!(found.impact, 1.0, "both pods are of the new version");
}

/// Scenario: the old version leaks as the new one does.
/// Guarantees: it is an alert about the service, and no version is suspected.
#[test]
fn a_leak_of_both_versions_blames_none() {
    let (_, seen) = release(|second| 0.2 + 0.0013 * second as f64);
    let found = finding(&seen.unwrap(), None);
    assert_eq!((found.level, found.suspect), (Level::Alert, None));
}

/// Scenario: a sample a minute; a version climbs for two hours, is warned of, stops at 80 % and is flat for two days, its pod is replaced
/// half way; then a new version leaks. And the same with the climb half a day before the release.
/// Guarantees: the warning that came to nothing does not clear the new version two days later; half a day later it does.
#[test]
fn a_warning_of_long_ago_clears_nobody() {
    for (flat_minutes, is_suspected) in [(2_880_i64, true), (720, false)] {
        let (mut watch, mut was_warned, mut suspects) = (ExhaustionWatch::default(), false, Vec::new());
        let release = 600 + flat_minutes;
        for minute in 0..release + 300 {
            let climb = 0.2 + 0.005 * (minute - 480).clamp(0, 120) as f64;
            let pod = if minute < release - flat_minutes / 2 { "a" } else { "b" };
            let mut resources = vec![row("v1", pod, 60 * minute, climb)];
            if minute >= release {
                resources.push(row("v2", "c", 60 * minute, 0.2 + 0.0025 * (minute - release) as f64));
            }
            let upto = (60 * minute + 1) * NANOS_PER_SEC;
            watch.on_rows(&FeatureRows { upto, resources, ..FeatureRows::default() });
            let standing = watch.standing(upto);
            was_warned |= minute < release && !standing.is_empty();
            suspects
                .extend(standing.into_iter().filter(|_| minute >= release).map(|it| it.suspect.is_some()));
        }
        assert!(was_warned && !suspects.is_empty(), "{flat_minutes}: {was_warned} {}", suspects.len());
        assert!(suspects.iter().all(|suspected| *suspected == is_suspected), "{flat_minutes}");
    }
}

/// Scenario: the pods of a new version warm up steeply to the level of the old one. Guarantees: nothing is said.
#[test]
fn a_warm_up_to_the_usual_level_is_no_news() {
    let mut watch = ExhaustionWatch::default();
    for second in 0..600_i64 {
        let young = (0.1 + 0.01 * (second - 300) as f64).clamp(0.1, 0.8);
        let mut resources = vec![row("v1", "a", second, 0.8)];
        if second >= 300 {
            resources.push(row("v2", "b", second, young));
        }
        let upto = (second + 1) * NANOS_PER_SEC;
        watch.on_rows(&FeatureRows { upto, resources, ..FeatureRows::default() });
        assert!(watch.standing(upto).is_empty(), "{second}");
    }
}

/// One second of a pod whose memory has no reported limit: its use, its count of restarts, and that of kills if it is told.
fn unlimited(
    watch: &mut ExhaustionWatch,
    (pod, second): (&str, i64),
    level: f64,
    (restarts, kills): (f64, Option<f64>),
) -> Option<RunningOut> {
    let memory = ResourceRow { limit: None, ..row("v1", pod, second, level) };
    let count = |signal, value| ResourceRow { signal, value, ..memory.clone() };
    let mut resources = vec![memory.clone(), count(ResourceSignal::Restarts, restarts)];
    resources.extend(kills.map(|kills| count(ResourceSignal::OomKills, kills)));
    let upto = (second + 1) * NANOS_PER_SEC;
    watch.on_rows(&FeatureRows { upto, resources, ..FeatureRows::default() });
    watch.standing(upto).pop()
}

/// Runs that leak from 30 % to the limit in 280 s, one after the other, the last one in another pod; which of them are warned
/// of, how long before their end, and what is said.
fn leaking_runs(told: bool) -> Vec<Option<(i64, Finding)>> {
    let mut watch = ExhaustionWatch::default();
    let mut seen = Vec::new();
    for run in 0..4_i64 {
        let pod = if run < 3 { "a" } else { "b" };
        let restarts = if run < 3 { run as f64 } else { 0.0 };
        let kills = (told && restarts > 0.0).then_some(restarts);
        let mut first = None;
        for second in 0..300_i64 {
            let level = 0.3 + 0.0025 * (second - 20).max(0) as f64;
            let at = (pod, 300 * run + second);
            if let Some(found) = unlimited(&mut watch, at, level, (restarts, kills)) {
                first.get_or_insert((300 - second, finding(&found, None)));
            }
        }
        seen.push(first);
    }
    seen
}

/// Scenario: memory without a reported limit leaks until the process is killed, again and again, in one pod and then in
/// another; once with the reason of the end told, once without.
/// Guarantees: told, every run after the first is warned of before its end; inferred, every run after the second; the
/// limit is right within a hundredth, it is an alert that says where the limit comes from, and never more.
#[test]
fn a_limit_is_learned_from_kills() {
    for (told, learned_from) in [(true, 1), (false, 2)] {
        for (run, seen) in leaking_runs(told).into_iter().enumerate() {
            let Some((left_secs, found)) = seen else {
                assert!(run < learned_from, "told {told}, run {run}");
                continue;
            };
            assert!(run >= learned_from && left_secs >= 30, "told {told}, run {run}: {left_secs} s");
            let evidence = &found.evidence[0];
            assert!((0.99..=1.0).contains(&(evidence.upper / LIMIT)), "{}", evidence.upper / LIMIT);
            assert!(evidence.text.contains("nobody reports the limit"), "{}", evidence.text);
            assert_eq!(found.level, Level::Alert);
        }
    }
}

/// Scenario: a flat process without a reported limit ends for other reasons, ten times.
/// Guarantees: no limit is learned, nothing is said.
#[test]
fn other_ends_are_no_limit() {
    let mut watch = ExhaustionWatch::default();
    for second in 0..1500_i64 {
        let level = 0.5 + 0.01 * (second % 7) as f64;
        let seen = unlimited(&mut watch, ("a", second), level, ((second / 150) as f64, None));
        assert!(seen.is_none(), "{second}");
    }
    assert!(watch.limits.values().all(|limit| limit.estimate().is_none()));
}

/// Scenario: a process with a reported limit leaks, is killed at it, and leaks again.
/// Guarantees: the second time is warned of as well: what led to a kill is not what is usual.
#[test]
fn a_leak_that_ended_in_a_kill_is_news_again() {
    let mut watch = ExhaustionWatch::default();
    let mut warned = [false; 2];
    for second in 0..600_i64 {
        let level = 0.3 + 0.0025 * (second % 300 - 20).max(0) as f64;
        let memory = row("v1", "a", second, level);
        let value = (second / 300) as f64;
        let restarts = ResourceRow { signal: ResourceSignal::Restarts, value, ..memory.clone() };
        let upto = (second + 1) * NANOS_PER_SEC;
        watch.on_rows(&FeatureRows { upto, resources: vec![memory, restarts], ..FeatureRows::default() });
        warned[(second / 300) as usize] |= !watch.standing(upto).is_empty();
    }
    assert_eq!(warned, [true, true]);
}
