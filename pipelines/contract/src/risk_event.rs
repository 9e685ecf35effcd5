//! The risk event: what was seen, what it means, and what should be done.

use serde::{Deserialize, Serialize};

use crate::{Capsule, Change, CloudEvent, ContractError, Family, SPEC_VERSION, Scope, Timestamp, id};

/// Version of [`RiskEvent`] on the wire.
pub const RISK_SCHEMA_VERSION: &str = "1";

macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        pub enum $name { $($(#[$vmeta])* $variant),+ }
    };
}

words! {
    /// Where an incident stands.
    RiskStatus {
        /// Revision 1.
        Opened,
        /// New evidence, another level, or news from the actuator.
        Updated,
        /// The telemetry is healthy again, or the outcome says so.
        Resolved,
    }
}

words! {
    /// Which run produced the event. Only `Live` may be acted on.
    Origin {
        /// Telemetry as it arrives.
        Live,
        /// A recording.
        Replay,
        /// A trial beside the real one.
        Shadow,
    }
}

words! {
    /// What should happen.
    Level {
        /// Keep looking.
        Monitor,
        /// Tell a person; pause the rollout.
        Alert,
        /// Strong enough to act on.
        Act,
    }
}

words! {
    /// What would heal it.
    RemedyKind {
        /// Revert the commit that introduced the version.
        GitRevert,
        /// Abort the canary.
        AbortRollout,
        /// Hold the rollout where it is.
        PauseRollout,
        /// Add replicas.
        Scale,
        /// Restart pods.
        Restart,
        /// Ask a person.
        Page,
    }
}

/// A closed-open window of event time, `start` ≤ t < `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Window {
    /// First instant.
    pub start: Timestamp,
    /// First instant after.
    pub end: Timestamp,
}

/// How bad, how sure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Assessment {
    /// Probability that the change (or service) is failing, 0 to 1.
    pub failure_probability: f64,
    /// How bad the failure is for the requests it touches, 0 to 1.
    pub severity: f64,
    /// Share of the traffic that is touched, weighted by criticality, 0 to 1.
    pub impact: f64,
    /// `failure_probability` × severity and impact, 0 to 1.
    pub risk: f64,
    /// What should happen.
    pub level: Level,
    /// Confidence in the assessment, 0 to 1.
    pub confidence: f64,
    /// How much history stands behind the expectation, 0 (none) to 1 (enough).
    pub maturity: f64,
}

/// One observation for (or, in `counter_evidence`, against) the assessment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Evidence {
    /// Signal and statistic, for example `errors` or `latency p99`.
    pub signal: String,
    /// UCUM unit of the values, `1` for shares.
    pub unit: String,
    /// What was expected.
    pub expected: f64,
    /// Lower end of what is still normal.
    pub lower: f64,
    /// Upper end of what is still normal.
    pub upper: f64,
    /// What was observed.
    pub observed: f64,
    /// p-value, where the rule has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// e-value, where the rule has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e_value: Option<f64>,
    /// Share of the evidence that this observation carries, 0 to 1.
    pub contribution: f64,
    /// The same in words.
    pub text: String,
    /// Traces that show it.
    #[serde(default)]
    pub exemplar_trace_ids: Vec<String>,
    /// Log templates that show it.
    #[serde(default)]
    pub log_templates: Vec<String>,
}

/// A suspect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Cause {
    /// Which service.
    pub service: String,
    /// What about it: `change`, `dependency`, `load`, `unknown`.
    pub kind: String,
    /// 0 to 1.
    pub confidence: f64,
    /// Indices into `evidence`.
    pub evidence_refs: Vec<u32>,
    /// What would heal it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<RemedyKind>,
}

/// A failure of the past that looked alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Similar {
    /// Which incident.
    pub incident_id: String,
    /// Cosine, not a probability.
    pub similarity: f64,
    /// Calibrated, where there is enough history.
    pub probability: Option<f64>,
    /// How it ended.
    pub outcome: String,
}

/// When something runs out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Forecast {
    /// What: `memory`, `connections`, …
    pub resource: String,
    /// When.
    pub exhausts_at: Timestamp,
    /// 0 to 1.
    pub confidence: f64,
}

/// What should be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Recommendation {
    /// What.
    pub action: RemedyKind,
    /// On what: a version, a commit, a workload.
    pub target: String,
    /// Why.
    pub reason: String,
    /// Whether it can be taken back.
    pub reversible: bool,
}

