//! One series, judged by the very code that judges those of a service: the bank, the calibration, the alarm budget, the
//! episodes and what they withhold from learning. For figures on labelled series. What it does not do: word anything.

use engine::record::UnixNanos;
use models::bank::{Bank, Judged, SurpriseColumns};
use models::univariate::Lesson;

use super::book::{Book, Scratch};
use super::name::{CallSignal, Point, SeriesName};
use super::params::SeriesParams;
use super::watch::new_bank;

/// What became of one point.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SoloStep {
    pub(crate) judged: Judged,
    /// Whether an episode opened, or rose.
    pub(crate) is_alarm: bool,
}

/// What a service in another place begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begins {
    /// What is known of it here.
    LikeThis,
    /// Nothing.
    WithNothing,
}

/// A service whose request rate is all that is known of it.
#[derive(Debug, Clone)]
pub(crate) struct Solo {
    params: SeriesParams,
    bank: Bank,
    book: Book,
    /// By which its series begins.
    like: Option<Book>,
    scratch: Scratch,
    point: [Point; 1],
}

impl Solo {
    pub(crate) fn new(params: &SeriesParams) -> Self {
        let name = SeriesName::Calls(CallSignal::Rate, "".into());
        Self {
            bank: new_bank(params),
            book: Book::new(params),
            like: None,
            params: params.clone(),
            scratch: Scratch::default(),
            point: [Point { name, at: 0, value: 0.0 }],
        }
    }

    /// The same service in another place.
    pub(crate) fn moved(&self, begins: Begins) -> Self {
        let mut moved = Self::new(&self.params);
        if begins == Begins::LikeThis {
            moved.bank = self.bank.clone();
            moved.like = Some(self.book.clone());
        }
        moved
    }

    /// Takes a point; time has passed up to it.
    pub(crate) fn step(&mut self, at: UnixNanos, value: f64) -> SoloStep {
        self.book.end(at.saturating_sub(1));
        (self.point[0].at, self.point[0].value) = (at, value);
        let models = (&mut self.bank, &mut self.scratch);
        let points = (self.point.as_slice(), self.like.as_ref());
        let step = self.book.judge(points, (Lesson::Learn, false), models, &self.params);
        self.book.end(at);
        let judged = self.scratch.judged.first().copied().unwrap_or(Judged::Not);
        SoloStep { judged, is_alarm: step.alarms > 0 }
    }

    /// The episode that stands.
    #[cfg(test)]
    pub(super) fn episode(&self) -> Option<super::record::Episode> {
        self.book.episodes().next().map(|(_, episode)| *episode)
    }

    /// State of its models, bytes, without what is known of their scores.
    pub(crate) fn model_bytes(&self) -> usize {
        let full = self.bank.admission().occupancy().0;
        size_of::<models::bank::HotSurprise>() + full * SurpriseColumns::bytes_per_row()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use models::testkit::Draws;

    use super::*;
    use crate::config::read_texts;
    use crate::features::{FeatureRows, ServiceKey};
    use crate::scoring::series::{Gate, SeriesWatch};

    const MINUTE: UnixNanos = 60_000_000_000;

    /// Eight days of a daily wave at a point a minute: lone spikes, a level that doubles for two hours, an hour without
    /// points, three hours of unrest.
    fn value(minute: i64, draws: &mut Draws) -> Option<f64> {
        let day = libm::sin(core::f64::consts::TAU * minute as f64 / 1_440.0);
        let noise = draws.normal();
        let usual = 100.0 * (1.0 + 0.4 * day) + 3.0 * noise;
        match minute {
            4_000..4_060 => None,
            5_000..5_120 => Some(2.0 * usual),
            8_000..8_180 => Some(usual + 40.0 * noise),
            _ if minute % 1_777 == 1_776 => Some(usual + 90.0),
            _ => Some(usual),
        }
    }

    /// Scenario: a series of eight days in the product's book of all services, watched every minute, and alone as the
    /// benchmarks run it; six seeds.
    /// Guarantees: after every minute the same episode stands, to the last bit of its rarest point; there are several, and
    /// all of them end.
    #[test]
    fn benchmarks_run_what_the_product_runs() {
        let plan = read_texts(&[], &[]).unwrap();
        let params = SeriesParams::new(&plan.series, plan.time.window_secs).unwrap();
        for seed in 0..6 {
            let (mut watch, mut solo, mut draws) =
                (SeriesWatch::new(params.clone()), Solo::new(&params), Draws::new(seed));
            let service = ServiceKey::named("cart");
            let (mut alarms, mut opened) = (0, std::collections::BTreeSet::new());
            for minute in 1..8 * 1_440 {
                let at = minute * MINUTE;
                let point = value(minute, &mut draws).map(|value| Point {
                    name: SeriesName::Calls(CallSignal::Rate, "".into()),
                    at,
                    value,
                });
                alarms += u32::from(point.as_ref().is_some_and(|point| solo.step(at, point.value).is_alarm));
                let rows = FeatureRows { upto: at, ..FeatureRows::default() };
                let points = BTreeMap::from([(service.clone(), point.iter().cloned().collect())]);
                watch.on_rows(&rows, points, |_| (Gate::Learn, false));
                watch.statements(at);
                if point.is_some() {
                    let stands = watch.episode(&service, &solo.point[0].name);
                    assert_eq!(solo.episode(), stands, "seed {seed}, minute {minute}");
                    opened.extend(stands.map(|episode| episode.since_at));
                }
            }
            assert!(
                opened.len() >= 4 && alarms as usize >= opened.len(),
                "seed {seed}: {opened:?}, {alarms}"
            );
            assert_eq!(solo.episode(), None, "seed {seed}");
        }
    }

    /// Scenario: twelve days of one and the same value every five minutes, zero or not; then another value for a day and more.
    /// Guarantees: a value that never was another one is not unusual, at whatever age; an episode does not stand for longer
    /// than a day and a point.
    #[test]
    fn a_constant_is_not_unusual_and_no_episode_stands_for_ever() {
        let plan = read_texts(&[], &[]).unwrap();
        let params = SeriesParams::new(&plan.series, plan.time.window_secs).unwrap();
        for constant in [0.0, 0.1, 26.0] {
            let (mut solo, points) = (Solo::new(&params), 12 * 288);
            for point in 1..points + 320 {
                let at = point * 5 * MINUTE;
                let is_alarm = solo.step(at, if point < points { constant } else { constant + 7.0 }).is_alarm;
                assert!(!(is_alarm && point < points), "{constant}, point {point}");
                let longest = solo.episode().map_or(0, |episode| at - episode.since_at);
                assert!(longest <= 1_445 * MINUTE, "{constant}, point {point}");
            }
        }
    }
}
