//! Builds the chain from the plan; the only file that names every stage.
//!
//! [`Judge`] is the product as one operator: batches in, risk events out, state between two batches.

use std::sync::Arc;

use contract::{Origin, Outcome, RiskEvent};
use engine::batch::{Batch, Payload};
use engine::error::EngineError;
use engine::operator::{Operator, Output, Progress, StateBlob};
use engine::record::RecordKind;
use models::sequential::CanaryParams;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::changes::{Announced, Announcement};
use crate::config::Plan;
use crate::event;
use crate::features::{FeatureParams, Features};
use crate::history::{FamilyCounts, History};
use crate::incident::{Around, IncidentCounts, Incidents};
use crate::scoring::{Scoring, ScoringCounts, ScoringParams, SeriesParams, VerdictBoard};
use crate::topology::CallGraph;

/// Version of the layout of [`Judge`]'s state.
const STATE_VERSION: u32 = 19;
const NAME: &str = "judge";

/// What the operator counts besides its output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct JudgeCounts {
    /// Changes and outcomes that could not be read.
    pub messages_unreadable: u64,
    /// Risk events said, by status (opened, updated, resolved) and in it by level (monitor, alert, act).
    pub risk_events: [[u64; 3]; 3],
}

impl JudgeCounts {
    fn note(&mut self, event: &RiskEvent) {
        self.risk_events[event.status as usize][event.assessment.level as usize] += 1;
    }
}

/// Everything that the judging side can tell about itself, for `/metrics`.
#[derive(Debug, Clone, Default)]
pub struct JudgeReport {
    /// Its own counts.
    pub judge: JudgeCounts,
    /// Of the features stage, by reason.
    pub features: Vec<(&'static str, u64)>,
    /// Of the scoring stage.
    pub scoring: ScoringCounts,
    /// Of the incident stage.
    pub incidents: IncidentCounts,
    /// Open incidents.
    pub open_incidents: usize,
    /// Of the families of those that ended.
    pub families: FamilyCounts,
    /// The same when the state was restored: what was counted before this process.
    pub base: Option<Arc<JudgeReport>>,
}

/// Features, scoring, incidents and events as one operator.
#[derive(Debug)]
pub struct Judge {
    origin: Origin,
    features: Features,
    graph: CallGraph,
    announced: Announced,
    scoring: Scoring,
    incidents: Incidents,
    history: History,
    counts: JudgeCounts,
    base: Option<Arc<JudgeReport>>,
    board: watch::Sender<VerdictBoard>,
    report: watch::Sender<JudgeReport>,
}

/// What others may look at while the operator runs.
#[derive(Debug, Clone)]
pub struct JudgeViews {
    /// Standing comparisons.
    pub board: watch::Receiver<VerdictBoard>,
    /// Counts.
    pub report: watch::Receiver<JudgeReport>,
}

/// Where a judge shows what it does. It outlives the judge: after a failure another one goes on showing there.
#[derive(Debug, Clone, Default)]
pub struct JudgeBoards {
    board: watch::Sender<VerdictBoard>,
    report: watch::Sender<JudgeReport>,
}

impl JudgeBoards {
    /// For those who look.
    #[must_use]
    pub fn views(&self) -> JudgeViews {
        JudgeViews { board: self.board.subscribe(), report: self.report.subscribe() }
    }
}

impl Judge {
    /// The chain for a plan.
    ///
    /// # Errors
    /// [`EngineError::Setting`] for test parameters that the test refuses.
    pub fn new(plan: &Plan, origin: Origin) -> Result<(Self, JudgeViews), EngineError> {
        let boards = JudgeBoards::default();
        Ok((Self::showing(plan, origin, &boards)?, boards.views()))
    }

    /// The chain for a plan, shown there.
    ///
    /// # Errors
    /// As [`Judge::new`].
    pub fn showing(plan: &Plan, origin: Origin, boards: &JudgeBoards) -> Result<Self, EngineError> {
        let canary = CanaryParams {
            alpha_pause: plan.canary.pause_alpha,
            alpha_act: plan.canary.act_alpha,
            horizon_secs: plan.canary.horizon_secs,
            ..CanaryParams::default()
        };
        let canary = canary.check().map_err(|fault| EngineError::Setting(format!("canary: {fault}")))?;
        let series = SeriesParams::new(&plan.series, plan.time.window_secs)
            .map_err(|fault| EngineError::Setting(format!("series: {fault}")))?;
        let params =
            ScoringParams { canary, slo: plan.slo.clone(), series, services_max: plan.limits.services };
        Ok(Self {
            origin,
            features: Features::new(FeatureParams {
                window_secs: plan.time.window_secs as i64,
                skew_secs: plan.time.skew_secs_max as i64,
                services_max: plan.limits.services,
                ..FeatureParams::default()
            }),
            graph: CallGraph::default(),
            announced: Announced::default(),
            scoring: Scoring::new(params),
            incidents: Incidents::new(plan.limits.incidents),
            history: History::default(),
            counts: JudgeCounts::default(),
            base: None,
            board: boards.board.clone(),
            report: boards.report.clone(),
        })
    }

