//! The signals of a service together: a vector at every point of its requests.
//!
//! How unusual the vector is becomes one more series of the service (`models::multivariate`), said within the same budget,
//! with the signal that is to blame. What it does not do: judge the number.

use engine::record::{NANOS_PER_SEC, UnixNanos};
use models::multivariate::{Learning, VectorDetector, VectorParams};
use models::univariate::Lesson;
use serde::{Deserialize, Serialize};

use super::name::{CallSignal, Point, SeriesName};
use crate::features::ResourceSignal;

/// A level that is older is not known.
const FRESH: UnixNanos = 180 * NANOS_PER_SEC;

const SIGNALS: [&str; 9] = [
    "request rate",
    "error share",
    "latency p90",
    "processor use",
    "memory",
    "heap",
    "file descriptors",
    "threads",
    "connections",
];

/// The newest value of each signal, and the model of all of them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Together {
    detector: Box<VectorDetector>,
    newest: [Option<(UnixNanos, f64)>; SIGNALS.len()],
}

impl Default for Together {
    fn default() -> Self {
        let params = VectorParams::default().check().expect("the defaults are checked by a test");
        Self {
            detector: Box::new(VectorDetector::new(&params, SIGNALS.len())),
            newest: [None; SIGNALS.len()],
        }
    }
}

/// The place of a series in the vector.
fn place(name: &SeriesName) -> Option<usize> {
    Some(match name {
        SeriesName::Calls(_, operation) if !operation.is_empty() => return None,
        SeriesName::Calls(CallSignal::Rate, _) => 0,
        SeriesName::Calls(CallSignal::ErrorShare, _) => 1,
        SeriesName::Calls(CallSignal::Duration, _) => 2,
        SeriesName::Resource(ResourceSignal::Cpu) => 3,
        SeriesName::Resource(ResourceSignal::Memory) => 4,
        SeriesName::Resource(ResourceSignal::Heap) => 5,
        SeriesName::Resource(ResourceSignal::FileDescriptors) => 6,
        SeriesName::Resource(ResourceSignal::Threads) => 7,
        SeriesName::Resource(ResourceSignal::PoolInUse) => 8,
        _ => return None,
    })
}

impl Together {
    /// Takes in the points of a step; how unusual the vector is, where a point of the requests completes one.
    pub(crate) fn take(&mut self, points: &[Point], lesson: Lesson) -> Option<Point> {
        let mut rate_at = None;
        for point in points {
            if let Some(place) = place(&point.name) {
                self.newest[place] = Some((point.at, point.value));
                rate_at = if place == 0 { Some(point.at) } else { rate_at };
            }
        }
        let at = rate_at?;
        let value = |newest: &Option<(UnixNanos, f64)>| {
            newest
                .filter(|(known_at, _)| known_at.saturating_add(FRESH) >= at)
                .map_or(f64::NAN, |(_, value)| value)
        };
        let vector: Vec<f64> = self.newest.iter().map(value).collect();
        let learning = if lesson == Lesson::Learn { Learning::Learn } else { Learning::Hold };
        let score = self.detector.observe(at, &vector, learning)?;
        Some(Point { name: SeriesName::Together, at, value: score.value() })
    }

    /// Which signal is most to blame.
    pub(crate) fn note(&self) -> Option<String> {
        let suspect = self.detector.suspects(1).first().copied()?;
        Some(format!("mostly by its {}", SIGNALS[suspect.metric]))
    }
}
