//! A new series that begins with what another has learned: its sibling, or itself under the version before.
//!
//! What is taken over counts as if it were about a hundred points: ranges, usual days and usual deviations are known from the
//! first point on, and the new series corrects them soon, because what has few points behind it learns fast. The short
//! memory (averages, the held score, the last time) is not taken over. Until a series has shown [`OWN_POINTS`] itself, its
//! [`super::Standing`] says that it goes by what it inherited. Not done here: who is like whom.

use super::full::Row;
use super::hot::Seat;
use super::tiers::{Bank, Place};

/// Points of its own after which a series stands for itself.
pub const OWN_POINTS: u32 = 100;

/// What the scores of a series rest on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// What it showed itself.
    Own,
    /// Mostly what it took over from another series.
    Inherited,
}

impl Bank {
    /// As [`Bank::add`], but the new series begins with what `known` has learned; in the full tier too, if `known` is there
    /// and there is room. Without a series `known` it begins with nothing.
    pub fn add_like(&mut self, known: u32, weight: f32) -> Option<u32> {
        let from = self.places.get(known as usize).copied();
        let series = self.add(weight)?;
        let Some(Place::Held { row, .. }) = from else { return Some(series) };
        let nth = series as usize;
        self.hot[nth] = self.hot[known as usize].as_prior();
        let inherited = self.hot[nth].points();
        let row =
            row.filter(|_| self.admission.has_room()).and_then(|row| self.row_like(row, series, weight));
        self.places[nth] = Place::Held { weight, row, inherited };
        Some(series)
    }

    fn row_like(&mut self, known: Row, series: u32, weight: f32) -> Option<Row> {
        let usefulness = f64::from(weight) * self.hot[series as usize].change_share();
        if self.admission.ask(u64::from(series), usefulness) != super::Admitted::Room {
            return None;
        }
        self.hot[series as usize].seat = Seat::Full;
        Some(self.full.add_like(known))
    }
}

#[cfg(test)]
mod tests {
    use crate::bank::*;
    use crate::testkit::Draws;
    use crate::univariate::{Lesson, SurpriseParams};

    const MINUTE: i64 = 60_000_000_000;

    fn bank() -> Bank {
        let columns = SurpriseColumns::new(&SurpriseParams::default().check().unwrap());
        let admission = AdmissionParams::default().check().unwrap();
        Bank::new(columns, Admission::new(&admission, SurpriseColumns::bytes_per_row()), 1000)
    }

    /// A day that swings between 50 and 150, with noise.
    fn value(minute: i64, draws: &mut Draws) -> f64 {
        let phase = (minute % 1440) as f64 / 1440.0;
        100.0 + 50.0 * libm::sin(core::f64::consts::TAU * phase) + 3.0 * draws.normal()
    }

    fn scores(bank: &mut Bank, series: u32, points: impl Iterator<Item = (i64, f64)>) -> Vec<Option<f64>> {
        let mut judged = Vec::new();
        let mut score = |(minute, value): (i64, f64)| {
            let point = BankPoint { series, at: minute * MINUTE, value, lesson: Lesson::Learn };
            bank.observe(&[point], &mut judged);
            match judged[0] {
                Judged::Not => None,
                Judged::Hot(reading) => Some(reading.surprise),
                Judged::Full(reading) => Some(reading.surprise),
            }
        };
        points.map(&mut score).collect()
    }

    /// Scenario: a replica known for three days, then a new one of the same workload, once with what the known one has
    /// learned and once without; after an hour it falls to nothing for a minute. Eight seeds.
    /// Guarantees: with it, the first point has a score and the full tier speaks at once; the standing says `Inherited`, later
    /// `Own`; the fall is more surprising than all that came after the first twenty points, in all eight runs.
    #[test]
    fn what_a_sibling_knows_helps_at_the_start() {
        for seed in 0..8 {
            let (mut bank, mut draws) = (bank(), Draws::new(seed));
            let known = bank.add(1.0).unwrap();
            let past: Vec<_> = (0..4320).map(|minute| (minute, value(minute, &mut draws))).collect();
            scores(&mut bank, known, past.into_iter());
            let start: Vec<_> = (4320..4440).map(|minute| (minute, value(minute, &mut draws))).collect();
            let (like, alone) = (bank.add_like(known, 1.0).unwrap(), bank.add(1.0).unwrap());
            let with = scores(&mut bank, like, start.iter().copied().take(60));
            let without = scores(&mut bank, alone, start.iter().copied().take(60));
            let standing = bank.standing(like).unwrap();
            assert_eq!((standing.basis, standing.tier), (Basis::Inherited, Tier::Full), "seed {seed}");
            assert_eq!(bank.standing(alone).unwrap().points, 60, "seed {seed}");
            assert!(with[0].is_some() && without[19].is_none(), "seed {seed}");
            let fall = scores(&mut bank, like, [(4380, 0.0)].into_iter())[0].unwrap();
            let most = with[20..].iter().flatten().copied().fold(0.0, f64::max);
            assert!(fall > most, "seed {seed}: {fall} after {most}");
            scores(&mut bank, like, start.iter().copied().skip(61));
            assert_eq!(bank.standing(like).unwrap().basis, Basis::Own);
        }
    }

    /// Scenario: a series like one that does not exist, and one like itself in a full bank.
    /// Guarantees: it begins with nothing, or is refused.
    #[test]
    fn nobody_is_like_nobody() {
        let mut bank = bank();
        let alone = bank.add_like(7, 1.0).unwrap();
        assert_eq!(bank.standing(alone).unwrap().points, 0);
        assert_eq!(bank.standing(alone).unwrap().basis, Basis::Own);
        assert_eq!((1..1000).filter_map(|_| bank.add(0.1)).count(), 999);
        assert_eq!(bank.add_like(alone, 1.0), None);
    }
}
