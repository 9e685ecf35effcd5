//! What the log lines of a new version say that those of the stable one do not: support for a finding, never one.
//!
//! For every template the lines of each arm are counted. Against the stable arm's lines since the comparison began, by
//! the share of requests, a template of the new arm is *new* (an error or warning that the stable version never said),
//! *more* or *fewer*: `z = (n - e) / sqrt(e + (0.2 e)^2 + 1)`. Templates that disappear are the most telling of these.
//! What it does not do: raise a level, or say anything while no other rule has found something.

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::{Evidence, rounded};
use engine::record::UnixNanos;
use serde::{Deserialize, Serialize};

use super::finding::{Finding, Suspect};
use crate::features::{Arm, LineRow, TemplateMerge};

/// Templates kept per service; the one not said for longest goes.
const TEMPLATES_MAX: usize = 1000;
/// Arms kept per template.
const ARMS_MAX: usize = 4;
/// Templates named per piece of evidence.
const NAMED_MAX: usize = 3;
/// Severity class of a warning, and of an error.
const WARNING: u8 = 3;
const ERROR: u8 = 4;
/// Lines that make an error new, so that one stray line is none.
const NEW_LINES: u64 = 2;
/// Scores from which a template is said more, or less.
const MORE: f64 = 4.0;
const FEWER: f64 = -3.0;

/// One template.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Said {
    text: Arc<str>,
    severity: u8,
    last_at: UnixNanos,
    /// Lines by arm, since the arm is known.
    lines: BTreeMap<Arm, u64>,
    /// Lines of the stable arm when the comparison began.
    before: u64,
}

/// The templates of one service.
///
/// # Invariants
/// At most `TEMPLATES_MAX` templates and `ARMS_MAX` arms each.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct LineWatch {
    templates: BTreeMap<u64, Said>,
    /// Requests by arm since the comparison began.
    requests: BTreeMap<Arm, u64>,
}

/// How a template of the new arm compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    New,
    More,
    Fewer,
}

/// A template that stands out.
struct Odd<'a> {
    said: &'a Said,
    lines: u64,
    expected: f64,
}

impl LineWatch {
    /// Takes in the lines of one pod in a second.
    pub(crate) fn on_lines(&mut self, row: &LineRow) {
        let arm = &row.subject.arm;
        for counted in &row.templates {
            if !self.templates.contains_key(&counted.id) {
                self.make_room();
            }
            let said = self.templates.entry(counted.id).or_default();
            said.text = Arc::clone(&counted.text);
            said.severity = counted.severity;
            said.last_at = said.last_at.max(row.end_at);
            if said.lines.contains_key(arm) || said.lines.len() < ARMS_MAX {
                let lines = said.lines.entry(arm.clone()).or_default();
                *lines = lines.saturating_add(counted.lines);
            }
        }
    }

    /// Two templates turned out to be one.
    pub(crate) fn on_merge(&mut self, merge: &TemplateMerge) {
        let Some(former) = self.templates.remove(&merge.former) else { return };
        let said = self.templates.entry(merge.id).or_default();
        said.last_at = said.last_at.max(former.last_at);
        said.before = said.before.saturating_add(former.before);
        if said.text.is_empty() {
            (said.text, said.severity) = (former.text, former.severity);
        }
        for (arm, lines) in former.lines {
            let sum = said.lines.entry(arm).or_default();
            *sum = sum.saturating_add(lines);
        }
    }

    /// Takes in requests that a pod of an arm served.
    pub(crate) fn on_requests(&mut self, arm: &Arm, requests: u64) {
        if let Some(sum) = self.requests.get_mut(arm) {
            *sum = sum.saturating_add(requests);
        } else if self.requests.len() < ARMS_MAX {
            self.requests.insert(arm.clone(), requests);
        }
    }

    /// A comparison begins: what the stable arm said before stands apart; arms that are neither are forgotten.
    pub(crate) fn start(&mut self, suspect: &Suspect) {
        self.requests.clear();
        for said in self.templates.values_mut() {
            said.lines.retain(|arm, _| *arm == suspect.arm || *arm == suspect.stable);
            said.before = said.lines.get(&suspect.stable).copied().unwrap_or(0);
        }
        self.templates.retain(|_, said| !said.lines.is_empty());
    }

