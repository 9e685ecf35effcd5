//! The series of one service: their numbers in the bank, what stands about each, and the alarm budget that they share.

use std::collections::BTreeMap;

use contract::Level;
use engine::record::UnixNanos;
use models::absence::{Absence, Member, Standing, explain};
use models::bank::{Bank, BankPoint, Basis, Judged};
use models::calibrate::{AlarmBudget, PooledBudget};
use models::univariate::Lesson;
use serde::{Deserialize, Serialize};

use super::levels::Levels;
use super::name::{CallSignal, Kind, Point, SeriesName};
use super::params::SeriesParams;
use super::record::{Episode, Record, Seen};
use super::together::Together;
use crate::features::ServiceKey;

/// Alerts that a service without requests may give: one a week.
const ALERTS_PER_DAY: f64 = 1.0 / 7.0;
/// A signal that was missing for so long has ended.
const MISSED_MAX_SECS: f64 = 3_600.0;

/// What became of the points of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Step {
    /// Points of series that found no room.
    pub(crate) refused: u64,
    /// Alarms given.
    pub(crate) alarms: u64,
    /// Points judged.
    pub(crate) judged: u64,
}

/// Memory that is used again from step to step.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scratch {
    places: Vec<usize>,
    batch: Vec<BankPoint>,
    /// What became of the points of the last step that found room.
    pub(super) judged: Vec<Judged>,
}

/// The series of one service.
///
/// # Invariants
/// `records` and the budget have the same places; a place is named at most once.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Book {
    names: BTreeMap<SeriesName, usize>,
    records: Vec<Option<Record>>,
    free: Vec<usize>,
    pool: PooledBudget,
    pub(crate) levels: Levels,
    /// When points were last withheld from learning without a break, and since when.
    pub(crate) held_since: Option<UnixNanos>,
    /// Whether a finding about the service stands.
    pub(crate) is_stated: bool,
    /// The signals together, where there was room.
    pub(crate) together: Option<Together>,
    /// The pod that is least like its siblings, in words.
    pub(crate) odd_pod: Option<String>,
    /// Signals that are missing: name, seconds of silence, seconds that would be long.
    pub(crate) missing: Vec<(SeriesName, f64, f64)>,
    /// Alerts of a service without requests, from all of its signals together.
    alerts: AlarmBudget,
    is_alerting: bool,
    /// A service alike, by which its series begin.
    pub(crate) like: Option<ServiceKey>,
}

impl Book {
    pub(crate) fn new(params: &SeriesParams) -> Self {
        Self {
            names: BTreeMap::new(),
            records: Vec::new(),
            free: Vec::new(),
            pool: PooledBudget::new(&params.each, &params.shared),
            levels: Levels::default(),
            held_since: None,
            is_stated: false,
            together: None,
            odd_pod: None,
            missing: Vec::new(),
            alerts: AlarmBudget::new(&params.each.with_alarms_per_day(ALERTS_PER_DAY)),
            is_alerting: false,
            like: None,
        }
    }

    /// One whose series begin like those of another service, if there is one.
    pub(crate) fn like(like: Option<ServiceKey>, params: &SeriesParams) -> Self {
        Self { like, ..Self::new(params) }
    }

    /// What another service's series of this name may begin with; the two that are made of others begin with nothing, because
    /// what they are made of does.
    fn heirloom(&self, name: &SeriesName) -> Option<&Record> {
        if name.kind() == Kind::Derived { None } else { self.record(name) }
    }

    /// Series that it holds.
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    /// Judges the points of one step, which come in the order of time within a series, and takes them in; new series begin like
    /// those of the book alike, if there is one. While a new version is compared (`is_quiet`) nothing new is said, and nothing of
    /// the budget is spent.
    pub(crate) fn judge(
        &mut self,
        (points, like): (&[Point], Option<&Self>),
        (lesson, is_quiet): (Lesson, bool),
        (bank, scratch): (&mut Bank, &mut Scratch),
        params: &SeriesParams,
    ) -> Step {
        let mut step = Step::default();
        scratch.places.clear();
        scratch.batch.clear();
        for point in points {
            let Some(place) = self.place(point, (bank, like), params) else {
                step.refused += 1;
                continue;
            };
            let Some(record) = self.records.get(place).and_then(Option::as_ref) else { continue };
            let (series, at, value) = (record.number, point.at, point.value);
            let lesson = record.lesson(lesson);
            scratch.batch.push(BankPoint { series, at, value, lesson });
            scratch.places.push(place);
        }
        let serves = matches!(self.names.keys().next(), Some(SeriesName::Calls(..)));
        let together = self.names.get(&SeriesName::Together).copied().filter(|_| !serves);
        bank.observe(&scratch.batch, &mut scratch.judged);
        step.judged = scratch.judged.len() as u64;
        for ((place, point), judged) in scratch.places.iter().zip(&scratch.batch).zip(&scratch.judged) {
            let Some(record) = self.records.get_mut(*place).and_then(Option::as_mut) else { continue };
            let Some(seen) = record.weigh((point.at, point.value), judged, point.lesson, params) else {
                continue;
            };
            if is_quiet && record.episode.is_none() {
                continue;
            }
            let basis = bank.standing(record.number).map_or(Basis::Own, |standing| standing.basis);
            let surprise = record.surprise(&seen, basis, params);
            if let Some(alarm) = self.pool.step(*place, point.at, surprise) {
                step.alarms += u64::from(record.follow(seen, &alarm, params));
            }
            if together == Some(*place) {
                self.is_alerting |= self.alerts.step(point.at, surprise).state.is_alarm();
                self.is_alerting &= record.episode.is_some();
            }
        }
        step
    }

