//! A service that falls silent while its callers go on calling it.
//!
//! How long a service may be silent is learned from its own past (`models::absence`). A silent service that nobody calls was
//! scaled to zero, or is not needed: nothing is said. If all services of an environment fall silent at once, their collector
//! did: nothing is said of them, and it is counted. What callers saw tells the rest: failures mean that the service is
//! gone, answers that only its telemetry is. New versions under comparison have a rule of their own ([`super::silence`]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract::{Evidence, Level};
use engine::record::{NANOS_PER_SEC, UnixNanos};
use models::absence::{Absence, AbsenceParams, AbsenceValidParams, Arrivals, Member, Standing, explain};
use serde::{Deserialize, Serialize};

use super::finding::{Finding, RuleName, Statement};
use super::over::Over;
use crate::features::{EdgeRow, FeatureRows, ServiceKey};

/// A service that was silent for so long has ended.
const FORGET: UnixNanos = 1_800 * NANOS_PER_SEC;
/// A service that is known for less is not missed.
const KNOWN_MIN: UnixNanos = 300 * NANOS_PER_SEC;
/// Fewer calls do not show that a service is wanted.
const CALLS_MIN: u64 = 10;
/// Callers that stopped calling for so long do not want it any more.
const CALLED_WITHIN: UnixNanos = 60 * NANOS_PER_SEC;
/// Share of failed calls from which on the service is gone, not its telemetry.
const GONE_SHARE: f64 = 0.5;
/// Callers named.
const CALLERS_MAX: usize = 3;

/// What callers saw of a service since it was last heard.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Called {
    calls: u64,
    failures: u64,
    last_at: UnixNanos,
    callers: BTreeSet<Arc<str>>,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Heard {
    arrivals: Arrivals,
    first_at: UnixNanos,
    called: Called,
    is_stated: bool,
}

/// All services that were heard of late.
///
/// # Invariants
/// At most `services_max` services; `called` counts only calls after the last sign of life.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct AbsenceWatch {
    services: BTreeMap<ServiceKey, Heard>,
    /// Environments of which nothing at all is heard now.
    pub(crate) silent_reporters: u64,
}

/// Part of the key that services behind one collector share.
type Environment<'a> = (&'a Arc<str>, &'a Arc<str>, &'a Arc<str>);

/// The least silence that counts covers the pace of usual exports.
pub(super) fn params() -> AbsenceValidParams {
    let params = AbsenceParams { silence_secs_min: 60.0, ..AbsenceParams::default() };
    params.check().expect("the numbers stand here")
}

impl AbsenceWatch {
    /// Takes in signs of life and calls.
    pub(crate) fn on_rows(&mut self, rows: &FeatureRows, services_max: usize) {
        for row in &rows.presence {
            let service = &row.subject.service;
            if !self.services.contains_key(service) {
                if self.services.len() >= services_max {
                    continue;
                }
                self.services.insert(service.clone(), Heard::new(row.last_at));
            }
            if let Some(heard) = self.services.get_mut(service) {
                heard.on_life(row.last_at);
            }
        }
        for row in &rows.edges {
            if let Some(heard) = self.services.get_mut(&row.callee) {
                heard.on_call(row);
            }
        }
    }

    /// What stands; `is_compared` says of which services a new version is being compared.
    pub(crate) fn statements(
        &mut self,
        upto: UnixNanos,
        is_compared: impl Fn(&ServiceKey) -> bool,
    ) -> Vec<Statement> {
        let lost = self.lost_environments(upto);
        self.silent_reporters = lost.len() as u64;
        let mut statements = Vec::new();
        for (service, heard) in &mut self.services {
            let is_lost = lost.contains(&owned(environment(service)));
            let silence = heard.silence(upto).filter(|_| !is_lost && !is_compared(service));
            if let Some((silent_secs, due_secs)) = silence {
                heard.is_stated = true;
                statements.push(Statement::Found(heard.finding(service, (silent_secs, due_secs), upto)));
            } else if std::mem::take(&mut heard.is_stated) {
                let over = Over::ByRule(heard.why_over(upto).to_owned());
                let (service, rule) = (service.clone(), Some(RuleName::Absence));
                statements.push(Statement::Cleared { service, suspect: None, rule, at: upto, over });
            }
        }
        self.services
            .retain(|_, heard| heard.arrivals.last_at().is_some_and(|at| at.saturating_add(FORGET) >= upto));
        statements
    }

    /// Environments whose services are all silent.
    fn lost_environments(&self, now: UnixNanos) -> BTreeSet<[Arc<str>; 3]> {
        let mut members: BTreeMap<Environment<'_>, Vec<Member>> = BTreeMap::new();
        for (service, heard) in &self.services {
            let is_overdue = heard.arrivals.is_overdue(now);
            let member = Member { is_overdue, standing: Standing::Expected };
            members.entry(environment(service)).or_default().push(member);
        }
        let is_lost = |members: &[Member]| explain(members) == Absence::Reporter;
        members.into_iter().filter(|(_, members)| is_lost(members)).map(|(key, _)| owned(key)).collect()
    }
}

