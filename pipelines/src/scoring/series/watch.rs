//! The series of all services: points in, judged by the bank, and what stands about them.
//!
//! Learning is decided outside ([`Gate`]): points are judged in any case. What it does not do: hold a point back to learn it
//! later; what was withheld is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use engine::record::{NANOS_PER_SEC, UnixNanos};
use models::bank::{Admission, Bank, HotSurprise, SurpriseColumns};
use models::calibrate::BudgetValidParams;
use models::univariate::Lesson;
use serde::{Deserialize, Serialize};

use super::book::{Book, Scratch};
use super::name::{CallSignal, Point, SeriesName};
use super::params::SeriesParams;
use super::record::{Record, Seen};
use super::together::Together;
use super::wording;
use crate::features::{FeatureRows, ServiceKey};
use crate::scoring::finding::{Finding, RuleName, Statement};
use crate::scoring::over::Over;

/// A series without a point for so long is forgotten.
const FORGET: UnixNanos = 86_400 * NANOS_PER_SEC;
/// How often it is looked for signals that are missing.
const MISS_EVERY: UnixNanos = 30 * NANOS_PER_SEC;
/// How often it is looked for such series.
const EXPIRE_EVERY: UnixNanos = 600 * NANOS_PER_SEC;
/// Learning is held for so long at the most; then what stands is how the service is.
const HOLD_MAX: UnixNanos = 7_200 * NANOS_PER_SEC;
/// Services whose signals are looked at together; about 40 KB each.
const VECTORS_MAX: usize = 1_000;
/// Rare series named beside another finding.
const SUPPORT_MAX: usize = 3;
/// What a series takes without the full tier: its small detector, record, calibrator, arrivals, budget and name.
const BOOKKEEPING_BYTES: usize = size_of::<HotSurprise>() + size_of::<Record>() + 900;
/// What the full tier takes on top: its detector, and a second calibrator.
const FULL_BYTES: usize = SurpriseColumns::bytes_per_row() + 500;

/// Room for the series of all services.
pub(super) fn new_bank(params: &SeriesParams) -> Bank {
    let admission = Admission::new(&params.admission, SurpriseColumns::bytes_per_row());
    let columns = SurpriseColumns::with_calendar(&params.surprise, Arc::clone(&params.calendar));
    Bank::new(columns, admission, u32::try_from(params.count_max).unwrap_or(u32::MAX))
}

/// Whether the points of a service teach what is normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// They do.
    Learn,
    /// Something is open on the service: nobody knows yet.
    Hold,
    /// They are known to be of a failing version.
    Discard,
}

/// What the stage counted, and what it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SeriesCounts {
    /// Points judged.
    pub judged: u64,
    /// Points of series that found no room.
    pub refused: u64,
    /// Alarms that the budgets let pass.
    pub alarms: u64,
    /// Points withheld from learning because something was open.
    pub held: u64,
    /// Points withheld because they were of a failing version.
    pub discarded: u64,
    /// Series forgotten because they had no points any more.
    pub expired: u64,
    /// Series now.
    pub series: u64,
    /// Of them, in the full tier.
    pub full: u64,
    /// Places in the full tier.
    pub full_places: u64,
    /// Times that a series asked for the full tier in vain.
    pub admissions_refused: u64,
    /// Times that a series lost its place to a more useful one.
    pub admissions_replaced: u64,
    /// Estimated size of the state.
    pub bytes: u64,
}

/// All series.
///
/// # Invariants
/// At most `count_max` series and as many services; a service is in `open` while a series of it has an episode or a finding
/// about it stands.
#[derive(Debug, Clone)]
pub(crate) struct SeriesWatch {
    params: SeriesParams,
    bank: Bank,
    books: BTreeMap<ServiceKey, Book>,
    /// Clusters in which a service of a name has a book.
    clusters: Clusters,
    open: BTreeSet<ServiceKey>,
    counts: SeriesCounts,
    expired_at: UnixNanos,
    missed_at: UnixNanos,
    /// Books that look at their signals together.
    vectors: usize,
    /// Services with a signal that is missing.
    missing: BTreeSet<ServiceKey>,
    scratch: Scratch,
}