    /// Series of which an alarm stands.
    pub(crate) fn episodes(&self) -> impl Iterator<Item = (&SeriesName, &Episode)> {
        self.known().filter_map(|(name, record)| Some((name, record.episode.as_ref()?)))
    }

    /// What the episodes of a service call for at least: nobody feels what happens to one without requests, so all of its signals
    /// together may alert, rarely.
    pub(crate) fn least_level(&self) -> Level {
        let together = self.record(&SeriesName::Together);
        let stands = together.is_some_and(|record| record.episode.is_some());
        if self.is_alerting && stands { Level::Alert } else { Level::Monitor }
    }

    /// What there is to say of a derived series beside its number.
    pub(crate) fn note(&self, name: &SeriesName) -> Option<String> {
        match name {
            SeriesName::Siblings => self.odd_pod.clone(),
            SeriesName::Together => self.together.as_ref()?.note(),
            _ => None,
        }
    }

    /// Series that had a rare point lately, whether or not an alarm was due.
    pub(crate) fn unusual(&self, since: UnixNanos) -> impl Iterator<Item = (&SeriesName, &Seen)> {
        let seen = self.known().filter_map(|(name, record)| Some((name, record.unusual.as_ref()?)));
        seen.filter(move |(_, seen)| seen.at >= since)
    }

    /// Looks for signals that stopped while others of the service go on; true if any is or was missing.
    pub(crate) fn look_for_missing(&mut self, now: UnixNanos, params: &SeriesParams) -> bool {
        let had_any = !self.missing.is_empty();
        let steady = |(name, record): &(&SeriesName, &Record)| {
            let is_old = (record.last_at - record.first_at) as f64 / 1e9 >= params.learning_secs;
            is_old && is_steady(name)
        };
        let known: Vec<(&SeriesName, &Record)> = self.known().filter(steady).collect();
        let member = |(_, record): &(&SeriesName, &Record)| {
            let silent_secs = record.arrivals.silent_secs(now).unwrap_or(0.0);
            let standing = if silent_secs > MISSED_MAX_SECS { Standing::Ended } else { Standing::Expected };
            Member { is_overdue: record.arrivals.is_overdue(now), standing }
        };
        let members: Vec<Member> = known.iter().map(member).collect();
        let Absence::Signals(missing) = explain(&members) else {
            self.missing.clear();
            return had_any;
        };
        // a lone signal cannot be told from its reporter
        let speaks = members.iter().any(|member| !member.is_overdue);
        let missing = missing.into_iter().filter(|_| speaks).filter_map(|nth| known.get(nth));
        let told = missing.filter_map(|(name, record)| {
            let (silent, due) = record.arrivals.silent_secs(now).zip(record.arrivals.due_secs())?;
            Some(((*name).clone(), silent, due))
        });
        self.missing = told.collect();
        had_any || !self.missing.is_empty()
    }

    /// Ends the episodes that are over; the words of the last one.
    pub(crate) fn end(&mut self, now: UnixNanos) -> Option<&'static str> {
        self.records.iter_mut().flatten().filter_map(|record| record.end(now)).last()
    }

    /// Forgets series without a point since `before`.
    pub(crate) fn expire(&mut self, before: UnixNanos, bank: &mut Bank) -> u64 {
        let is_old = |place: &usize| {
            let record = self.records.get(*place).and_then(Option::as_ref);
            record.is_none_or(|record| record.last_at < before)
        };
        let gone: Vec<usize> = self.names.values().copied().filter(is_old).collect();
        self.names.retain(|_, place| !gone.contains(place));
        for place in &gone {
            if let Some(record) = self.records.get_mut(*place).and_then(Option::take) {
                bank.remove(record.number);
            }
            self.pool.clear(*place);
        }
        self.free.extend(&gone);
        gone.len() as u64
    }

    /// Takes a new budget, of which nothing is spent.
    pub(crate) fn with_budget_of(mut self, params: &SeriesParams) -> Self {
        self.pool = PooledBudget::new(&params.each, &params.shared);
        (0..self.records.len()).for_each(|_| {
            self.pool.push();
        });
        self
    }

    fn record(&self, name: &SeriesName) -> Option<&Record> {
        self.records.get(*self.names.get(name)?)?.as_ref()
    }

    fn known(&self) -> impl Iterator<Item = (&SeriesName, &Record)> {
        let record = |place: &usize| self.records.get(*place).and_then(Option::as_ref);
        self.names.iter().filter_map(move |(name, place)| Some((name, record(place)?)))
    }

    /// The place of a point's series, made if there is room: like one that is known, or from nothing.
    fn place(
        &mut self,
        point: &Point,
        (bank, like): (&mut Bank, Option<&Self>),
        params: &SeriesParams,
    ) -> Option<usize> {
        if let Some(place) = self.names.get(&point.name) {
            return Some(*place);
        }
        let weight = point.name.weight();
        let known = like
            .and_then(|like| like.heirloom(&point.name))
            .filter(|known| known.learned_secs() >= params.learning_secs);
        let record = Some(match known {
            Some(known) => Record::like(known, bank.add_like(known.number, weight)?, point.at, params),
            None => Record::new(bank.add(weight)?, point.at, params),
        });
        let place = match self.free.pop() {
            Some(place) => {
                self.records[place] = record;
                place
            }
            None => {
                self.records.push(record);
                self.pool.push()
            }
        };
        self.names.insert(point.name.clone(), place);
        Some(place)
    }
}

/// Whether a signal comes whatever the traffic is: shares, durations and single operations need requests.
fn is_steady(name: &SeriesName) -> bool {
    match name {
        SeriesName::Calls(CallSignal::Rate, operation) => operation.is_empty(),
        SeriesName::Calls(..) => false,
        SeriesName::Resource(_) | SeriesName::Other(_) => true,
        SeriesName::Siblings | SeriesName::Together => false,
    }
}
