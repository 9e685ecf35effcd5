//! One service: who serves it, its comparison of versions, and the watches beside it.
//!
//! A complete tick goes through the tests before anything learns from it. What it does not do: route rows, or look at more than
//! one service.

use engine::record::UnixNanos;
use models::sequential::CanaryValidParams;
use serde::{Deserialize, Serialize};

use super::capsule::Tape;
use super::cells::{Cadence, CellBuffer, OWN_P90, ServiceTick};
use super::contest::{Contest, Turn, fresh_test};
use super::cost::CostWatch;
use super::finding::{Statement, Suspect};
use super::lines::LineWatch;
use super::nodes::{NodeCondition, NodeTally, Nodes};
use super::roster::Roster;
use super::series::{Golden, SiblingWatch};
use super::service::ScoringParams;
use super::silence;
use super::slo::SloWatch;
use super::template_rates::TemplateRates;
use super::wording::{self, Judged};
use super::yardstick::Yardstick;
use crate::features::{CallRow, LatencySketch, ServiceKey};

/// State of one service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ServiceState {
    pub(super) roster: Roster,
    yardstick: Yardstick,
    pub(super) cells: CellBuffer,
    pub(super) contest: Contest,
    pub(super) cost: CostWatch,
    pub(super) lines: LineWatch,
    pub(super) template_rates: TemplateRates,
    slo: SloWatch,
    pub(super) golden: Golden,
    pub(super) siblings: SiblingWatch,
    /// Whether something stands about the present suspect.
    pub(super) stands: bool,
    /// Shares of bad requests of the control, decayed; for nodes.
    bad_share: f64,
    pub(super) last_row_at: UnixNanos,
    /// Traces that show the canary's bad requests.
    exemplars: Vec<[u8; 16]>,
}

impl ServiceState {
    pub(super) fn new(params: &ScoringParams, cadence: Cadence, at: UnixNanos) -> Self {
        Self {
            roster: Roster::default(),
            yardstick: Yardstick::default(),
            cells: CellBuffer::new(cadence),
            contest: Contest::new(&params.canary, cadence, at),
            cost: CostWatch::default(),
            lines: LineWatch::default(),
            template_rates: TemplateRates::default(),
            slo: SloWatch::default(),
            golden: Golden::default(),
            siblings: SiblingWatch::default(),
            stands: false,
            bad_share: 0.0,
            last_row_at: at,
            exemplars: Vec::new(),
        }
    }

    pub(super) fn change_cadence(&mut self, canary: &CanaryValidParams, cadence: Cadence, at: UnixNanos) {
        self.cells = CellBuffer::new(cadence);
        self.contest = self.contest.at_cadence(canary, cadence, at);
    }

    pub(super) fn take_call(&mut self, row: &CallRow) -> Option<ServiceTick> {
        self.last_row_at = self.last_row_at.max(row.end_at);
        let pod = self.roster.pod(&row.subject, row.start_at)?;
        pod.last_at = pod.last_at.max(row.end_at);
        if row.requests > 0 {
            pod.last_request_at = pod.last_request_at.max(Some(row.end_at));
        }
        let idx = pod.idx;
        self.cells.add(idx, row)
    }

    /// A complete tick: the tests first, then what counts as normal learns from the control.
    pub(super) fn on_tick(&mut self, tick: &ServiceTick, nodes: &mut Nodes, window_secs: u64) {
        self.golden.on_tick(tick, window_secs);
        self.contest.on_tick(tick, &self.roster, &self.yardstick);
        self.slo.on_tick(tick);
        let control_arm = self.contest.control_arm().cloned();
        let suspect_arm = self.contest.suspect().map(|suspect| suspect.arm.clone());
        let limits = *self.yardstick.limits();
        let (mut durations, mut own) = (LatencySketch::default(), LatencySketch::default());
        for pod in self.roster.iter() {
            let Some(tally) = tick.pods.get(&pod.idx) else { continue };
            self.cost.on_requests(pod, tick.end_at, tally.requests);
            self.lines.on_requests(&pod.arm, tally.requests);
            self.template_rates.on_requests(tally.requests);
            let is_suspected = suspect_arm.as_ref() == Some(&pod.arm);
            if is_suspected && (tally.errors > 0 || self.exemplars.is_empty()) {
                self.exemplars = tally.exemplars.clone();
            }
            if control_arm.as_ref().is_some_and(|arm| *arm != pod.arm) {
                continue;
            }
            durations.merge(&tally.durations);
            own.merge(&tally.own);
            let bad = tally.bad(&limits);
            // callers of a bad version fail and are slow as well; only what a pod does itself speaks of its node
            let observed = if tally.own.count() > 0 { bad[OWN_P90] } else { bad[0] + bad[3] } as f64;
            let requests = tally.requests as f64;
            nodes.add(
                &pod.node,
                tick.end_at,
                NodeTally { requests, observed, expected: requests * self.bad_share },
            );
            if requests > 0.0 {
                let weight = (requests / 2_000.0).min(0.1);
                self.bad_share += weight * (observed / requests - self.bad_share);
            }
        }
        self.yardstick.add(tick.end_at, &durations, &own);
    }

