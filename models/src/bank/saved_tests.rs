//! A saved bank against one that was left alone.

use proptest::prelude::*;

use super::*;
use crate::snapshot::SnapshotError;
use crate::testkit::Draws;
use crate::univariate::{Lesson, SurpriseParams};

const SEC: i64 = 1_000_000_000;

fn bank(places: usize, series_max: u32) -> Bank {
    let budget_bytes = (places * SurpriseColumns::bytes_per_row()) as u64;
    let admission = AdmissionParams { budget_bytes, ..AdmissionParams::default() }.check().unwrap();
    let columns = SurpriseColumns::new(&SurpriseParams::default().check().unwrap());
    Bank::new(columns, Admission::new(&admission, SurpriseColumns::bytes_per_row()), series_max)
}

/// Rounds of a crowd of series that come and go; all of it follows from the seed.
#[derive(Debug, Clone)]
struct Crowd {
    draws: Draws,
    round: i64,
    known: Vec<u32>,
}

impl Crowd {
    fn new(seed: u64) -> Self {
        Self { draws: Draws::new(seed), round: 0, known: Vec::new() }
    }

    fn round(&mut self, bank: &mut Bank) -> Vec<Judged> {
        self.round += 1;
        if self.draws.uniform() < 0.02 && !self.known.is_empty() {
            let out = (self.draws.uniform() * self.known.len() as f64) as usize;
            assert!(bank.remove(self.known.swap_remove(out)));
        }
        if self.draws.uniform() < 0.3 {
            let weight = self.draws.uniform() as f32;
            let known = self.known.first().copied().filter(|_| self.draws.uniform() < 0.5);
            let series = match known {
                Some(known) => bank.add_like(known, weight),
                None => bank.add(weight),
            };
            self.known.extend(series);
        }
        let mut points = Vec::new();
        for &series in &self.known {
            let value = 100.0 * f64::from(series % 7) + self.draws.normal();
            let value = if self.draws.uniform() < 0.02 { f64::NAN } else { value };
            let late = if self.draws.uniform() < 0.02 { 90 } else { 0 };
            let lesson = if self.draws.uniform() < 0.1 { Lesson::Withhold } else { Lesson::Learn };
            points.push(BankPoint { series, at: (self.round * 60 - late) * SEC, value, lesson });
        }
        let mut judged = Vec::new();
        bank.observe(&points, &mut judged);
        judged
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Scenario: up to twelve series come and go and report, with holes, late and withheld points, six of them with a place
    /// in the full tier; the bank is saved at any round, read by a fresh one, and both go on.
    /// Guarantees: the restored one has the same bits then and after every later round, and gives the same numbers to new
    /// series.
    #[test]
    fn a_restored_bank_goes_on_undisturbed(seed in any::<u64>(), before in 1..700_usize) {
        let (mut whole, mut crowd) = (bank(6, 12), Crowd::new(seed));
        (0..before).for_each(|_| drop(crowd.round(&mut whole)));
        let saved = whole.save();
        let mut restored = bank(6, 12);
        prop_assert_eq!(restored.load(&saved), Ok(()));
        prop_assert_eq!(&restored, &whole);
        let mut twin = crowd.clone();
        for _ in 0..150 {
            prop_assert_eq!(crowd.round(&mut whole), twin.round(&mut restored));
        }
        prop_assert_eq!(&restored, &whole);
    }

    /// Scenario: a saved bank of which one byte is another, or that is cut.
    /// Guarantees: it is read or refused, without a panic; refused, it leaves the bank as it was.
    #[test]
    fn damage_is_no_panic(place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let (mut whole, mut crowd) = (bank(2, 4), Crowd::new(3));
        (0..200).for_each(|_| drop(crowd.round(&mut whole)));
        let mut saved = whole.save();
        let place = place.index(saved.len());
        if cut { saved.truncate(place) } else { saved[place] = byte }
        let mut restored = bank(2, 4);
        if restored.load(&saved).is_err() {
            prop_assert_eq!(restored, bank(2, 4));
        }
    }
}

/// Scenario: a state of the next version, of another model, and one of a bank with more places in the full tier.
/// Guarantees: the first two are refused in words; of the third the most useful series keep their places.
#[test]
fn other_versions_are_refused_and_smaller_budgets_kept() {
    let (mut whole, mut crowd) = (bank(6, 12), Crowd::new(11));
    (0..700).for_each(|_| drop(crowd.round(&mut whole)));
    let saved = whole.save();
    let mut newer = saved.clone();
    assert_eq!(&newer[..6], b"\x04bank\x05", "length, name, version");
    newer[5] = 6;
    let mut small = bank(2, 12);
    let error = small.load(&newer).unwrap_err();
    assert_eq!(
        error.to_string(),
        "state of `bank` has version 6, this build reads version 5: start without it"
    );
    newer[1] = b't';
    assert!(matches!(small.load(&newer), Err(SnapshotError::Model { .. })));
    let full = |bank: &Bank| {
        let standing = |series| bank.standing(series).is_some_and(|standing| standing.tier == Tier::Full);
        (0..12).filter(|series| standing(*series)).count()
    };
    assert!(whole.admission().occupancy() == (6, 6) && full(&whole) > 2, "{}", full(&whole));
    small.load(&saved).unwrap();
    assert!(small.admission().occupancy() == (2, 2) && full(&small) <= 2, "{}", full(&small));
    crowd.round(&mut small);
}

/// Scenario: a thousand series, all of them with a place in the full tier, for two hours and for two days.
/// Guarantees: a series takes no more when written than in memory; a young one a fraction of it.
#[test]
fn a_saved_series_is_no_larger_than_a_live_one() {
    let mut whole = bank(1000, 1000);
    let series: Vec<u32> = (0..1000).map(|_| whole.add(1.0).unwrap()).collect();
    let (mut draws, mut judged) = (Draws::new(5), Vec::new());
    let live = size_of::<HotSurprise>() + SurpriseColumns::bytes_per_row();
    for minute in 0..2880_i64 {
        let mut point = |&series| BankPoint {
            series,
            at: minute * 60 * SEC,
            value: draws.normal(),
            lesson: Lesson::Learn,
        };
        let points: Vec<BankPoint> = series.iter().map(&mut point).collect();
        whole.observe(&points, &mut judged);
        if minute == 120 {
            let each = whole.save().len() / 1000;
            println!("after two hours: {each} of {live} bytes");
            assert!(each < live / 2, "{each}");
        }
    }
    let each = whole.save().len() / 1000;
    println!("after two days: {each} of {live} bytes");
    assert!(each <= live, "{each}");
    assert!(series.iter().all(|&series| whole.remove(series)) && whole.is_empty());
    assert!(!whole.remove(0) && whole.standing(0).is_none());
    assert!(whole.save().len() < 8000, "what is free is only listed");
}
