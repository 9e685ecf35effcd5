//! Volume under the surface of range-based precision and recall (VUS-PR), as the TSB-AD benchmark computes it.
//!
//! J. Paparrizos, P. Boniol, T. Palpanas, R. Tsay, A. Elmore, M. Franklin, "Volume Under the Surface: a new accuracy
//! evaluation measure for time-series anomaly detection", PVLDB 15(11), 2022, section 4; the benchmark's settings are
//! those of Q. Liu, J. Paparrizos, "The elephant in the room", NeurIPS 2024: 250 thresholds, every buffer from 0 up.
//!
//! For a buffer of `w` points a label reaches `w/2` points beyond either end of a segment and falls there with the
//! distance `d` as `sqrt(1 - d/w)`; sums of overlapping flanks stop at 1. With the labels `l`, alarms `a` where the
//! score is at least the threshold, `P` points truly labelled and `E` the sum of the flanks under alarms:
//!
//! ```text
//! TP = sum(l * a)       precision = TP / sum(a)       recall = min(1, TP / (P + E/2)) * hit segments / segments
//! AP(w) = sum over thresholds k, falling, of (recall_k - recall_{k-1}) * precision_k
//! VUS-PR = mean of AP(w) over w = 0, 1, ..., W
//! ```
//!
//! where segments whose flanks meet count as one. Each point is filed once under the first threshold that alarms on
//! it, so that a buffer costs the flanks and 250 steps rather than 250 passes over the series.

use super::auc::comparable;

/// Thresholds of the curve, evenly spaced in rank.
const THRESHOLDS: usize = 250;

/// VUS-PR of `scores` (one a point, larger is more unusual) against `labels`, buffers from 0 to `max_buffer` points.
///
/// Without an anomaly there is nothing to find: 0. Where all points are anomalous the buffers are empty and the
/// definition gives 1. NaN counts as the lowest score.
///
/// ```
/// let mut labels = vec![false; 500];
/// labels[200..220].fill(true);
/// let clear: Vec<f64> = labels.iter().map(|&label| f64::from(u8::from(label))).collect();
/// assert!(models::accuracy::vus_pr(&labels, &clear, 0) > 0.99);
/// assert!(models::accuracy::vus_pr(&labels, &vec![1.0; 500], 20) < 0.1);
/// ```
///
/// # Panics
/// When the lengths differ.
#[must_use]
pub fn vus_pr(labels: &[bool], scores: &[f64], max_buffer: usize) -> f64 {
    assert_eq!(labels.len(), scores.len(), "one score a point");
    let mut segments = segments(labels);
    if segments.is_empty() {
        return 0.0;
    }
    let first_alarm = first_alarms(scores);
    let mut surface = Surface::new(labels, &first_alarm);
    for segment in &mut segments {
        segment.first_alarm = first_alarm[segment.start..segment.end].iter().copied().min().unwrap_or(0);
    }
    let mut volume = 0.0;
    for buffer in 0..=max_buffer {
        let reach = buffer / 2;
        segments.iter_mut().for_each(|segment| segment.reach_to(reach, &first_alarm));
        surface.lay_flanks(&segments, buffer, labels, &first_alarm);
        volume += surface.area(&hits(&segments, reach));
    }
    volume / (max_buffer + 1) as f64
}

/// A run of labelled points `start..end`, and the first threshold that alarms in it or within its reach.
struct Segment {
    start: usize,
    end: usize,
    first_alarm: usize,
}

impl Segment {
    /// Takes the points at distance `reach` in; called with `reach` growing by at most one.
    fn reach_to(&mut self, reach: usize, first_alarm: &[usize]) {
        if reach == 0 {
            return;
        }
        let before = self.start.checked_sub(reach).map(|nth| first_alarm[nth]);
        let after = first_alarm.get(self.end - 1 + reach).copied();
        self.first_alarm =
            self.first_alarm.min(before.unwrap_or(usize::MAX)).min(after.unwrap_or(usize::MAX));
    }
}

fn segments(labels: &[bool]) -> Vec<Segment> {
    let mut start = 0;
    let mut found = Vec::new();
    for run in labels.chunk_by(|a, b| a == b) {
        let end = start + run.len();
        if run[0] {
            found.push(Segment { start, end, first_alarm: 0 });
        }
        start = end;
    }
    found
}