/// A service without its cluster: service, namespace, environment, tenant.
type Elsewhere = [Arc<str>; 4];
type Clusters = BTreeMap<Elsewhere, BTreeSet<Arc<str>>>;

fn elsewhere(key: &ServiceKey) -> Elsewhere {
    [&key.service, &key.namespace, &key.environment, &key.tenant].map(Arc::clone)
}

fn note_cluster(clusters: &mut Clusters, service: &ServiceKey) {
    clusters.entry(elsewhere(service)).or_default().insert(Arc::clone(&service.cluster));
}

/// What is saved beside the bank.
type Saved = (
    Vec<u8>,
    BTreeMap<ServiceKey, Book>,
    [BTreeSet<ServiceKey>; 2],
    SeriesCounts,
    [UnixNanos; 2],
    (BudgetValidParams, BudgetValidParams),
);

impl SeriesWatch {
    /// Knows no series yet.
    pub(crate) fn new(params: SeriesParams) -> Self {
        Self {
            bank: new_bank(&params),
            params,
            books: BTreeMap::new(),
            clusters: BTreeMap::new(),
            open: BTreeSet::new(),
            counts: SeriesCounts::default(),
            expired_at: 0,
            missed_at: 0,
            vectors: 0,
            missing: BTreeSet::new(),
            scratch: Scratch::default(),
        }
    }

    /// What it counted and holds.
    pub(crate) fn counts(&self) -> SeriesCounts {
        let (full, full_places) = self.bank.admission().occupancy();
        let (refused, replaced) = self.bank.admission().counts();
        let series = self.bank.len();
        let vectors: usize =
            self.books.values().filter_map(|book| Some(book.together.as_ref()?.bytes())).sum();
        let bytes = series * BOOKKEEPING_BYTES + vectors + full * FULL_BYTES;
        SeriesCounts {
            series: series as u64,
            full: full as u64,
            full_places: full_places as u64,
            admissions_refused: refused,
            admissions_replaced: replaced,
            bytes: bytes as u64,
            ..self.counts
        }
    }

    /// Judges what closed: the golden signals of services, resources, and series without a meaning of their own.
    pub(crate) fn on_rows(
        &mut self,
        rows: &FeatureRows,
        golden: BTreeMap<ServiceKey, Vec<Point>>,
        gate: impl Fn(&ServiceKey) -> (Gate, bool),
    ) {
        let mut points = golden;
        for of_service in rows.resources.chunk_by(|a, b| a.subject.service == b.subject.service) {
            let service = &of_service[0].subject.service;
            let window_secs = self.params.window_secs;
            let Some(book) = self.book(service) else { continue };
            let closed = of_service.iter().filter_map(|row| book.levels.add(row, window_secs));
            let closed: Vec<Point> = closed.collect();
            if !closed.is_empty() {
                points.entry(service.clone()).or_default().extend(closed);
            }
        }
        for of_service in rows.series.chunk_by(|a, b| a.service == b.service) {
            let to_point = |row: &crate::features::SeriesRow| Point {
                name: SeriesName::Other(Arc::clone(&row.name)),
                at: row.at,
                value: row.value,
            };
            points.entry(of_service[0].service.clone()).or_default().extend(of_service.iter().map(to_point));
        }
        for (service, mut points) in points {
            let gate = gate(&service);
            self.judge(&service, &mut points, gate);
        }
        self.expire(rows.upto);
    }

