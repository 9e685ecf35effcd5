//! Tells a spike from a level shift from a slow drift, by how long a series stays off its usual day and how it got there.
//!
//! All in usual deviations. Not done here: deciding whether there is an anomaly at all.

use serde::{Deserialize, Serialize};

/// What an anomaly looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Within the usual values; the order or the unrest of the points is unusual.
    Pattern,
    /// Off its usual values for a few steps so far.
    Spike,
    /// Off for longer, and it got there at once.
    LevelShift,
    /// Off for longer, and it got there bit by bit.
    Drift,
}

/// Deviations from which on a series is off.
const OFF: f32 = 2.5;
/// A longer stay is no spike.
const SPIKE_STEPS: f32 = 8.0;

/// How long and since which jump a series has been off; 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Course {
    side: f32,
    steps: f32,
    /// Largest change towards that side since shortly before it went off.
    jump: f32,
    last: f32,
}

impl Course {
    /// Goes on with a point that is `off` usual deviations away.
    pub(crate) fn next(mut self, off: f32, steps: f32) -> Self {
        let change = off - self.last;
        self.last = off;
        if off.abs() < OFF || (self.steps > 0.0 && off * self.side < 0.0) {
            // a jump just before the border was crossed belongs to the stay
            self.jump = (0.5 * self.jump).max(change.abs());
            (self.steps, self.side) = (0.0, 0.0);
        }
        if off.abs() >= OFF {
            self.side = off.signum();
            self.steps = (self.steps + steps).min(1e6);
            if self.steps <= SPIKE_STEPS {
                self.jump = self.jump.max(change * self.side);
            }
        }
        self
    }

    /// Steps that the series has been off on one side.
    pub(crate) fn steps(&self) -> f32 {
        self.steps
    }

    /// The shape so far, while the 12-step mean stands `standing` deviations off.
    pub(crate) fn shape(&self, standing: f32) -> Shape {
        if self.steps == 0.0 {
            Shape::Pattern
        } else if self.steps <= SPIKE_STEPS {
            Shape::Spike
        } else if self.jump >= 0.5 * standing.abs().min(2.0 * OFF) {
            Shape::LevelShift
        } else {
            Shape::Drift
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape_of(offs: impl IntoIterator<Item = f32>) -> Shape {
        let mut course = Course::default();
        let mut mean = 0.0;
        for off in offs {
            course = course.next(off, 1.0);
            mean += (off - mean) / 6.5;
        }
        course.shape(mean)
    }

    /// Scenario: a lone high point, a jump that stays, a slope, a jump that came back, small noise.
    /// Guarantees: each is named for what it is, on both sides.
    #[test]
    fn shapes_are_told_apart() {
        for side in [1.0_f32, -1.0] {
            let noise = |nth: u32| ((nth * 7) % 5) as f32 * 0.2 - 0.4;
            let after = |n: u32, f: &dyn Fn(u32) -> f32| {
                let offs: Vec<f32> =
                    (0..n).map(|nth| noise(nth) + if nth < 50 { 0.0 } else { side * f(nth - 50) }).collect();
                shape_of(offs)
            };
            assert_eq!(after(51, &|_| 8.0), Shape::Spike);
            assert_eq!(after(90, &|_| 8.0), Shape::LevelShift);
            assert_eq!(after(120, &|nth| 0.1 * nth as f32), Shape::Drift);
            assert_eq!(after(90, &|nth| if nth < 3 { 8.0 } else { 0.0 }), Shape::Pattern);
            assert_eq!(after(90, &|_| 0.0), Shape::Pattern);
        }
    }
}
