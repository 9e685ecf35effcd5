//! What a new arm may teach of how pods warm up.

use std::sync::Arc;

use models::sequential::CanaryParams;

use super::*;
use crate::features::{Pod, ServiceKey, Subject};

/// Names the `nth` pod of a version.
fn subject(version: &str, nth: u32) -> Subject {
    let id: Arc<str> = format!("web-{version}-{nth}").into();
    Subject {
        service: ServiceKey::named("web"),
        arm: Arm { version: version.into(), template_hash: "".into(), revision: "".into() },
        pod: Pod { id: Arc::clone(&id), name: id, node: "".into() },
    }
}

/// What a pod does in a second: so many requests of about so many milliseconds.
fn tally(ms: u64) -> PodTally {
    let mut tally = PodTally { requests: 40, ..PodTally::default() };
    for nth in 0..20 {
        tally.durations.add(ms * 1_000 + nth * 50, 2);
        tally.own.add(ms * 500 + nth * 25, 2);
    }
    tally
}

struct Service {
    contest: Contest,
    roster: Roster,
    yardstick: Yardstick,
}

impl Service {
    fn new() -> Self {
        let params = CanaryParams::default().check().unwrap();
        Self {
            contest: Contest::new(&params, Cadence::Seconds, 0),
            roster: Roster::default(),
            yardstick: Yardstick::default(),
        }
    }

    /// A second of these pods, each with its milliseconds: first what they did, then who is there.
    fn second(&mut self, at_secs: i64, pods: &[(Subject, u64)]) -> Vec<Turn> {
        let (end_at, span) = (at_secs * NANOS_PER_SEC, NANOS_PER_SEC);
        let mut tick = ServiceTick { end_at, span, ..ServiceTick::default() };
        for (subject, ms) in pods {
            let pod = self.roster.pod(subject, end_at - span).unwrap();
            pod.last_at = end_at;
            pod.last_request_at = Some(end_at);
            tick.pods.insert(pod.idx, tally(*ms));
        }
        self.contest.on_tick(&tick, &self.roster, &self.yardstick);
        for tally in tick.pods.values() {
            self.yardstick.add(end_at, &tally.durations, &tally.own);
        }
        let params = CanaryParams::default().check().unwrap();
        let fresh = || fresh_test(&params, Cadence::Seconds, end_at);
        self.contest.on_roster(&self.roster, (end_at, false), fresh)
    }
}

/// Scenario: a slow version's first second, which came before anybody saw that there is a new version; with and without a
/// pod of the stable version that joined before it and was slow for its first seconds.
/// Guarantees: the new version's second excuses nothing that comes after it; the stable version's young pod does.
#[test]
fn a_newcomer_is_no_example_of_itself() {
    let stable = |n: u32| (0..n).map(|nth| (subject("1", nth), 10)).collect::<Vec<_>>();
    let excused = |joins: bool| {
        let mut service = Service::new();
        for at in 1..=120 {
            let mut pods = stable(4);
            if joins && at >= 60 {
                pods.push((subject("1", 9), if at < 70 { 15 } else { 10 }));
            }
            assert_eq!(service.second(at, &pods), []);
        }
        let mut pods = stable(4);
        pods.push((subject("2", 0), 80));
        let turns = service.second(121, &pods);
        assert!(matches!(turns[..], [Turn::Started(_)]), "{turns:?}");
        service.contest.warmup.curve().tolerated(3.0, 1.0)
    };
    let before = Warmup::default().curve().tolerated(3.0, 1.0);
    assert!((excused(false) - before).abs() < 1e-12, "{} {before}", excused(false));
    assert!((1.6..2.1).contains(&excused(true)), "{}", excused(true));
}