    fn judge(&mut self, service: &ServiceKey, points: &mut Vec<Point>, (gate, is_compared): (Gate, bool)) {
        let Some(last_at) = points.iter().map(|point| point.at).max() else { return };
        let Some(book) = self.book(service) else {
            self.counts.refused += points.len() as u64;
            return;
        };
        let since = match gate {
            Gate::Learn => None,
            Gate::Hold | Gate::Discard => Some(book.held_since.unwrap_or(last_at)),
        };
        book.held_since = since;
        let is_over = gate == Gate::Hold && since.is_some_and(|since| since + HOLD_MAX < last_at);
        let lesson = if gate == Gate::Learn || is_over { Lesson::Learn } else { Lesson::Withhold };
        let has_room = self.vectors < VECTORS_MAX;
        // out of the map, so that the one alike may be looked into
        let Some((key, mut book)) = self.books.remove_entry(service) else { return };
        if book.together.is_none() && has_room {
            book.together = Some(Together::default());
            self.vectors += 1;
        }
        points.extend(book.together.as_mut().and_then(|together| together.take(points, lesson)));
        let like = book.like.as_ref().and_then(|like| self.books.get(like));
        let models = (&mut self.bank, &mut self.scratch);
        let step = book.judge((points, like), (lesson, is_compared), models, &self.params);
        self.books.insert(key, book);
        self.counts.judged += step.judged;
        self.counts.refused += step.refused;
        self.counts.alarms += step.alarms;
        match (lesson, gate) {
            (Lesson::Learn, _) => {}
            (_, Gate::Discard) => self.counts.discarded += step.judged,
            _ => self.counts.held += step.judged,
        }
        if step.alarms > 0 {
            self.open.insert(service.clone());
        }
    }

    /// What stands about each service, and what is over.
    pub(crate) fn statements(&mut self, upto: UnixNanos) -> Vec<Statement> {
        let mut statements = Vec::new();
        let mut closed = Vec::new();
        for service in &self.open {
            let Some(book) = self.books.get_mut(service) else { continue };
            let why = book.end(upto);
            if book.episodes().next().is_some() {
                book.is_stated = true;
                statements.push(Statement::Found(wording::finding(
                    service,
                    book.episodes(),
                    |name| book.note(name),
                    (upto, book.least_level()),
                )));
                continue;
            }
            closed.push(service.clone());
            if std::mem::take(&mut book.is_stated) {
                statements.push(Statement::Cleared {
                    service: service.clone(),
                    suspect: None,
                    rule: Some(RuleName::Baseline),
                    at: upto,
                    over: Over::ByRule(why.unwrap_or("it is within the usual again").to_owned()),
                });
            }
        }
        closed.iter().for_each(|service| {
            self.open.remove(service);
        });
        statements.extend(self.missing(upto));
        statements
    }

    /// Signals that stopped while others of their service go on.
    fn missing(&mut self, upto: UnixNanos) -> Vec<Statement> {
        if upto >= self.missed_at.saturating_add(MISS_EVERY) {
            self.missed_at = upto;
            for (service, book) in &mut self.books {
                if book.look_for_missing(upto, &self.params) {
                    self.missing.insert(service.clone());
                }
            }
        }
        let mut statements = Vec::new();
        let books = &self.books;
        self.missing.retain(|service| {
            let missing = books.get(service).map_or(&[][..], |book| &book.missing);
            statements.push(if missing.is_empty() {
                Statement::Cleared {
                    service: service.clone(),
                    suspect: None,
                    rule: Some(RuleName::Absence),
                    at: upto,
                    over: Over::ByRule("its signals are heard again, or have ended for good".to_owned()),
                }
            } else {
                Statement::Found(wording::missing(service, missing, upto))
            });
            !missing.is_empty()
        });
        statements
    }

    /// Adds to a finding about a suspected version which series were rare since it came: support, never more.
    pub(crate) fn support(&self, finding: &mut Finding) {
        let (Some(suspect), Some(book)) = (&finding.suspect, self.books.get(&finding.service)) else {
            return;
        };
        // the comparison itself tells of failed and slow requests, and better
        let is_news = |name: &SeriesName| match name {
            SeriesName::Calls(CallSignal::ErrorShare | CallSignal::Duration, _) => false,
            SeriesName::Calls(CallSignal::Rate, operation) => operation.is_empty(),
            SeriesName::Resource(_) | SeriesName::Other(_) => true,
            // pods of two versions differ, and the comparison tells how
            SeriesName::Siblings | SeriesName::Together => false,
        };
        let mut rare: Vec<(&SeriesName, &Seen)> =
            book.unusual(suspect.first_at).filter(|(name, _)| is_news(name)).collect();
        rare.sort_by(|a, b| b.1.decades.total_cmp(&a.1.decades).then_with(|| a.0.cmp(b.0)));
        let evidence = rare.iter().take(SUPPORT_MAX).map(|(name, seen)| wording::evidence(name, seen, 0.0));
        finding.evidence.extend(evidence);
    }

