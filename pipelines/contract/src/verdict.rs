//! The answer to "may this canary go on?".

use serde::{Deserialize, Serialize};

/// The three answers. `Inconclusive` is the answer to every lack of evidence, never an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum VerdictKind {
    /// No harm above the stated bound.
    Pass,
    /// Harm: stop.
    Fail,
    /// Not known yet; `reason` and `needs_seconds` say what is missing.
    Inconclusive,
}

/// One signal behind a verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VerdictSignal {
    /// Signal and statistic, for example `http.server.request.duration p99`.
    pub name: String,
    /// What the stable version shows.
    pub expected: f64,
    /// What the canary shows.
    pub observed: f64,
    /// Share of the evidence that this signal carries, 0 to 1.
    pub contribution: f64,
}

/// The body of `GET /v1/verdict`, under 1 KB.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Verdict {
    /// The answer.
    pub verdict: VerdictKind,
    /// Risk, 0 to 1.
    pub risk: f64,
    /// Confidence in the answer, 0 to 1.
    pub confidence: f64,
    /// Why, in words.
    pub reason: String,
    /// Id of the risk event or of the comparison.
    pub evidence_id: String,
    /// Seconds of further traffic that are probably needed; 0 when decided.
    pub needs_seconds: u32,
    /// What it rests on, strongest first.
    pub signals: Vec<VerdictSignal>,
}
