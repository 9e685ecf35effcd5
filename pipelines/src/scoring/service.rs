//! All services: routes rows, runs each service's comparison, thresholds and watches, and collects what they state.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract::Capsule;
use engine::record::{NANOS_PER_SEC, UnixNanos};
use models::sequential::CanaryValidParams;
use serde::{Deserialize, Serialize};

use super::absence::AbsenceWatch;
use super::cells::Cadence;
use super::exhaustion::ExhaustionWatch;
use super::exhaustion_wording;
use super::finding::{Statement, Suspect};
use super::nodes::Nodes;
use super::series::{Gate, SeriesCounts, SeriesParams, SeriesWatch};
use super::service_state::ServiceState;
use super::standing::Standing;
use super::switches::Switches;
use super::wording;
use crate::config::SloPlan;
use crate::features::{CallRow, FeatureRows, ResourceSignal, ServiceKey};

/// What the scoring stage is set to.
#[derive(Debug, Clone)]
pub struct ScoringParams {
    /// The canary test.
    pub canary: CanaryValidParams,
    /// Static thresholds.
    pub slo: SloPlan,
    /// The baselines of single series.
    pub series: SeriesParams,
    /// Services at the most.
    pub services_max: usize,
}

/// Counters that tell when a bound bites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScoringCounts {
    /// Rows of services that found no room.
    pub services_refused: u64,
    /// Rows of pods that found no room.
    pub pods_refused: u64,
    /// Times the cadence of a service changed, which starts its comparison anew.
    pub cadence_changes: u64,
    /// Resources that found no room for a forecast.
    pub forecasts_refused: u64,
    /// Findings of resources that run out.
    pub exhaustions_found: u64,
    /// Environments of which nothing at all is heard now.
    pub silent_reporters: u64,
    /// The baselines of single series.
    pub series: SeriesCounts,
}

/// The scoring stage.
///
/// # Invariants
/// At most `services_max` services; state changes only through rows, in their order.
#[derive(Debug, Clone)]
pub struct Scoring {
    params: ScoringParams,
    services: BTreeMap<ServiceKey, ServiceState>,
    nodes: Nodes,
    exhaustion: ExhaustionWatch,
    series: SeriesWatch,
    absence: AbsenceWatch,
    switches: Switches,
    counts: ScoringCounts,
}

impl Scoring {
    /// Knows no service yet.
    #[must_use]
    pub fn new(params: ScoringParams) -> Self {
        Self {
            series: SeriesWatch::new(params.series.clone()),
            params,
            services: BTreeMap::new(),
            nodes: Nodes::default(),
            exhaustion: ExhaustionWatch::default(),
            absence: AbsenceWatch::default(),
            switches: Switches::default(),
            counts: ScoringCounts::default(),
        }
    }

    /// What found no room so far.
    #[must_use]
    pub fn counts(&self) -> ScoringCounts {
        ScoringCounts { series: self.series.counts(), ..self.counts }
    }

    /// Takes in the rows that closed; gives the statements, by service. `troubled` are services on which an incident is open:
    /// what they show meanwhile is no example of what is normal.
    pub fn on_rows(&mut self, rows: &FeatureRows, troubled: &BTreeSet<ServiceKey>) -> Vec<Statement> {
        self.take_presence(rows);
        self.take_calls(rows);
        self.take_lines(rows);
        self.take_resources(rows);
        let mut statements = Vec::new();
        for (key, state) in &mut self.services {
            state.close(rows.upto, &mut self.nodes, self.params.series.window_secs);
            statements.extend(state.judge(key, rows.upto, &self.params, &self.nodes));
        }
        let suspects = self.services.iter();
        let suspects = suspects.filter_map(|(key, state)| Some((key, state.contest.suspect()?))).collect();
        statements.extend(self.switches.on_rows(rows, &suspects, troubled, self.params.services_max));
        self.exhaustion.on_rows(rows);
        statements.extend(self.running_out(rows.upto));
        self.judge_series(rows, troubled, &mut statements);
        self.absence.on_rows(rows, self.params.services_max);
        let services = &self.services;
        let is_compared = |service: &ServiceKey| {
            services.get(service).is_some_and(|state| state.contest.suspect().is_some())
        };
        statements.extend(self.absence.statements(rows.upto, is_compared));
        self.counts.silent_reporters = self.absence.silent_reporters;
        self.nodes.expire(rows.upto);
        self.services.retain(|_, state| state.last_row_at + 3_600 * NANOS_PER_SEC >= rows.upto);
        statements
    }

