//! Agreement with the benchmark's own Python, and what it leaves undecided.

use super::super::{auc_pr, vus_pr};

/// Labels with the given segments, and scores from a linear congruential generator that any language can repeat:
/// `noise * u + label * u' / 2`, rounded down to `levels` steps unless that is zero.
struct Case {
    points: usize,
    seed: u64,
    segments: Vec<(usize, usize)>,
    levels: f64,
    noise: f64,
}

impl Case {
    fn draw(&self) -> (Vec<bool>, Vec<f64>) {
        let mut state = self.seed;
        let mut uniform = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as f64 / f64::from(1_u32 << 31)
        };
        let mut labels = vec![false; self.points];
        self.segments.iter().for_each(|&(start, end)| labels[start..end].fill(true));
        let mut score = |label: bool| {
            let value = uniform() * self.noise + if label { 0.5 } else { 0.0 } * uniform();
            if self.levels > 0.0 { (value * self.levels).floor() / self.levels } else { value }
        };
        let scores = labels.iter().map(|&label| score(label)).collect();
        (labels, scores)
    }
}

fn check(case: &Case, max_buffer: usize, average_precision: f64, volume: f64) {
    let (labels, scores) = case.draw();
    let auc = auc_pr(&labels, &scores);
    let vus = vus_pr(&labels, &scores, max_buffer);
    println!("seed {}: auc_pr {auc:.12}, vus_pr {vus:.12}", case.seed);
    assert!((auc - average_precision).abs() < 1e-11, "seed {}: {auc} {average_precision}", case.seed);
    assert!((vus - volume).abs() < 1e-11, "seed {}: {vus} {volume}", case.seed);
}

/// Scenario: segments of one to a hundred points, at either end of the series, closer together than the buffer, with
/// continuous scores and with scores of few levels; a buffer longer than the series; 131 short segments.
/// Guarantees: average precision agrees with scikit-learn 1.x and VUS-PR with the function `RangeAUC_volume_opt` of
/// TheDatumOrg/TSB-AD (250 thresholds), both run on the same numbers, to eleven digits.
#[test]
fn agrees_with_the_benchmark() {
    let case = |points, seed, segments: &[(usize, usize)], levels, noise| {
        let segments = segments.to_vec();
        Case { points, seed, segments, levels, noise }
    };
    let spread = [(100, 130), (400, 401), (420, 470), (900, 1000)];
    check(&case(1000, 1, &spread, 0.0, 1.0), 50, 0.491_855_321_402, 0.540_392_049_449);
    let near = [(0, 20), (30, 31), (33, 40), (500, 640)];
    check(&case(1000, 2, &near, 8.0, 0.8), 100, 0.468_711_678_115, 0.529_530_427_144);
    check(&case(300, 3, &[(0, 1), (299, 300)], 4.0, 1.0), 20, 0.011_388_888_889, 0.029_938_248_836);
    check(&case(120, 4, &[(60, 62)], 0.0, 1.0), 100, 0.028_629_032_258, 0.356_610_157_592);
    let many: Vec<(usize, usize)> = (50..4900).step_by(37).map(|start| (start, start + 3)).collect();
    check(&case(5000, 5, &many, 0.0, 0.7), 100, 0.522_896_053_576, 0.896_300_318_826);
    check(&case(400, 6, &[(100, 200)], 1.0, 1.5), 7, 0.292_102_272_727, 0.301_778_288_380);
}

/// Scenario: no point, no anomaly, only anomalies, only equal scores, only NaN, a NaN on the anomaly.
/// Guarantees: a number in [0, 1] each time; NaN ranks lowest and equal scores are one step.
#[test]
fn odd_inputs_are_decided() {
    let both = |labels: &[bool], scores: &[f64]| (auc_pr(labels, scores), vus_pr(labels, scores, 10));
    assert_eq!(both(&[], &[]), (0.0, 0.0));
    assert_eq!(both(&[false; 4], &[1.0, 2.0, 3.0, 4.0]), (0.0, 0.0));
    let (auc, vus) = both(&[true; 4], &[1.0, 2.0, 3.0, 4.0]);
    assert!((auc - 1.0).abs() < 1e-12 && (vus - 1.0).abs() < 1e-12, "{auc} {vus}");
    assert!((both(&[true], &[f64::NAN]).1 - 1.0).abs() < 1e-12);
    let labels = [false, false, true, false];
    assert_eq!(both(&labels, &[f64::NAN; 4]), both(&labels, &[7.0; 4]));
    assert_eq!(both(&labels, &[0.0, -0.0, -0.0, 0.0]), both(&labels, &[7.0; 4]));
    assert_eq!(both(&labels, &[1.0, 2.0, f64::NAN, 3.0]), both(&labels, &[1.0, 2.0, f64::NEG_INFINITY, 3.0]));
}

/// Scenario: the same scores after a strictly growing function; the same scores with the anomaly raised.
/// Guarantees: only the order of scores matters, and a better order is never worth less.
#[test]
fn only_the_order_counts() {
    let segments = vec![(200, 240), (700, 703)];
    let (labels, scores) = Case { points: 1000, seed: 7, segments, levels: 0.0, noise: 1.0 }.draw();
    let cubed: Vec<f64> = scores.iter().map(|score| score * score * score).collect();
    assert_eq!(vus_pr(&labels, &scores, 30), vus_pr(&labels, &cubed, 30));
    let raise = |(&label, &score): (&bool, &f64)| if label { score + 0.3 } else { score };
    let raised: Vec<f64> = labels.iter().zip(&scores).map(raise).collect();
    assert!(vus_pr(&labels, &raised, 30) > vus_pr(&labels, &scores, 30));
}
