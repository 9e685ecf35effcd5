//! How rare the scores of a series are among its past ones: of the onsets, and of the surprises.
//!
//! Scores of the two tiers do not compare, so a change of tier begins anew. What it does not do: decide what is told.

use engine::record::UnixNanos;
use models::RawScore;
use models::bank::{Judged, OWN_POINTS};
use models::calibrate::{TailCalibrator, TailValidParams};
use models::univariate::Lesson;
use serde::{Deserialize, Serialize};

/// The past scores of one series.
///
/// # Invariants
/// `surprises` is there exactly while the series is judged by the full tier: the hot tier has one score for both.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Rarity {
    onsets: TailCalibrator,
    surprises: Option<TailCalibrator>,
}

impl Rarity {
    /// Has seen nothing.
    pub(super) fn new(params: &TailValidParams) -> Self {
        Self { onsets: TailCalibrator::new(params), surprises: None }
    }

    /// What a series alike may begin with.
    pub(super) fn as_prior(&self) -> Self {
        let prior = |tail: &TailCalibrator| tail.as_prior(OWN_POINTS);
        Self { onsets: prior(&self.onsets), surprises: self.surprises.as_ref().map(prior) }
    }

    /// Decades of rarity of the onset and of the surprise of a judgement, which then is one of the past ones if the point was
    /// learned; 0 while there are too few. `None` for a point without a score.
    pub(super) fn weigh(
        &mut self,
        (at, lesson): (UnixNanos, Lesson),
        judged: &Judged,
        params: &TailValidParams,
    ) -> Option<(f64, f64)> {
        match judged {
            Judged::Not => None,
            Judged::Hot(reading) => {
                if self.surprises.is_some() {
                    *self = Self::new(params);
                }
                let decades = decades(&mut self.onsets, (at, lesson), reading.surprise)?;
                Some((decades, decades))
            }
            Judged::Full(reading) => {
                let surprises = match &mut self.surprises {
                    Some(surprises) => surprises,
                    none => {
                        self.onsets = TailCalibrator::new(params);
                        none.insert(TailCalibrator::new(params))
                    }
                };
                let onset = decades(&mut self.onsets, (at, lesson), reading.onset)?;
                Some((onset, decades(surprises, (at, lesson), reading.surprise)?))
            }
        }
    }
}

fn decades(tail: &mut TailCalibrator, (at, lesson): (UnixNanos, Lesson), score: f64) -> Option<f64> {
    let raw = RawScore::new(score)?;
    let decades = if tail.maturity().is_mature() { tail.p_value(raw).surprise().decades() } else { 0.0 };
    if lesson == Lesson::Learn {
        tail.observe(at, raw);
    }
    Some(decades)
}
