//! Columns against the single form, and the tiers together.

use super::*;
use crate::testkit::{Draws, breaches};
use crate::univariate::{Lesson, MeanSurprise, SurpriseParams, SurpriseValidParams};

const SEC: i64 = 1_000_000_000;

fn params() -> SurpriseValidParams {
    SurpriseParams::default().check().unwrap()
}

/// Scenario: the inputs every detector must survive, for the hot tier.
/// Guarantees: causality, saving, NaN, gaps, duplicates, irregular intervals and size are in order.
#[test]
fn the_hot_tier_conforms() {
    assert_eq!(breaches(HotSurprise::new, 1, 400), Vec::new());
    assert_eq!(size_of::<HotSurprise>(), 128);
    assert!(SurpriseColumns::bytes_per_row() <= 6144, "{}", SurpriseColumns::bytes_per_row());
}

/// Scenario: forty series of different levels, intervals and gaps, in batches in which they are mixed; some points are
/// withheld, NaN or late; one series is removed half way and its row given to a new one.
/// Guarantees: every reading of the columns has the bits of the single form.
#[test]
fn columns_give_the_bits_of_the_single_form() {
    let mut columns = SurpriseColumns::new(&params());
    let mut rows: Vec<Row> = (0..40).map(|_| columns.add()).collect();
    let mut single: Vec<MeanSurprise> = (0..40).map(|_| MeanSurprise::new(&params())).collect();
    let (mut draws, mut readings) = (Draws::new(9), Vec::new());
    for round in 0..600_i64 {
        if round == 300 {
            columns.remove(rows[7]);
            rows[7] = columns.add();
            single[7] = MeanSurprise::new(&params());
        }
        let mut batch = Vec::new();
        for (nth, row) in rows.iter().enumerate() {
            if draws.uniform() > 0.8 {
                continue;
            }
            let late = if round % 50 == 3 { 120 } else { 0 };
            let at = (round * (10 + 7 * nth as i64) - late) * SEC;
            let value = if round % 37 == 5 { f64::NAN } else { 1e3 * nth as f64 + 5.0 * draws.normal() };
            let lesson = if round % 11 == 0 { Lesson::Withhold } else { Lesson::Learn };
            batch.push((nth, RowPoint { row: *row, at, value, lesson }));
        }
        let points: Vec<RowPoint> = batch.iter().map(|(_, point)| *point).collect();
        let ahead: Vec<_> =
            points.iter().map(|point| columns.read(point.row, point.at, point.value)).collect();
        columns.observe(&points, &mut readings);
        for (((nth, point), reading), ahead) in batch.iter().zip(&readings).zip(ahead) {
            let expected = single[*nth].observe(point.at, point.value, point.lesson);
            assert_eq!(*reading, expected, "series {nth}, round {round}");
            assert_eq!(ahead, expected, "reading ahead, series {nth}, round {round}");
        }
    }
    assert_eq!(columns.len(), 40);
}

/// Scenario: two hundred series, half of them constant, and memory for thirty full detectors.
/// Guarantees: the full tier holds thirty series that move, all others are judged by the hot tier, and a spike is seen
/// in both.
#[test]
fn useful_series_get_the_full_tier() {
    let budget_bytes = 30 * SurpriseColumns::bytes_per_row() as u64;
    let admission = AdmissionParams { budget_bytes, ..AdmissionParams::default() }.check().unwrap();
    let admission = Admission::new(&admission, SurpriseColumns::bytes_per_row());
    let mut bank = Bank::new(SurpriseColumns::new(&params()), admission, 200);
    let series: Vec<u32> = (0..200).map(|_| bank.add(1.0).unwrap()).collect();
    assert_eq!((bank.add(1.0), bank.refused()), (None, 1));
    let (mut draws, mut judged) = (Draws::new(4), Vec::new());
    let mut round = |nth: i64, spike: f64, bank: &mut Bank, judged: &mut Vec<Judged>| {
        let mut value = |series: u32| if series.is_multiple_of(2) { 5.0 } else { 5.0 + draws.normal() };
        let points: Vec<BankPoint> = series
            .iter()
            .map(|&series| BankPoint {
                series,
                at: nth * 60 * SEC,
                value: value(series) + spike,
                lesson: Lesson::Learn,
            })
            .collect();
        bank.observe(&points, judged);
    };
    (0..600).for_each(|nth| round(nth, 0.0, &mut bank, &mut judged));
    assert_eq!(bank.admission().occupancy(), (30, 30));
    let full = |judged: &[Judged]| judged.iter().filter(|judged| matches!(judged, Judged::Full(_))).count();
    assert_eq!(full(&judged), 30);
    assert!(judged.iter().step_by(2).all(|judged| matches!(judged, Judged::Hot(_))), "constants stay hot");
    round(600, 40.0, &mut bank, &mut judged);
    let score = |judged: &Judged| match judged {
        Judged::Not => 0.0,
        Judged::Hot(reading) => reading.score.value(),
        Judged::Full(reading) => reading.score.value(),
    };
    assert!(
        judged.iter().all(|judged| score(judged) > 1.5),
        "{:?}",
        judged.iter().map(score).fold(9.0, f64::min)
    );
}
