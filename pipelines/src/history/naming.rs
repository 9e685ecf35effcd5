//! What a family is called, and what an incident shares with it, in words.

use models::families::{Family, Fingerprint};

use super::trait_name::Trait;

/// Share of the members from which a trait is the family's.
const COMMON: f64 = 0.5;
/// Traits in a name.
const NAMED_MAX: usize = 3;
/// Part of the strongest trait's strength from which a trait is named.
const NAMED_FROM: f64 = 0.6;

/// Traits that most members show, with their mean strength.
fn common(family: &Family) -> Vec<(Trait, f64)> {
    let shown = family.traits().filter(|(_, share, _)| *share >= COMMON);
    shown.filter_map(|(nth, _, mean)| Some((*Trait::ALL.get(nth)?, mean))).collect()
}

/// What its members have in common.
pub(super) fn name(family: &Family) -> String {
    let common = common(family);
    let has = |of: Trait| common.iter().any(|(known, _)| *known == of);
    let mut told: Vec<(Trait, f64)> = common.iter().filter(|(of, _)| !of.is_context()).copied().collect();
    // strongest first; of equal ones in their order
    told.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let strongest = told.first().map_or(0.0, |(_, mean)| *mean);
    told.retain(|(_, mean)| *mean >= NAMED_FROM * strongest);
    let words: Vec<&str> = told.iter().take(NAMED_MAX).map(|(of, _)| of.words()).collect();
    let what = match words.split_last() {
        None => "symptoms".to_owned(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, before)) => format!("{} and {last}", before.join(", ")),
    };
    let when = match (has(Trait::Change), has(Trait::Late)) {
        (true, false) => "right after a release",
        (true, true) => "some time after a release",
        (false, _) => "without a change",
    };
    let where_to = if has(Trait::Spread) { ", felt by callers" } else { "" };
    format!("{what} {when}{where_to}")
}

/// How an incident compares with a family.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Compared {
    pub(super) shared: Vec<String>,
    pub(super) missing: Vec<String>,
    pub(super) unusual: Vec<String>,
}

/// What both show, what only most members show, and what only this incident shows.
pub(super) fn compared(family: &Family, x: &Fingerprint) -> Compared {
    let common = common(family);
    let mut compared = Compared::default();
    for (nth, of) in Trait::ALL.iter().enumerate() {
        let is_common = common.iter().any(|(known, _)| known == of);
        let list = match (is_common, x.get(nth) > 0.0) {
            (true, true) => &mut compared.shared,
            (true, false) => &mut compared.missing,
            (false, true) => &mut compared.unusual,
            (false, false) => continue,
        };
        list.push(of.words().to_owned());
    }
    compared
}

#[cfg(test)]
mod tests {
    use models::families::{Families, FamilyParams};

    use super::*;

    fn fingerprint(shown: &[(Trait, f64)]) -> Fingerprint {
        let mut traits = [0.0; Trait::ALL.len()];
        shown.iter().for_each(|(of, strength)| traits[*of as usize] = *strength);
        Fingerprint::new(&traits)
    }

    /// Scenario: families of one or two members. Guarantees: named by what most members show, the strongest first, support left out;
    /// what an incident shares, lacks and adds is told.
    #[test]
    fn families_are_named_by_what_members_have_in_common() {
        let check = |members: &[&[(Trait, f64)]], expected: &str| {
            let mut families = Families::new(FamilyParams::default().check().unwrap());
            for (nth, member) in members.iter().enumerate() {
                families.join(nth as u128, 0, &fingerprint(member), 0);
            }
            assert_eq!(name(families.iter().next().unwrap()), expected);
            families
        };
        check(&[&[(Trait::MemoryRunsOut, 0.9)]], "memory running out without a change");
        check(
            &[&[(Trait::OneReplica, 0.7), (Trait::Spread, 0.2)]],
            "one replica apart without a change, felt by callers",
        );
        check(
            &[&[(Trait::Change, 0.8), (Trait::Late, 0.2), (Trait::Restarts, 0.7), (Trait::Silence, 0.8)]],
            "silence of pods and restarting pods some time after a release",
        );
        let errors: &[(Trait, f64)] = &[(Trait::Change, 0.8), (Trait::Errors, 0.9), (Trait::NewLines, 0.35)];
        let slow: &[(Trait, f64)] = &[(Trait::Change, 0.8), (Trait::Errors, 0.8), (Trait::Slow, 0.5)];
        let families = check(&[errors, slow, slow], "errors right after a release");
        let compared = compared(
            families.iter().next().unwrap(),
            &fingerprint(&[(Trait::Errors, 0.9), (Trait::Spread, 0.2)]),
        );
        assert_eq!(compared.shared, ["errors"]);
        assert_eq!(compared.missing, ["a change is suspected", "slower replies"]);
        assert_eq!(compared.unusual, ["callers show it too"]);
        check(&[&[(Trait::Spread, 0.2)]], "symptoms without a change, felt by callers");
    }
}
