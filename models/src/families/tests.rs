//! Families in the order of arrival, their bounds, and what survives a restart.

use proptest::prelude::*;

use super::*;
use crate::Snapshot;
use crate::accuracy::adjusted_rand_index;
use crate::testkit::{Draws, FamilyWay, family_figures, made_incidents};

fn params() -> FamilyValidParams {
    FamilyParams::default().check().unwrap()
}

fn one(trait_nth: usize, strength: f64) -> Fingerprint {
    let mut traits = [0.0; 8];
    traits[trait_nth] = strength;
    Fingerprint::new(&traits)
}

/// Families of which nothing is left out.
fn invariants(families: &Families, limits: &FamilyParams) {
    let ids: Vec<u128> = families.iter().map(Family::id).collect();
    assert!(ids.len() <= limits.families_max && families.remembered().count() <= limits.incidents_max);
    assert!(families.remembered().all(|known| ids.contains(&known.family)));
    assert!(families.iter().all(|family| family.endings().iter().sum::<u32>() == family.members()));
}

/// Scenario: the same thing comes back, other things between. Guarantees: it is new the first time, of its family after that, under
/// one id whatever comes; how its members ended is counted, and corrected when word of it comes late.
#[test]
fn a_family_keeps_its_id_and_its_history() {
    let mut families = Families::new(params());
    assert!(families.alike(&one(0, 0.9)).is_none());
    for nth in 0..40_u128 {
        let strength = 0.7 + 0.05 * (nth % 5) as f64;
        let joined = families.join(100 + nth, nth as i64, &one((nth % 4) as usize, strength), 1).unwrap();
        assert_eq!(joined, Joined { family: 100 + nth % 4, ..Joined::default() });
    }
    let alike = families.alike(&one(2, 0.8)).unwrap();
    let family = alike.family;
    assert_eq!((family.id(), family.members(), family.first_at(), family.last_at()), (102, 10, 2, 38));
    assert_eq!(alike.nearest.unwrap().family, 102);
    assert!(families.correct(138, 3) && !families.correct(7, 3));
    assert_eq!(families.get(102).unwrap().endings()[..4], [0, 9, 0, 1]);
    assert!(families.join(138, 99, &one(2, 0.8), 0).is_none(), "an incident ends once");
    assert!(families.join(200, 99, &Fingerprint::new(&[f64::NAN, -1.0]), 0).is_none(), "it shows nothing");
    assert!(families.alike(&Fingerprint::default()).is_none());
}

/// Scenario: incidents each of which is a little further from the first one, with a centre that follows the newest. Guarantees: no
/// family wanders further from its founder than twice the reach.
#[test]
fn a_family_is_held_by_its_founder() {
    let mut wandering =
        Families::new(FamilyParams { memory_members: 1, ..FamilyParams::default() }.check().unwrap());
    let far = |nth: usize| {
        Fingerprint::new(&(0..32).map(|own| f64::from(u8::from(own <= nth)) * 0.5).collect::<Vec<_>>())
    };
    for nth in 0..32 {
        assert!(wandering.join(nth as u128, nth as i64, &far(nth), 0).is_some());
    }
    assert!(wandering.iter().count() >= 2, "each step is small, the whole way is not");
}

/// Scenario: hundreds of incidents of which no two are alike, then one kind again and again. Guarantees: bounds hold; who goes is the
/// family seen least and longest ago, and the kind that comes back stays.
#[test]
fn what_is_seen_least_goes_first() {
    let limits = FamilyParams { families_max: 8, incidents_max: 20, reach: 0.05, ..FamilyParams::default() };
    let mut families = Families::new(limits.check().unwrap());
    let mut draws = Draws::new(5);
    families.join(1, 1, &one(7, 0.9), 0);
    families.join(2, 2, &one(7, 0.9), 0);
    for nth in 3..300_u128 {
        let traits: Vec<f64> = (0..8).map(|_| draws.uniform()).collect();
        let evicted = families.join(nth, nth as i64, &Fingerprint::new(&traits), 0).unwrap().evicted;
        assert_eq!(evicted, (nth >= 10).then(|| nth - 7), "seed 5");
        invariants(&families, &limits);
    }
    assert_eq!(families.get(1).unwrap().members(), 2);
    assert!(families.snapshot().len() < 8 * 1_024 + 20 * 200);
}

/// Scenario: generated incidents of seeds that nothing was chosen on. Guarantees: the kinds are found again, ids do not change, and of
/// what is young most is named rightly.
#[test]
fn generated_kinds_are_found() {
    let figures = family_figures(
        FamilyWay::Leader(FamilyParams::default()),
        &[2001, 2002, 2003, 2004, 2005, 2006, 2007, 2008],
        150,
    );
    println!("seeds 2001 to 2008: {figures:?}");
    assert!(figures.rand_index > 0.85 && figures.ids_kept > 0.99, "{figures:?}");
    assert!(figures.known_named > 0.65 && figures.new_told > 0.5, "{figures:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Scenario: kinds that differ in a whole trait, in any order of arrival. Guarantees: the same groups whatever the order.
    #[test]
    fn the_order_of_arrival_does_not_matter_where_kinds_are_apart(seed in any::<u64>()) {
        println!("seed {seed}");
        let mut draws = Draws::new(seed);
        let mut incidents: Vec<(usize, Fingerprint)> = (0..60)
            .map(|nth| (nth % 6, one(nth % 6, 0.7 + 0.3 * draws.uniform())))
            .collect();
        for nth in (1..incidents.len()).rev() {
            incidents.swap(nth, (draws.uniform() * (nth + 1) as f64) as usize);
        }
        let mut families = Families::new(params());
        for (nth, (_, x)) in incidents.iter().enumerate() {
            families.join(nth as u128, nth as i64, x, 0);
        }
        let truth: Vec<usize> = incidents.iter().map(|(kind, _)| *kind).collect();
        let found: Vec<usize> = families.remembered().map(|known| known.family as usize).collect();
        prop_assert_eq!(adjusted_rand_index(&truth, &found), 1.0);
    }

    /// Scenario: generated incidents under small bounds, saved and restored at every step. Guarantees: the restored one goes on as the
    /// undisturbed one, bit for bit; bounds hold throughout.
    #[test]
    fn a_restart_changes_nothing(seed in any::<u64>()) {
        println!("seed {seed}");
        let limits = FamilyParams { families_max: 6, incidents_max: 15, ..FamilyParams::default() };
        let mut undisturbed = Families::new(limits.check().unwrap());
        let mut restored = undisturbed.clone();
        for (nth, incident) in made_incidents(seed, 60).iter().enumerate() {
            let ending = (nth % 9) as u8;
            let told = undisturbed.alike(&incident.at_first).map(|alike| (alike.family.id(), alike.likeness.to_bits()));
            let again = restored.alike(&incident.at_first).map(|alike| (alike.family.id(), alike.likeness.to_bits()));
            prop_assert_eq!(told, again);
            let joined = undisturbed.join(nth as u128, nth as i64, &incident.at_last, ending);
            prop_assert_eq!(restored.join(nth as u128, nth as i64, &incident.at_last, ending), joined);
            restored = Families::restore(&restored.snapshot()).unwrap();
            prop_assert_eq!(&restored, &undisturbed);
            invariants(&undisturbed, &limits);
        }
    }
}
