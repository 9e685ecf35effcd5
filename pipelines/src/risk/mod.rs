//! An incident to an assessment: how probable, how bad, how wide, what to do.
//!
//! Risk is the probability of failure times the mean of severity and impact. The level comes from the rules, not from
//! the risk: only a rule whose rate of false alarms is bounded may ask for `act`. What this module does not do: word
//! it (`event`).

use contract::{Assessment, Level, Recommendation, RemedyKind, rounded};

use crate::incident::Incident;

/// Weighs an incident.
#[must_use]
pub fn assess(incident: &Incident) -> Assessment {
    let Some(lead) = incident.leading() else {
        return Assessment {
            failure_probability: 0.0,
            severity: 0.0,
            impact: 0.0,
            risk: 0.0,
            level: Level::Monitor,
            confidence: 0.0,
            maturity: 0.0,
        };
    };
    let symptoms = incident.symptom_services().count();
    let impact = (lead.impact + 0.1 * symptoms as f64).min(1.0);
    let risk = lead.failure_probability * (lead.severity + impact) / 2.0;
    Assessment {
        failure_probability: rounded(lead.failure_probability),
        severity: rounded(lead.severity),
        impact: rounded(impact),
        risk: rounded(risk),
        level: incident.level(),
        confidence: rounded(lead.failure_probability * (0.8 + 0.2 * lead.maturity)),
        maturity: rounded(lead.maturity),
    }
}

/// What should be done, best first. Only a suspected change can be taken back.
#[must_use]
pub fn recommend(incident: &Incident) -> Vec<Recommendation> {
    let Some(suspect) = &incident.key.suspect else {
        return vec![page("no change of this service explains it")];
    };
    let target =
        if suspect.arm.version.is_empty() { &suspect.arm.template_hash } else { &suspect.arm.version };
    let recommendation = |action, reason: &str| Recommendation {
        action,
        target: target.to_string(),
        reason: reason.to_owned(),
        reversible: true,
    };
    match incident.level() {
        Level::Act => vec![
            recommendation(
                RemedyKind::GitRevert,
                "the new version is worse than the stable one beyond doubt",
            ),
            recommendation(RemedyKind::AbortRollout, "stops the harm until git agrees"),
        ],
        Level::Alert => vec![
            recommendation(RemedyKind::PauseRollout, "the new version is probably worse"),
            page("judge it"),
        ],
        Level::Monitor => vec![],
    }
}

fn page(reason: &str) -> Recommendation {
    Recommendation {
        action: RemedyKind::Page,
        target: "on-call".to_owned(),
        reason: reason.to_owned(),
        reversible: true,
    }
}