fn environment(service: &ServiceKey) -> Environment<'_> {
    (&service.tenant, &service.cluster, &service.environment)
}

fn owned((tenant, cluster, environment): Environment<'_>) -> [Arc<str>; 3] {
    [tenant, cluster, environment].map(Arc::clone)
}

impl Heard {
    fn new(at: UnixNanos) -> Self {
        Self { arrivals: Arrivals::new(&params()), first_at: at, called: Called::default(), is_stated: false }
    }

    fn on_life(&mut self, at: UnixNanos) {
        if self.arrivals.last_at().is_none_or(|last| at > last) {
            self.arrivals.learn(at);
            self.called = Called::default();
        }
    }

    fn on_call(&mut self, row: &EdgeRow) {
        if self.arrivals.last_at().is_none_or(|last| row.start_at <= last) {
            return;
        }
        self.called.calls = self.called.calls.saturating_add(row.calls);
        self.called.failures = self.called.failures.saturating_add(row.failures);
        self.called.last_at = self.called.last_at.max(row.end_at);
        if self.called.callers.len() < CALLERS_MAX {
            self.called.callers.insert(Arc::clone(&row.caller.service.service));
        }
    }

    fn is_wanted(&self, now: UnixNanos) -> bool {
        self.called.calls >= CALLS_MIN && self.called.last_at.saturating_add(CALLED_WITHIN) >= now
    }

    /// Seconds of silence, and from how many on it counts, of a service that is missed.
    fn silence(&self, now: UnixNanos) -> Option<(f64, f64)> {
        let last = self.arrivals.last_at()?;
        let is_missed = self.arrivals.is_overdue(now)
            && self.is_wanted(now)
            && last.saturating_sub(self.first_at) >= KNOWN_MIN;
        is_missed.then(|| self.arrivals.silent_secs(now).zip(self.arrivals.due_secs()))?
    }

    fn why_over(&self, now: UnixNanos) -> &'static str {
        if !self.arrivals.is_overdue(now) {
            "it is heard again"
        } else if !self.is_wanted(now) {
            "nobody calls it any more"
        } else {
            "another rule or its collector explains the silence"
        }
    }

    fn finding(&self, service: &ServiceKey, (silent_secs, due_secs): (f64, f64), at: UnixNanos) -> Finding {
        let Called { calls, failures, callers, .. } = &self.called;
        let failed_share = *failures as f64 / (*calls).max(1) as f64;
        let is_gone = failed_share >= GONE_SHARE;
        let names: Vec<&str> = callers.iter().map(|caller| &**caller).collect();
        let told = format!(
            "nothing was heard of {} for {silent_secs:.0} s, where {due_secs:.0} s would be long; meanwhile {} made {calls} \
             calls to it, of which {failures} failed: {}",
            service.service,
            names.join(", "),
            if is_gone { "it is gone" } else { "it answers, its telemetry is lost" }
        );
        Finding {
            rule: RuleName::Absence,
            service: service.clone(),
            suspect: None,
            since: self.arrivals.last_at().unwrap_or(at),
            at,
            level: if is_gone { Level::Alert } else { Level::Monitor },
            failure_probability: if is_gone { 0.9 } else { 0.3 },
            severity: if is_gone { 1.0 } else { 0.25 },
            impact: 1.0,
            maturity: 1.0,
            evidence: vec![absence_evidence("signs of life".to_owned(), (silent_secs, due_secs), told)],
            counter_evidence: Vec::new(),
            forecast: None,
        }
    }
}