/// The rule that opened the incident.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rule {
    /// Its name: `canary_test`, `silence`, `before_after`, `slo`, `baseline`.
    pub name: String,
    /// Its version.
    pub version: u32,
}

/// One revision of one incident.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RiskEvent {
    /// Always [`RISK_SCHEMA_VERSION`].
    pub schema_version: String,
    /// Fixed at opening.
    pub incident_id: String,
    /// 1 at opening, then rising by one.
    pub revision: u32,
    /// Where the incident stands.
    pub status: RiskStatus,
    /// Which run produced it.
    pub origin: Origin,
    /// Who it is about.
    pub scope: Scope,
    /// The window that was judged.
    pub window: Window,
    /// The suspected change.
    pub change: Option<Change>,
    /// How bad, how sure.
    pub assessment: Assessment,
    /// What speaks for it, strongest first.
    pub evidence: Vec<Evidence>,
    /// What speaks against it, or was ruled out.
    pub counter_evidence: Vec<Evidence>,
    /// Suspects, strongest first.
    pub causes: Vec<Cause>,
    /// Failures of the past that looked alike.
    pub similar: Vec<Similar>,
    /// Incidents of its kind that ended before it; absent where nothing like it was seen, and in events of before families
    /// existed. For information: neither the assessment nor the digest rests on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// When something runs out.
    pub forecast: Option<Forecast>,
    /// What should be done, best first.
    pub recommended: Vec<Recommendation>,
    /// The rule that opened the incident.
    pub rule: Rule,
    /// What the judgement can be made again from; absent where nothing stands any more, and in events of before it existed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capsule: Option<Capsule>,
    /// Digest of scope, window, change, evidence, counter-evidence and capsule.
    pub evidence_digest: String,
    /// All of it in words.
    pub explanation: String,
}

impl RiskEvent {
    /// CloudEvent type for a status.
    #[must_use]
    pub const fn type_of(status: RiskStatus) -> &'static str {
        match status {
            RiskStatus::Opened => "dev.bellwether.risk.opened.v1",
            RiskStatus::Updated => "dev.bellwether.risk.updated.v1",
            RiskStatus::Resolved => "dev.bellwether.risk.resolved.v1",
        }
    }

    /// Digest over what the decision rests on; approvals and commits are bound to it.
    #[must_use]
    pub fn digest(&self) -> String {
        let part = (&self.scope, &self.window, &self.change, &self.evidence, &self.counter_evidence);
        let mut text = serde_json::to_string(&part).expect("strings, numbers and lists always serialise");
        if let Some(capsule) = &self.capsule {
            text += &serde_json::to_string(capsule).expect("strings, numbers and lists always serialise");
        }
        id::evidence_digest(&text)
    }

    /// Wraps it for the wire; `time` is the end of the window, `id` a function of incident and revision.
    #[must_use]
    pub fn into_cloud_event(self, source: &str) -> CloudEvent<Self> {
        CloudEvent {
            specversion: SPEC_VERSION.to_owned(),
            id: id::revision_id(&self.incident_id, self.revision),
            source: source.to_owned(),
            kind: Self::type_of(self.status).to_owned(),
            subject: Some(self.scope.key()),
            time: Some(self.window.end),
            datacontenttype: Some("application/json".to_owned()),
            partitionkey: Some(self.scope.key()),
            correlationid: Some(self.incident_id.clone()),
            data: self,
        }
    }

    /// Reads the data of a risk event and verifies version, id and digest.
    ///
    /// # Errors
    /// [`ContractError::Shape`] if it is not a risk event or its digest does not match its content,
    /// [`ContractError::Version`] if it is of another version.
    pub fn from_json(text: &[u8]) -> Result<Self, ContractError> {
        let shape = |why: String| ContractError::Shape { what: "risk event", why };
        let event: Self = serde_json::from_slice(text).map_err(|e| shape(e.to_string()))?;
        if event.schema_version != RISK_SCHEMA_VERSION {
            let given = event.schema_version;
            return Err(ContractError::Version { what: "risk event", given, known: RISK_SCHEMA_VERSION });
        }
        let digest = event.digest();
        if digest != event.evidence_digest {
            return Err(shape(format!(
                "evidence_digest is {}, its content has {digest}",
                event.evidence_digest
            )));
        }
        Ok(event)
    }
}
