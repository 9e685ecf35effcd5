//! Findings: what a rule states about a service at a moment. A rule repeats its statement as long as it holds.

use contract::{Evidence, Forecast, Level, Scope};
use engine::record::UnixNanos;
use serde::{Deserialize, Serialize};

use super::over::Over;
use crate::features::{Arm, ServiceKey};

/// The rules, from the strongest to the weakest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RuleName {
    /// New arm against the stable one, `models::sequential`.
    CanaryTest,
    /// A new arm that should serve and says nothing, or only restarts.
    Silence,
    /// After against before and against peers, where there is no control arm.
    BeforeAfter,
    /// A resource that runs out, `models::exhaustion`.
    Exhaustion,
    /// A static threshold.
    Slo,
    /// A service or a signal that is not heard any more, `models::absence`.
    Absence,
    /// A service's own signals against their past, `models::bank`.
    Baseline,
}

impl RuleName {
    /// Its name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CanaryTest => "canary_test",
            Self::Silence => "silence",
            Self::BeforeAfter => "before_after",
            Self::Exhaustion => "exhaustion",
            Self::Slo => "slo",
            Self::Absence => "absence",
            Self::Baseline => "baseline",
        }
    }

    /// Version of its formula.
    #[must_use]
    pub const fn version(self) -> u32 {
        match self {
            Self::CanaryTest => 6,
            _ => 1,
        }
    }
}

/// What a rule states.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Which rule.
    pub rule: RuleName,
    /// About which service.
    pub service: ServiceKey,
    /// The suspected arm, where the rule blames one.
    pub suspect: Option<Suspect>,
    /// Since when it has been looking at this.
    pub since: UnixNanos,
    /// End of the last cell that it saw.
    pub at: UnixNanos,
    /// What it asks for.
    pub level: Level,
    /// Probability that the suspect (or service) is failing, 0 to 1.
    pub failure_probability: f64,
    /// How bad it is for the requests that it touches, 0 to 1.
    pub severity: f64,
    /// Share of the service's traffic that it touches, 0 to 1.
    pub impact: f64,
    /// How much history stands behind the expectation, 0 to 1.
    pub maturity: f64,
    /// What speaks for it, strongest first.
    pub evidence: Vec<Evidence>,
    /// What speaks against it.
    pub counter_evidence: Vec<Evidence>,
    /// When something runs out.
    #[serde(default)]
    pub forecast: Option<Forecast>,
}

#[cfg(test)]
impl Finding {
    /// An alert at this moment, of which nothing more is told.
    pub(crate) fn alert(
        rule: RuleName,
        service: ServiceKey,
        suspect: Option<Suspect>,
        at: UnixNanos,
    ) -> Self {
        Self {
            rule,
            service,
            suspect,
            since: at,
            at,
            level: Level::Alert,
            failure_probability: 0.9,
            severity: 0.5,
            impact: 1.0,
            maturity: 1.0,
            evidence: Vec::new(),
            counter_evidence: Vec::new(),
            forecast: None,
        }
    }
}

/// The arm that a finding blames, and what it is compared with.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Suspect {
    /// The new arm.
    pub arm: Arm,
    /// The arm before.
    pub stable: Arm,
    /// When the new arm was first seen or announced.
    pub first_at: UnixNanos,
}

impl Suspect {
    /// Both arms for people: by version, or by pod template where the version is the same.
    #[must_use]
    pub fn names(&self) -> [String; 2] {
        let same =
            self.arm.name() == self.stable.name() && self.arm.template_hash != self.stable.template_hash;
        [&self.arm, &self.stable].map(|arm| match (arm.name(), same) {
            ("", _) => "an unnamed version".to_owned(),
            (name, false) => name.to_owned(),
            (name, true) if arm.template_hash.is_empty() => format!("{name} (unnamed pod template)"),
            (name, true) => format!("{name} (pod template {})", arm.template_hash),
        })
    }

    /// The suspected version of a service, on the wire.
    #[must_use]
    pub fn scope(&self, service: &ServiceKey) -> Scope {
        Scope {
            version: self.arm.name().to_owned(),
            stable_version: self.stable.name().to_owned(),
            ..service.scope()
        }
    }
}

/// What the scoring stage says per tick.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Statement {
    /// A rule holds.
    Found(Finding),
    /// What a rule had found is over.
    Cleared {
        /// Whose finding.
        service: ServiceKey,
        /// The arm that it blamed.
        suspect: Option<Suspect>,
        /// Which rule; `None` = every rule about that suspect.
        rule: Option<RuleName>,
        /// When.
        at: UnixNanos,
        /// Why.
        over: Over,
    },
}