    /// Every signal against its own past: findings of their own, and support for those about a suspected version.
    fn judge_series(
        &mut self,
        rows: &FeatureRows,
        troubled: &BTreeSet<ServiceKey>,
        statements: &mut Vec<Statement>,
    ) {
        let mut golden = BTreeMap::new();
        for (key, state) in &mut self.services {
            let mut points = state.golden.take();
            points.extend(state.template_rates.close(rows.upto));
            let suspect = state.contest.suspect().map(|suspect| &suspect.arm);
            if let Some(point) = state.siblings.close(rows.upto, suspect) {
                points.push(point);
                self.series.note_pod(key, state.siblings.note());
            }
            if !points.is_empty() {
                golden.insert(key.clone(), points);
            }
        }
        let found = statements.iter().filter_map(|statement| match statement {
            Statement::Found(finding) => Some(&finding.service),
            Statement::Cleared { .. } => None,
        });
        let found: BTreeSet<&ServiceKey> = found.collect();
        let services = &self.services;
        let gate = |service: &ServiceKey| {
            let state = services.get(service);
            let is_compared = state.is_some_and(|state| state.contest.suspect().is_some());
            let gate = match state {
                Some(state) if state.stands => Gate::Discard,
                _ if is_compared || troubled.contains(service) || found.contains(service) => Gate::Hold,
                _ => Gate::Learn,
            };
            (gate, is_compared)
        };
        self.series.on_rows(rows, golden, gate);
        for statement in statements.iter_mut() {
            if let Statement::Found(finding) = statement {
                self.series.support(finding);
            }
        }
        statements.extend(self.series.statements(rows.upto));
    }

    /// Findings about resources that run out, one a service at the most.
    fn running_out(&mut self, upto: UnixNanos) -> Vec<Statement> {
        let standing = self.exhaustion.standing(upto);
        self.counts.forecasts_refused = self.exhaustion.refused;
        self.counts.exhaustions_found += standing.len() as u64;
        let found = |running_out: &_| {
            let service = exhaustion_wording::service_of(running_out);
            let compared = self.services.get(service).and_then(|state| state.contest.suspect());
            Statement::Found(exhaustion_wording::finding(running_out, compared))
        };
        standing.iter().map(found).collect()
    }

    /// The comparisons as they stand.
    pub fn standings(&self) -> BTreeMap<ServiceKey, Arc<Standing>> {
        let standing = |(key, state): (&ServiceKey, &ServiceState)| {
            let suspect = state.contest.suspect()?;
            let judged = state.judged(suspect, &self.nodes);
            let verdict = wording::verdict(key, suspect, &judged);
            let (canary, stable) = (suspect.arm.clone(), suspect.stable.clone());
            let at = state.contest.last_tick_at;
            Some((key.clone(), Arc::new(Standing { service: key.clone(), canary, stable, at, verdict })))
        };
        self.services.iter().filter_map(standing).collect()
    }

    /// What the present judgement of this suspect can be made again from.
    #[must_use]
    pub fn capsule(&self, key: &ServiceKey, suspect: &Suspect) -> Option<Capsule> {
        let state = self.services.get(key)?;
        let by_switch = self.switches.capsule(key, suspect);
        let compared = state.contest.suspect().filter(|compared| *compared == suspect);
        let Some(compared) = compared else { return by_switch };
        let judged = state.judged(compared, &self.nodes);
        if by_switch.is_some() && wording::findings(key, compared, &judged, 0).is_empty() {
            return by_switch;
        }
        Some(state.contest.tape.capsule(&state.contest.test, &judged, self.params.canary.values()))
    }