/// A silence as evidence, in seconds.
pub(super) fn absence_evidence(
    signal: String,
    (silent_secs, due_secs): (f64, f64),
    text: String,
) -> Evidence {
    Evidence {
        signal,
        unit: "s".to_owned(),
        expected: 0.0,
        lower: 0.0,
        upper: due_secs,
        observed: silent_secs,
        p_value: None,
        e_value: None,
        contribution: 1.0,
        text,
        exemplar_trace_ids: Vec::new(),
        log_templates: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::{Arm, Pod, PresenceRow, Subject};

    const SEC: UnixNanos = NANOS_PER_SEC;

    fn subject(service: &str) -> Arc<Subject> {
        let none: Arc<str> = "".into();
        let arm = Arm { version: "1".into(), template_hash: Arc::clone(&none), revision: Arc::clone(&none) };
        let pod = Pod { id: "p".into(), name: Arc::clone(&none), node: none };
        Arc::new(Subject { service: ServiceKey::named(service), arm, pod })
    }

    fn life(service: &str, second: i64) -> PresenceRow {
        PresenceRow {
            subject: subject(service),
            first_at: 0,
            last_at: second * SEC,
            last_request_at: None,
            export_interval: 0,
            restarts: None,
        }
    }

    fn call(callee: &str, second: i64, failures: u64) -> EdgeRow {
        EdgeRow {
            caller: subject("front"),
            callee: ServiceKey::named(callee),
            callee_arm: None,
            start_at: (second - 10) * SEC,
            end_at: second * SEC,
            calls: 50,
            failures,
            client_us_sum: 1,
            matched: 0,
            gap_us_sum: 0,
        }
    }

    /// Four services report every 10 s for 1,000 s; `speaks` says which still do afterwards, `failures` how many of 50 calls to
    /// `cart` fail then, if any are made. Gives the statements of the seconds after, and the watch.
    fn after(
        speaks: impl Fn(&str, i64) -> bool,
        failures: impl Fn(i64) -> Option<u64>,
    ) -> (Vec<(i64, Statement)>, AbsenceWatch) {
        let mut watch = AbsenceWatch::default();
        let mut seen = Vec::new();
        for second in (0..1_600).step_by(10) {
            let mut rows = FeatureRows { upto: second * SEC, ..FeatureRows::default() };
            let names = ["front", "cart", "mail", "stock"];
            let heard = names.iter().filter(|name| second <= 1_000 || speaks(name, second));
            rows.presence.extend(heard.map(|name| life(name, second)));
            let failures = if second <= 1_000 { Some(0) } else { failures(second) };
            rows.edges.extend(failures.map(|failures| call("cart", second, failures)));
            watch.on_rows(&rows, 100);
            let bytes = postcard::to_stdvec(&watch).unwrap();
            watch = postcard::from_bytes(&bytes).unwrap();
            seen.extend(watch.statements(rows.upto, |_| false).into_iter().map(|said| (second, said)));
        }
        (seen, watch)
    }

    fn levels(seen: &[(i64, Statement)]) -> BTreeSet<Level> {
        let level = |said: &Statement| match said {
            Statement::Found(finding) => Some(finding.level),
            Statement::Cleared { .. } => None,
        };
        seen.iter().filter_map(|(_, said)| level(said)).collect()
    }

    /// Scenario: a service falls silent, its caller's calls fail; after three minutes it is heard again.
    /// Guarantees: an alert after the time that its past sets, in numbers and words, cleared when it is back.
    #[test]
    fn a_service_that_is_gone_alerts() {
        let (seen, _) = after(|name, second| name != "cart" || second > 1_200, |_| Some(50));
        let Statement::Found(first) = &seen[0].1 else { panic!("{seen:?}") };
        assert_eq!((seen[0].0, first.rule, first.level), (1_070, RuleName::Absence, Level::Alert));
        let text = &first.evidence[0].text;
        assert!(
            text.contains("of cart for 70 s") && text.contains("front made") && text.contains("gone"),
            "{text}"
        );
        let (second, last) = seen.last().unwrap();
        let Statement::Cleared { rule, over, .. } = last else { panic!("{last:?}") };
        assert_eq!(
            (*second, *rule, over.to_string().as_str()),
            (1_210, Some(RuleName::Absence), "it is heard again")
        );
    }

    /// Scenario: a service falls silent and its callers get their answers; or stop calling; or everything falls silent; or a
    /// service that nobody calls does. Guarantees: the first is worth watching; of the others nothing is said, and the
    /// dead collector is counted.
    #[test]
    fn other_silences_are_told_apart() {
        let (seen, _) = after(|name, _| name != "cart", |_| Some(1));
        assert_eq!(levels(&seen), BTreeSet::from([Level::Monitor]));
        let (seen, watch) = after(|name, _| name != "cart", |_| None);
        assert!(seen.is_empty() && watch.silent_reporters == 0, "{seen:?}");
        let (seen, watch) = after(|_, _| false, |second| (second < 1_030).then_some(50));
        assert!(seen.is_empty() && watch.silent_reporters == 1, "{seen:?}");
        let (seen, _) = after(|name, _| name != "mail", |_| Some(0));
        assert!(seen.is_empty(), "{seen:?}");
    }

    /// Scenario: more services than there is room for, and silence for more than half an hour. Guarantees: bounded, and
    /// forgotten.
    #[test]
    fn services_are_bounded_and_forgotten() {
        let mut watch = AbsenceWatch::default();
        let presence = (0..20).map(|nth| life(&format!("s{nth}"), 10)).collect();
        watch.on_rows(&FeatureRows { presence, ..FeatureRows::default() }, 5);
        assert_eq!(watch.services.len(), 5);
        watch.statements(1_900 * SEC, |_| false);
        assert!(watch.services.is_empty());
    }
}
