//! The signals of a service together: a vector at every point of its requests, or, of a service that has none, of its resources and
//! metrics, at every point of the first of them.
//!
//! How unusual the vector is becomes one more series of the service (`models::multivariate`), said within the same budget,
//! with the signal that is to blame. What it does not do: judge the number.

use engine::record::{NANOS_PER_SEC, UnixNanos};
use models::multivariate::{Learning, VectorDetector, VectorParams};
use models::univariate::Lesson;
use serde::{Deserialize, Serialize};

use super::name::{CallSignal, Point, SeriesName};
use crate::features::ResourceSignal;
use crate::scoring::template_rates::NAMED;

/// Signals of a service without requests, at the most.
const OWN_MAX: usize = 40;
/// What a signal takes, bytes: its metric, and its rows of the scatter.
const SIGNAL_BYTES: usize = 4_400;
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
///
/// # Invariants
/// `newest` has the width of the detector; `own` is empty once there were requests, and names the places before.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Together {
    detector: Box<VectorDetector>,
    newest: Vec<Option<(UnixNanos, f64)>>,
    has_requests: bool,
    own: Vec<SeriesName>,
}

impl Default for Together {
    fn default() -> Self {
        Self { detector: detector(1), newest: vec![None], has_requests: false, own: Vec::new() }
    }
}

fn detector(width: usize) -> Box<VectorDetector> {
    let params = VectorParams::default().check().expect("the defaults are checked by a test");
    Box::new(VectorDetector::new(&params, width))
}

/// The place of a series in the vector of a service with requests.
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
        let serves = |point: &Point| matches!(point.name, SeriesName::Calls(CallSignal::Rate, _));
        if !self.has_requests && points.iter().any(serves) {
            (self.has_requests, self.own) = (true, Vec::new());
            (self.detector, self.newest) = (detector(SIGNALS.len()), vec![None; SIGNALS.len()]);
        }
        let mut paced_at = None;
        for point in points {
            if let Some(place) = self.place(&point.name) {
                self.newest[place] = Some((point.at, point.value));
                paced_at = if place == 0 { Some(point.at) } else { paced_at };
            }
        }
        let at = paced_at?;
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

    /// The place of a series in the vector. A service without requests gives the next free one to each.
    fn place(&mut self, name: &SeriesName) -> Option<usize> {
        if self.has_requests {
            return place(name);
        }
        match name {
            // where lines are counted by request there are requests
            SeriesName::Other(name) if name.starts_with(NAMED) => return None,
            SeriesName::Resource(_) | SeriesName::Other(_) => {}
            _ => return None,
        }
        let known = self.own.iter().position(|own| own == name);
        known.or_else(|| {
            (self.own.len() < OWN_MAX).then(|| {
                self.own.push(name.clone());
                self.newest.resize(self.own.len(), None);
                self.detector.resize(self.own.len());
                self.own.len() - 1
            })
        })
    }

    /// Which signal is most to blame.
    pub(crate) fn note(&self) -> Option<String> {
        let suspect = self.detector.suspects(1).first().copied()?.metric;
        let own = self.own.get(suspect).map(|name| name.words().0);
        Some(format!(
            "mostly by its {}",
            own.unwrap_or_else(|| (*SIGNALS.get(suspect).unwrap_or(&"signals")).to_owned())
        ))
    }

    /// What it takes.
    pub(crate) fn bytes(&self) -> usize {
        SIGNAL_BYTES * self.newest.len()
    }
}