    /// Adds to the findings about the suspect what its lines say.
    pub(crate) fn support(&self, suspect: &Suspect, findings: &mut [Finding]) {
        if findings.is_empty() {
            return;
        }
        let evidence = self.evidence(suspect);
        for finding in findings.iter_mut().filter(|finding| finding.suspect.as_ref() == Some(suspect)) {
            finding.evidence.extend(evidence.iter().cloned());
        }
    }

    fn evidence(&self, suspect: &Suspect) -> Vec<Evidence> {
        let mut found: BTreeMap<Kind, Vec<Odd<'_>>> = BTreeMap::new();
        let requests = |arm: &Arm| self.requests.get(arm).copied().unwrap_or(0) as f64;
        let (canary, stable) = (requests(&suspect.arm), requests(&suspect.stable));
        let share = if stable > 0.0 { canary / stable } else { 0.0 };
        for said in self.templates.values() {
            if let Some((kind, odd)) = said.compare(suspect, share) {
                found.entry(kind).or_default().push(odd);
            }
        }
        found.into_iter().map(|(kind, odd)| words(kind, odd)).collect()
    }

    fn make_room(&mut self) {
        if self.templates.len() < TEMPLATES_MAX {
            return;
        }
        let oldest = self.templates.iter().min_by_key(|(id, said)| (said.last_at, **id)).map(|(id, _)| *id);
        if let Some(oldest) = oldest {
            self.templates.remove(&oldest);
        }
    }
}

impl Said {
    fn compare(&self, suspect: &Suspect, share: f64) -> Option<(Kind, Odd<'_>)> {
        let of = |arm: &Arm| self.lines.get(arm).copied().unwrap_or(0);
        let (lines, stable) = (of(&suspect.arm), of(&suspect.stable));
        let expected = stable.saturating_sub(self.before) as f64 * share;
        let z = (lines as f64 - expected) / libm::sqrt(expected + 0.04 * expected * expected + 1.0);
        let kind = if stable == 0 && lines >= NEW_LINES && self.severity >= WARNING {
            Kind::New
        } else if stable > 0 && z >= MORE && lines as f64 >= 2.0 * expected && self.severity >= WARNING {
            Kind::More
        } else if z <= FEWER && 2.0 * lines as f64 <= expected {
            Kind::Fewer
        } else {
            return None;
        };
        Some((kind, Odd { said: self, lines, expected }))
    }
}