    /// Services whose new version is being compared, and since when.
    #[must_use]
    pub fn comparisons(&self) -> BTreeMap<ServiceKey, UnixNanos> {
        let compared = |(key, state): (&ServiceKey, &ServiceState)| {
            Some((key.clone(), state.contest.suspect()?.first_at))
        };
        self.services.iter().filter_map(compared).collect()
    }

    /// State for the checkpoint.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let series = self.series.save();
        let watches = (&self.exhaustion, &self.absence, &self.switches);
        let parts = (&self.services, &self.nodes, watches, &self.counts, series);
        postcard::to_stdvec(&parts).expect("plain values always serialise")
    }

    /// Takes over a saved state.
    ///
    /// # Errors
    /// Words, for bytes that are not a state of this version.
    pub fn load(&mut self, bytes: &[u8]) -> Result<(), String> {
        let series: Vec<u8>;
        let watches;
        (self.services, self.nodes, watches, self.counts, series) =
            postcard::from_bytes(bytes).map_err(|error| error.to_string())?;
        (self.exhaustion, self.absence, self.switches) = watches;
        self.series.load(&series)
    }

    fn state(&mut self, key: &ServiceKey, cadence: Cadence, at: UnixNanos) -> Option<&mut ServiceState> {
        if !self.services.contains_key(key) {
            if self.services.len() >= self.params.services_max {
                self.counts.services_refused += 1;
                return None;
            }
            self.services.insert(key.clone(), ServiceState::new(&self.params, cadence, at));
        }
        self.services.get_mut(key)
    }

    fn take_presence(&mut self, rows: &FeatureRows) {
        for row in &rows.presence {
            // a service is judged once it serves; presence alone makes none
            if let Some(state) = self.services.get_mut(&row.subject.service) {
                state.roster.on_presence(row);
                state.last_row_at = state.last_row_at.max(row.last_at);
            }
        }
        self.counts.pods_refused = self.services.values().map(|state| state.roster.refused).sum();
    }

    fn take_calls(&mut self, rows: &FeatureRows) {
        let mut calls: Vec<&CallRow> = rows.calls.iter().collect();
        calls.sort_by(|a, b| (a.end_at, &a.subject, &a.operation).cmp(&(b.end_at, &b.subject, &b.operation)));
        let mut nodes = std::mem::take(&mut self.nodes);
        let window_secs = self.params.series.window_secs;
        for row in calls {
            let canary = self.params.canary;
            let Some(state) = self.state(&row.subject.service, Cadence::of(row), row.start_at) else {
                continue;
            };
            let new_cadence = state.cells.new_cadence(row);
            if let Some(cadence) = new_cadence {
                state.change_cadence(&canary, cadence, row.start_at);
            }
            let tick = state.take_call(row);
            if let Some(tick) = tick {
                state.on_tick(&tick, &mut nodes, window_secs);
            }
            state.golden.add(row);
            state.siblings.on_call(row);
            self.counts.cadence_changes += u64::from(new_cadence.is_some());
        }
        self.nodes = nodes;
    }

    fn take_lines(&mut self, rows: &FeatureRows) {
        for merge in &rows.template_merges {
            if let Some(state) = self.services.get_mut(&merge.service) {
                state.lines.on_merge(merge);
                state.template_rates.on_merge(merge);
            }
        }
        for row in &rows.lines {
            if let Some(state) = self.services.get_mut(&row.subject.service) {
                state.lines.on_lines(row);
                state.template_rates.on_lines(row);
            }
        }
    }

    fn take_resources(&mut self, rows: &FeatureRows) {
        for row in &rows.resources {
            let Some(state) = self.services.get_mut(&row.subject.service) else { continue };
            state.roster.on_resource(row);
            state.siblings.on_resource(row);
            if row.signal != ResourceSignal::Cpu {
                continue;
            }
            if let Some(pod) = state.roster.pod(&row.subject, row.at) {
                let pod = pod.clone();
                state.cost.on_cpu(&pod, row.at, row.value);
            }
        }
    }
}