    /// Closes what ended, and looks at who is there.
    pub(super) fn close(&mut self, upto: UnixNanos, nodes: &mut Nodes, window_secs: u64) {
        if let Some(tick) = self.cells.close_upto(upto) {
            self.on_tick(&tick, nodes, window_secs);
        }
        self.roster.expire(upto);
    }

    pub(super) fn judge(
        &mut self,
        key: &ServiceKey,
        upto: UnixNanos,
        params: &ScoringParams,
        nodes: &Nodes,
    ) -> Vec<Statement> {
        let mut statements = Vec::new();
        let cadence = self.cells.cadence();
        let fresh = || fresh_test(&params.canary, cadence, upto);
        for turn in self.contest.on_roster(&self.roster, (upto, self.stands), fresh) {
            self.contest.tape = Tape::default();
            match turn {
                Turn::Started(suspect) => {
                    self.cost.reset();
                    self.lines.start(&suspect);
                    self.exemplars.clear();
                    if let Some(pod) = self.roster.of_arm(&suspect.arm).map(|pod| pod.idx).min() {
                        self.cells.pace_by(pod);
                    }
                }
                Turn::Ended(suspect, over) => {
                    if std::mem::take(&mut self.stands) {
                        let (service, suspect) = (key.clone(), Some(suspect));
                        statements.push(Statement::Cleared { service, suspect, rule: None, at: upto, over });
                    }
                }
            }
        }
        if let Some(suspect) = self.contest.suspect().cloned() {
            let judged = self.judged(&suspect, nodes);
            let mut findings = wording::findings(key, &suspect, &judged, upto);
            self.lines.support(&suspect, &mut findings);
            self.stands |= !findings.is_empty();
            statements.extend(findings.into_iter().map(Statement::Found));
        }
        statements.extend(self.slo.judge(key, &params.slo, upto));
        statements
    }

    pub(super) fn judged(&self, suspect: &Suspect, nodes: &Nodes) -> Judged {
        let now = self.contest.last_tick_at;
        let patience = match self.cells.cadence() {
            Cadence::Seconds => 0,
            Cadence::Exports(length) => length,
        };
        let pods: Vec<_> = self.roster.of_arm(&suspect.arm).collect();
        let (canary, control): (Vec<u32>, Vec<u32>) = (
            pods.iter().map(|pod| pod.idx).collect(),
            self.roster.of_arm(&suspect.stable).map(|pod| pod.idx).collect(),
        );
        let on_nodes =
            |condition| pods.iter().filter(|pod| nodes.condition(&pod.node, now) == condition).count();
        let nodes_clean = !pods.is_empty() && on_nodes(NodeCondition::Clean) == pods.len();
        let nodes_sick = on_nodes(NodeCondition::Sick) > 0;
        Judged {
            reading: self.contest.reading,
            peak_ln_e: self.contest.peak_ln_e,
            silence: silence::read(&self.roster, suspect, self.contest.control_since_canary, patience, now),
            cost: self.cost.compare(&control, &canary),
            canary_pods: canary.len(),
            nodes_clean,
            nodes_sick,
            exemplars: self.exemplars.clone(),
            limits: *self.yardstick.limits(),
        }
    }
}