fn words(kind: Kind, mut odd: Vec<Odd<'_>>) -> Evidence {
    // errors first, then what is furthest off
    let off = |odd: &Odd<'_>| (odd.lines as f64 - odd.expected).abs();
    let is_error = |odd: &Odd<'_>| odd.said.severity >= ERROR;
    odd.sort_by(|a, b| {
        is_error(b)
            .cmp(&is_error(a))
            .then(off(b).total_cmp(&off(a)))
            .then_with(|| a.said.text.cmp(&b.said.text))
    });
    let lines: u64 = odd.iter().map(|odd| odd.lines).sum();
    let expected: f64 = odd.iter().map(|odd| odd.expected).sum();
    let (signal, what) = match kind {
        Kind::New => (
            "new log templates",
            format!("the new version says what the stable one never said ({lines} lines)"),
        ),
        Kind::More => (
            "more log lines",
            format!("the new version says more often ({lines} lines, {expected:.0} expected)"),
        ),
        Kind::Fewer => (
            "fewer log lines",
            format!("the new version says less often or no more ({lines} lines, {expected:.0} expected)"),
        ),
    };
    let spread = libm::sqrt(expected + 0.04 * expected * expected + 1.0);
    let log_templates: Vec<String> =
        odd.iter().take(NAMED_MAX).map(|odd| odd.said.text.to_string()).collect();
    let example = log_templates.first().cloned().unwrap_or_default();
    Evidence {
        signal: signal.to_owned(),
        unit: "{line}".to_owned(),
        expected: rounded(expected),
        lower: rounded((expected + FEWER * spread).max(0.0)),
        upper: rounded(expected + MORE * spread),
        observed: lines as f64,
        p_value: None,
        e_value: None,
        // support only: levels rest on requests
        contribution: 0.0,
        text: format!("{what}: {example}"),
        exemplar_trace_ids: Vec::new(),
        log_templates,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{Pod, ServiceKey, Subject, TemplateCount};
    use crate::scoring::RuleName;

    fn arm(version: &str) -> Arm {
        Arm { version: Arc::from(version), template_hash: Arc::from(""), revision: Arc::from("") }
    }

    fn suspect() -> Suspect {
        Suspect { arm: arm("v2"), stable: arm("v1"), first_at: 0 }
    }

    fn said(watch: &mut LineWatch, version: &str, (id, severity, lines): (u64, u8, u64)) {
        let pod = Pod { id: Arc::from(version), name: Arc::from(""), node: Arc::from("") };
        let subject = Arc::new(Subject { service: ServiceKey::named(""), arm: arm(version), pod });
        let text = Arc::from(format!("template {id}"));
        let templates = vec![TemplateCount { id, text, severity, lines }];
        let by_severity = [0; 6];
        let row =
            LineRow { subject, start_at: 0, end_at: 1, by_severity, error_samples: Vec::new(), templates };
        watch.on_lines(&row);
    }

    fn finding() -> Finding {
        Finding {
            since: 0,
            ..Finding::alert(RuleName::CanaryTest, ServiceKey::named(""), Some(suspect()), 1)
        }
    }

    fn watched() -> LineWatch {
        let mut watch = LineWatch::default();
        // the past of the stable version: an error it has always had, and requests
        said(&mut watch, "v1", (1, 4, 50));
        said(&mut watch, "v1", (2, 2, 1000));
        watch.start(&suspect());
        watch.on_requests(&arm("v1"), 3000);
        watch.on_requests(&arm("v2"), 1000);
        said(&mut watch, "v1", (1, 4, 30));
        said(&mut watch, "v1", (2, 2, 300));
        said(&mut watch, "v1", (3, 2, 90));
        watch
    }

    /// Scenario: beside what the stable version says, the new one has an error of its own, says an old one far more
    /// often, and has lost a line that comes with every request.
    /// Guarantees: all three become evidence with the template's text and what was expected by the share of requests;
    /// nothing else of the finding changes.
    #[test]
    fn odd_templates_support_a_finding() {
        let mut watch = watched();
        said(&mut watch, "v2", (1, 4, 60));
        said(&mut watch, "v2", (3, 2, 30));
        said(&mut watch, "v2", (4, 4, 40));
        let mut findings = [finding()];
        watch.support(&suspect(), &mut findings);
        let seen: Vec<(&str, f64, f64, &str)> = findings[0]
            .evidence
            .iter()
            .map(|e| (e.signal.as_str(), e.expected, e.observed, e.log_templates[0].as_str()))
            .collect();
        let expected = [
            ("new log templates", 0.0, 40.0, "template 4"),
            ("more log lines", 10.0, 60.0, "template 1"),
            ("fewer log lines", 100.0, 0.0, "template 2"),
        ];
        assert_eq!(seen, expected);
        assert!(findings[0].evidence.iter().all(|evidence| evidence.contribution == 0.0));
        assert_eq!(Finding { evidence: Vec::new(), ..findings[0].clone() }, finding());
    }

    /// Scenario: the new version says the same as the stable one, one stray new error, and a new line that is no error.
    /// Guarantees: no evidence; and without a finding none is made.
    #[test]
    fn what_is_usual_says_nothing() {
        let mut watch = watched();
        for line in [(1, 4, 11), (2, 2, 95), (3, 2, 31), (5, 4, 1), (6, 2, 500)] {
            said(&mut watch, "v2", line);
        }
        let mut findings = [finding()];
        watch.support(&suspect(), &mut findings);
        assert_eq!(findings, [finding()]);
        watch.support(&suspect(), &mut []);
    }

    /// Scenario: a template widens between the past and the comparison; then more templates come than there is room for.
    /// Guarantees: its counts go on under the new id; the bound holds.
    #[test]
    fn merges_and_bounds() {
        let mut watch = watched();
        watch.on_merge(&TemplateMerge { service: ServiceKey::named(""), former: 1, id: 9 });
        said(&mut watch, "v2", (9, 4, 10));
        let nine = &watch.templates[&9];
        assert_eq!((nine.before, nine.lines[&arm("v1")], nine.lines[&arm("v2")]), (50, 80, 10));
        (100..2500).for_each(|id| said(&mut watch, "v1", (id, 2, 1)));
        assert_eq!(watch.templates.len(), TEMPLATES_MAX);
    }
}