/// For each point the number of the first (highest) threshold that its score reaches.
fn first_alarms(scores: &[f64]) -> Vec<usize> {
    let mut falling: Vec<f64> = scores.iter().map(|&score| comparable(score)).collect();
    falling.sort_unstable_by(|a, b| b.total_cmp(a));
    let last = scores.len() - 1;
    let step = last as f64 / (THRESHOLDS - 1) as f64;
    let rank = |k: usize| if k + 1 == THRESHOLDS { last } else { (k as f64 * step) as usize };
    let thresholds: Vec<f64> = (0..THRESHOLDS).map(|k| falling[rank(k)]).collect();
    scores
        .iter()
        .map(|&score| thresholds.partition_point(|&threshold| threshold > comparable(score)))
        .collect()
}

/// How many segments each threshold is the first to hit, and their number; segments whose reaches meet are one.
fn hits(segments: &[Segment], reach: usize) -> (Vec<usize>, usize) {
    let mut hits = vec![0; THRESHOLDS];
    let mut merged = 0;
    for group in segments.chunk_by(|a, b| a.end - 1 + 2 * reach >= b.start) {
        hits[group.iter().map(|segment| segment.first_alarm).min().unwrap_or(0)] += 1;
        merged += 1;
    }
    (hits, merged)
}

/// What every buffer shares, and the flanks of the present one.
struct Surface {
    /// Labelled points by first threshold.
    labelled: Vec<f64>,
    /// All points by first threshold.
    alarms: Vec<f64>,
    /// Sum of the flanks by first threshold.
    flanks: Vec<f64>,
    /// Label of each unlabelled point within reach; 0 elsewhere.
    raised: Vec<f64>,
    /// Points with a flank, each once.
    touched: Vec<usize>,
    anomalies: f64,
}

impl Surface {
    fn new(labels: &[bool], first_alarm: &[usize]) -> Self {
        let (mut labelled, mut alarms) = (vec![0.0; THRESHOLDS], vec![0.0; THRESHOLDS]);
        for (&label, &first) in labels.iter().zip(first_alarm) {
            alarms[first] += 1.0;
            labelled[first] += f64::from(u8::from(label));
        }
        let anomalies = labelled.iter().sum();
        Self {
            labelled,
            alarms,
            flanks: vec![0.0; THRESHOLDS],
            raised: vec![0.0; labels.len()],
            touched: Vec::new(),
            anomalies,
        }
    }

    fn lay_flanks(&mut self, segments: &[Segment], buffer: usize, labels: &[bool], first_alarm: &[usize]) {
        let height: Vec<f64> = (1..=buffer / 2).map(|d| libm::sqrt(1.0 - d as f64 / buffer as f64)).collect();
        self.touched.drain(..).for_each(|nth| self.raised[nth] = 0.0);
        for segment in segments {
            for (nth, &height) in (segment.end..labels.len()).zip(&height) {
                self.raise(nth, height, labels);
            }
            for (nth, &height) in (0..segment.start).rev().zip(&height) {
                self.raise(nth, height, labels);
            }
        }
        self.flanks.fill(0.0);
        for &nth in &self.touched {
            self.flanks[first_alarm[nth]] += self.raised[nth].min(1.0);
        }
    }

    fn raise(&mut self, nth: usize, height: f64, labels: &[bool]) {
        if labels[nth] {
            return;
        }
        if self.raised[nth] == 0.0 {
            self.touched.push(nth);
        }
        self.raised[nth] += height;
    }

    /// `AP(w)` of the flanks that lie now.
    fn area(&self, (hits, merged): &(Vec<usize>, usize)) -> f64 {
        let (mut labelled, mut alarms, mut flanks, mut hit) = (0.0, 0.0, 0.0, 0);
        let (mut recall_before, mut area) = (0.0, 0.0);
        for (k, &hits) in hits.iter().enumerate() {
            labelled += self.labelled[k];
            alarms += self.alarms[k];
            flanks += self.flanks[k];
            hit += hits;
            let found = labelled + flanks;
            let share = (found / (self.anomalies + flanks / 2.0)).min(1.0);
            let recall = share * (hit as f64 / *merged as f64);
            area += (recall - recall_before) * (found / alarms);
            recall_before = recall;
        }
        area
    }
}

#[cfg(test)]
mod tests;
