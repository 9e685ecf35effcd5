//! `GET /v1/verdict`: the comparison of a canary as it stands, for rollout controllers.
//!
//! Never an error for lack of data: cold, starved, late and unknown are `inconclusive` with the reason.

use contract::{Verdict, VerdictKind};
use engine::record::UnixNanos;

use crate::features::{Arm, ServiceKey};
use crate::scoring::VerdictBoard;

/// What a rollout controller asks.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// Tenant; the configured one by default.
    #[serde(default)]
    pub tenant: String,
    /// `service.namespace` or Kubernetes namespace; empty = any.
    #[serde(default)]
    pub namespace: String,
    /// `service.name`.
    #[serde(default)]
    pub service: String,
    /// Pod-template-hash or version of the canary; empty = the newest.
    #[serde(default)]
    pub canary: String,
    /// Pod-template-hash or version of the stable arm; empty = as found.
    #[serde(default)]
    pub stable: String,
}

/// Past this distance between the log's clock and the watermark a verdict is late.
const LAG_MAX: UnixNanos = 120 * engine::record::NANOS_PER_SEC;

fn names(arm: &Arm, asked: &str) -> bool {
    asked.is_empty() || *arm.version == *asked || *arm.template_hash == *asked
}

/// The answer to a question.
#[must_use]
pub fn answer(board: &VerdictBoard, question: &Question) -> Verdict {
    if question.service.is_empty() {
        return inconclusive(
            "service is missing: ask with ?namespace=&service=&canary=&stable=".to_owned(),
            0,
        );
    }
    let asked = |service: &ServiceKey| {
        *service.service == *question.service
            && (question.namespace.is_empty() || *service.namespace == *question.namespace)
            && (question.tenant.is_empty() || *service.tenant == *question.tenant)
    };
    let mut found = board.standings.iter().filter(|(service, _)| asked(service));
    let Some((_, standing)) = found.next() else {
        let text =
            format!("no comparison of {} is running: no second version has been seen", question.service);
        return inconclusive(text, 30);
    };
    if found.next().is_some() {
        return inconclusive(
            format!("{} is in several namespaces or clusters: name one", question.service),
            0,
        );
    }
    if !names(&standing.canary, &question.canary) || !names(&standing.stable, &question.stable) {
        let (canary, stable) = (standing.canary.name(), standing.stable.name());
        return inconclusive(format!("what is compared now is {canary} with {stable}"), 30);
    }
    if board.log_clock - board.watermark > LAG_MAX {
        let secs = (board.log_clock - board.watermark) / engine::record::NANOS_PER_SEC;
        return inconclusive(format!("lag: telemetry is judged up to {secs} s ago"), 30);
    }
    standing.verdict.clone()
}

/// "Not known yet", with the reason and what is missing.
#[must_use]
pub fn inconclusive(reason: String, needs_seconds: u32) -> Verdict {
    Verdict {
        verdict: VerdictKind::Inconclusive,
        risk: 0.0,
        confidence: 0.0,
        reason,
        evidence_id: String::new(),
        needs_seconds,
        signals: Vec::new(),
    }
}
