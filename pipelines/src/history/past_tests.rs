//! What is remembered of incidents, and what is told of it later.

use super::*;
use crate::features::ServiceKey;
use crate::incident::{Incident, IncidentKey, Resolution};
use crate::scoring::{Finding, RuleName};

const SEC: i64 = 1_000_000_000;
const QUIET: Resolution = Resolution::Quiet { secs: 60 };

/// An incident of a service by the rule that found it; each rule tells of another trait.
fn incident(tenant: &str, service: &str, rule: RuleName, at: i64) -> Incident {
    let service = ServiceKey { tenant: tenant.into(), ..ServiceKey::named(service) };
    let mut finding = Finding::alert(rule, service.clone(), None, at);
    let signal = match rule {
        RuleName::Exhaustion => "memory exhaustion",
        RuleName::Absence => "signs of life",
        _ => "errors",
    };
    finding.evidence = vec![contract::Evidence {
        signal: signal.to_owned(),
        unit: "1".to_owned(),
        expected: 0.0,
        lower: 0.0,
        upper: 1.0,
        observed: 0.5,
        p_value: None,
        e_value: None,
        contribution: 1.0,
        text: String::new(),
        exemplar_trace_ids: Vec::new(),
        log_templates: Vec::new(),
    }];
    Incident::open(IncidentKey { service, suspect: None }, finding, None)
}

fn id(incident: &Incident) -> String {
    let (key, at) = (&incident.key.service, incident.first_window_end.to_string());
    contract::content_id(&[&key.tenant, &key.service, &at])
}

/// Opens and resolves; gives what was told at the opening and at the end.
fn live(history: &mut History, mut incident: Incident, why: Resolution) -> [Option<Family>; 2] {
    let (id, at) = (id(&incident), incident.first_window_end);
    let opened = incident.notice(at).unwrap();
    let first = history.on_notice(&opened, &id);
    let resolved = incident.resolve(at + 60 * SEC, why);
    let last = history.on_notice(&resolved, &id);
    *history = postcard::from_bytes(&postcard::to_stdvec(history).unwrap()).unwrap();
    [first, last]
}

fn outcome(status: contract::OutcomeStatus, incident_id: &str) -> Outcome {
    let known =
        Outcome::from_json(include_str!("../../../testdata/contract/v1/outcome.json").as_bytes()).unwrap();
    Outcome { status, incident_id: incident_id.to_owned(), ..known }
}

/// Scenario: memory runs out in one service, later in another one; between them something else happens; another tenant has the same.
/// Guarantees: the first is new from beginning to end; the second is told of the first with its service and ending, under an id that
/// stays; what is unlike, and another tenant, is told of nothing. The state is saved and restored between all of them.
#[test]
fn the_same_again_elsewhere_is_told_of_the_first() {
    let mut history = History::default();
    let memory = |tenant, service, at| incident(tenant, service, RuleName::Exhaustion, at * SEC);
    assert_eq!(live(&mut history, memory("a", "cart", 100), QUIET), [None, None]);
    assert_eq!(live(&mut history, incident("a", "cart", RuleName::Slo, 900 * SEC), QUIET), [None, None]);
    let [first, last] = live(&mut history, memory("a", "mail", 2_000), QUIET);
    assert_eq!(first, last, "asked before learned");
    let family = first.unwrap();
    assert_eq!((family.name.as_str(), family.members), ("memory running out without a change", 1));
    assert_eq!(
        (family.services, family.endings),
        (vec!["cart".to_owned()], BTreeMap::from([("by_itself".to_owned(), 1)]))
    );
    assert_eq!(family.last_at.unix_nanos(), 100 * SEC, "when it was found last");
    assert_eq!(family.nearest_incident, Some(id(&memory("a", "cart", 100))));
    assert_eq!((family.shared, family.likeness), (vec!["memory running out".to_owned()], 1.0));
    let [third, _] = live(&mut history, memory("a", "cart", 9_000), QUIET);
    let third = third.unwrap();
    assert_eq!(
        (third.id, third.members, third.services),
        (family.id, 2, vec!["mail".to_owned(), "cart".to_owned()])
    );
    assert_eq!(live(&mut history, memory("b", "cart", 9_000), QUIET), [None, None]);
    let counts = history.counts();
    assert_eq!((counts.families, counts.incidents, counts.known, counts.new), (3, 5, 2, 3));
    assert!(history.open.is_empty());
}

/// Scenario: an incident that another one explains; one that shows more after it was opened. Guarantees: the first leaves nothing; of
/// the second everything that it has shown counts, although less of it stands at the end.
#[test]
fn what_was_explained_leaves_nothing_and_what_is_over_still_counts() {
    let mut history = History::default();
    let explained = incident("a", "front", RuleName::Slo, 100 * SEC);
    let (service, to) = ("cart".to_owned(), "2".to_owned());
    live(&mut history, explained, Resolution::Explained { service, to });
    assert_eq!(history.counts().incidents, 0);
    let mut growing = incident("a", "cart", RuleName::Slo, 200 * SEC);
    let id = id(&growing);
    history.on_notice(&growing.notice(200 * SEC).unwrap(), &id);
    let gone = incident("a", "cart", RuleName::Absence, 210 * SEC);
    gone.findings.values().cloned().for_each(|finding| growing.take(finding));
    growing.take_outcome(outcome(contract::OutcomeStatus::NotActed, &id));
    history.on_notice(&growing.notice(210 * SEC).unwrap(), &id);
    growing.findings.clear();
    history.on_notice(&growing.resolve(300 * SEC, QUIET), &id);
    let past = &history.tenants["a"];
    let names: Vec<String> = past.families.iter().map(name).collect();
    assert_eq!(names, ["errors and a service that is gone without a change"]);
    assert_eq!(past.families.iter().next().unwrap().endings()[Ending::Noted as usize], 1);
}

/// Scenario: the actuator speaks of an incident after it is over, of one that nobody knows, and with an id that is none.
/// Guarantees: how it ended is corrected, never to something weaker; the others change nothing.
#[test]
fn a_late_word_corrects_the_ending() {
    use contract::OutcomeStatus::{Acted, AwaitingApproval, NotActed};
    let mut history = History::default();
    let one = incident("a", "cart", RuleName::Exhaustion, 100 * SEC);
    let id = id(&one);
    live(&mut history, one, QUIET);
    for (status, whose, ending) in [
        (AwaitingApproval, id.as_str(), Ending::Unanswered),
        (NotActed, id.as_str(), Ending::Unanswered),
        (Acted, "not hex", Ending::Unanswered),
        (Acted, "00ff", Ending::Unanswered),
        (Acted, id.as_str(), Ending::Approved),
    ] {
        history.on_late_outcome(&outcome(status, whose));
        let family = history.tenants["a"].families.iter().next().unwrap();
        assert_eq!((family.endings()[ending as usize], family.members()), (1, 1), "{status:?}");
    }
}

/// Scenario: more tenants than there is room for. Guarantees: those that were there keep their past, the others leave none, counted.
#[test]
fn tenants_are_bounded() {
    let mut history = History::default();
    for nth in 0..TENANTS_MAX + 3 {
        let mut one = incident(&format!("t{nth}"), "cart", RuleName::Slo, 100 * SEC);
        let id = id(&one);
        history.on_notice(&one.resolve(SEC, QUIET), &id);
    }
    assert_eq!((history.tenants.len(), history.counts().refused), (TENANTS_MAX, 3));
}