    fn on_message(&mut self, kind: RecordKind, body: &[u8], arrived_at: i64) {
        let readable = match kind {
            RecordKind::Change => {
                Announcement::from_json(body, arrived_at).map(|change| self.announced.take(change))
            }
            RecordKind::Outcome => read_outcome(body).map(|outcome| {
                if let Some(late) = self.incidents.on_outcome(outcome, event::incident_id) {
                    self.history.on_late_outcome(&late);
                }
            }),
            _ => Ok(()),
        };
        self.counts.messages_unreadable += u64::from(readable.is_err());
    }

    fn publish_views(&self, progress: Progress) {
        self.board.send_replace(VerdictBoard {
            watermark: progress.watermark,
            log_clock: progress.log_clock,
            standings: self.scoring.standings(),
        });
        self.publish_report();
    }

    fn publish_report(&self) {
        self.report.send_replace(self.report_now());
    }

    fn report_now(&self) -> JudgeReport {
        JudgeReport {
            judge: self.counts,
            features: self.features.counts().iter().map(|(what, n)| (what.name(), n)).collect(),
            scoring: self.scoring.counts(),
            incidents: self.incidents.counts(),
            open_incidents: self.incidents.iter().count(),
            families: self.history.counts(),
            base: self.base.clone(),
        }
    }
}

/// What [`Judge::save`] puts together: features, calls, announcements, scoring, incidents, history, counts.
type SavedParts = (StateBlob, CallGraph, Announced, Vec<u8>, Vec<u8>, History, JudgeCounts);

/// An outcome, plain or as the data of a structured CloudEvent.
fn read_outcome(body: &[u8]) -> Result<Outcome, contract::ContractError> {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow)]
        data: &'a serde_json::value::RawValue,
    }
    match serde_json::from_slice::<Envelope<'_>>(body) {
        Ok(envelope) => Outcome::from_json(envelope.data.get().as_bytes()),
        Err(_) => Outcome::from_json(body),
    }
}

/// Whether a body can be read as an outcome; the front door asks before it acknowledges.
///
/// # Errors
/// As [`Outcome::from_json`].
pub fn check_outcome(body: &[u8]) -> Result<(), contract::ContractError> {
    read_outcome(body).map(|_| ())
}

impl Operator for Judge {
    fn on_batch(&mut self, batch: &Batch, _: &mut Output) -> Result<(), EngineError> {
        match &batch.payload {
            Payload::Message { kind, body } => self.on_message(*kind, body, batch.arrived_at),
            _ => self.features.on_batch(batch),
        }
        Ok(())
    }

    fn on_progress(&mut self, progress: Progress, out: &mut Output) -> Result<(), EngineError> {
        let rows = self.features.on_progress(progress);
        self.graph.observe(&rows.edges, rows.upto);
        let statements = self.scoring.on_rows(&rows, &self.incidents.troubled());
        let comparisons = self.scoring.comparisons();
        let around = Around { graph: &self.graph, comparisons: &comparisons };
        let announced = &self.announced;
        let change_of = |key: &crate::incident::IncidentKey| {
            key.suspect.as_ref().map(|suspect| announced.change_of(&key.service, suspect))
        };
        for notice in self.incidents.on_statements(statements, around, rows.upto, change_of) {
            let suspect = notice.incident.key.suspect.as_ref();
            let capsule =
                suspect.and_then(|suspect| self.scoring.capsule(&notice.incident.key.service, suspect));
            let family = self.history.on_notice(&notice, &event::incident_id(&notice.incident));
            let event = event::build(&notice, self.origin, capsule, family);
            self.counts.note(&event);
            out.messages.push(event::message(event));
        }
        self.publish_views(progress);
        Ok(())
    }

    fn save(&self) -> StateBlob {
        let parts = (
            &self.features.save(),
            &self.graph,
            &self.announced,
            self.scoring.save(),
            self.incidents.save(),
            &self.history,
            &self.counts,
        );
        let bytes = postcard::to_stdvec(&parts).expect("plain values always serialise");
        StateBlob { operator: NAME.to_owned(), version: STATE_VERSION, bytes }
    }

    fn load(&mut self, blob: StateBlob) -> Result<(), EngineError> {
        if blob.version != STATE_VERSION {
            return Err(EngineError::StateVersion {
                operator: blob.operator,
                found: blob.version,
                known: STATE_VERSION,
            });
        }
        let damaged =
            |why: String| EngineError::Damaged { what: "operator state", place: NAME.to_owned(), why };
        let parts: Result<SavedParts, _> = postcard::from_bytes(&blob.bytes);
        let (features, graph, announced, scoring, incidents, history, counts) =
            parts.map_err(|e| damaged(e.to_string()))?;
        self.features.load(&features)?;
        self.scoring.load(&scoring).map_err(damaged)?;
        self.incidents.load(&incidents).map_err(|e| damaged(e.to_string()))?;
        (self.graph, self.announced, self.counts) = (graph, announced, counts);
        self.history = history;
        self.base = None;
        self.base = Some(Arc::new(self.report_now()));
        self.publish_report();
        Ok(())
    }
}