    /// State for the checkpoint.
    pub(crate) fn save(&self) -> Vec<u8> {
        let budgets = (self.params.each, self.params.shared);
        let (services, looked_at) = ([&self.open, &self.missing], [self.expired_at, self.missed_at]);
        let parts = (self.bank.save(), &self.books, services, &self.counts, looked_at, budgets);
        postcard::to_stdvec(&parts).expect("plain values always serialise")
    }

    /// Takes over a saved state. Settings stay those of this process: budgets that have changed begin unspent.
    ///
    /// # Errors
    /// Words, for bytes that are not a state of this version.
    pub(crate) fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        let parts: Saved = postcard::from_bytes(bytes).map_err(|error| error.to_string())?;
        let (bank, books, services, counts, looked_at, budgets) = parts;
        self.bank.load(&bank).map_err(|error| error.to_string())?;
        ([self.open, self.missing], [self.expired_at, self.missed_at]) = (services, looked_at);
        self.counts = counts;
        let is_same = budgets == (self.params.each, self.params.shared);
        let renewed = |(service, book): (ServiceKey, Book)| {
            (service, if is_same { book } else { book.with_budget_of(&self.params) })
        };
        self.books = books.into_iter().map(renewed).collect();
        self.count_vectors();
        self.count_clusters();
        Ok(())
    }

    /// The book of a service, begun if there is room.
    fn book(&mut self, service: &ServiceKey) -> Option<&mut Book> {
        if !self.books.contains_key(service) {
            if self.books.len() >= self.params.count_max {
                return None;
            }
            let like = self.like(service);
            note_cluster(&mut self.clusters, service);
            self.books.insert(service.clone(), Book::like(like, &self.params));
        }
        self.books.get_mut(service)
    }

    /// The same service elsewhere in the environment: in another cluster. The one with most series, of those the first.
    fn like(&self, service: &ServiceKey) -> Option<ServiceKey> {
        let clusters = self.clusters.get(&elsewhere(service))?;
        let other = |cluster: &Arc<str>| ServiceKey { cluster: Arc::clone(cluster), ..service.clone() };
        let alike = clusters.iter().rev().map(other);
        alike.max_by_key(|other| self.books.get(other).map_or(0, Book::len))
    }

    fn expire(&mut self, upto: UnixNanos) {
        if upto < self.expired_at.saturating_add(EXPIRE_EVERY) {
            return;
        }
        self.expired_at = upto;
        for book in self.books.values_mut() {
            self.counts.expired += book.expire(upto.saturating_sub(FORGET), &mut self.bank);
        }
        let open = &self.open;
        let before = self.books.len();
        self.books.retain(|service, book| book.len() > 0 || open.contains(service));
        if self.books.len() < before {
            self.count_clusters();
        }
        self.count_vectors();
    }

    fn count_clusters(&mut self) {
        self.clusters.clear();
        self.books.keys().for_each(|service| note_cluster(&mut self.clusters, service));
    }

    fn count_vectors(&mut self) {
        self.vectors = self.books.values().filter(|book| book.together.is_some()).count();
    }

    /// The episode of a series that stands.
    #[cfg(test)]
    pub(super) fn episode(&self, service: &ServiceKey, of: &SeriesName) -> Option<super::record::Episode> {
        let mut episodes = self.books.get(service)?.episodes();
        episodes.find(|(name, _)| *name == of).map(|(_, episode)| *episode)
    }

    /// Notes which pod of a service is least like its siblings.
    pub(crate) fn note_pod(&mut self, service: &ServiceKey, note: Option<String>) {
        if let Some(book) = self.books.get_mut(service) {
            book.odd_pod = note;
        }
    }
}
