//! Bound counters and gauges, and the text of `/metrics`.
//!
//! Promises: binding a label set takes a lock once, counting takes none; a metric has at most
//! [`LABEL_SETS_MAX`] label sets, further ones are counted together under the label value `other`.
//! What this module does not do: serve the text, or push it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter, MeterProvider as _};
use opentelemetry_sdk::metrics::{SdkMeterProvider, Stream};
use prometheus::{Registry, TextEncoder};

use crate::error::EngineError;
use crate::telemetry::names::{Metric, MetricKind, MetricSpec};

/// Bound of label sets per metric.
pub const LABEL_SETS_MAX: usize = 1_000;
/// Label value of what came after the bound.
const OTHER: &str = "other";
/// Bounds of the buckets of a timer, in seconds.
const TIMER_BOUNDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// A counter of one label set.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<AtomicU64>);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Adds a length or a number of rows.
    pub fn add_len(&self, n: usize) {
        self.add(n as u64);
    }

    /// What was counted so far.
    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A gauge of one label set.
#[derive(Debug, Clone, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    /// Shows `value` from now on.
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// Shows a number of things from now on.
    #[expect(clippy::cast_precision_loss, reason = "a gauge is read by people")]
    pub fn set_count(&self, value: u64) {
        self.set(value as f64);
    }

    /// What it shows.
    #[must_use]
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}

/// Takes durations of one label set.
#[derive(Debug, Clone)]
pub struct Timer {
    histogram: Histogram<f64>,
    labels: Arc<[KeyValue]>,
}

impl Timer {
    /// Notes one duration.
    pub fn record(&self, length: Duration) {
        self.histogram.record(length.as_secs_f64(), &self.labels);
    }
}

/// All label sets of one metric.
type Cells = Arc<Mutex<BTreeMap<Vec<String>, Arc<AtomicU64>>>>;

/// The numbers of the process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Telemetry(Arc<Inner>);

struct Inner {
    registry: Registry,
    meter: Meter,
    /// Kept alive: the instruments report through it.
    _provider: SdkMeterProvider,
    cells: Mutex<BTreeMap<&'static str, Cells>>,
    timers: Mutex<BTreeMap<&'static str, Histogram<f64>>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Inner").finish_non_exhaustive()
    }
}

impl Telemetry {
    /// Sets up the exporter with an empty registry of its own.
    ///
    /// # Errors
    /// [`EngineError::Invariant`] if the exporter cannot be registered.
    pub fn new() -> Result<Self, EngineError> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .without_units()
            .without_counter_suffixes()
            .without_target_info()
            .scope_info_enabled(false)
            .build()
            .map_err(|e| EngineError::Invariant(format!("metrics exporter: {e}")))?;
        // The bound is kept here, per metric, with the one label set for what came after it.
        let provider = SdkMeterProvider::builder()
            .with_reader(exporter)
            .with_view(|_: &opentelemetry_sdk::metrics::Instrument| {
                Stream::builder().with_cardinality_limit(LABEL_SETS_MAX + 2).build().ok()
            })
            .build();
        let meter = provider.meter("bellwether");
        let telemetry = Self(Arc::new(Inner {
            registry,
            meter,
            _provider: provider,
            cells: Mutex::default(),
            timers: Mutex::default(),
        }));
        telemetry.gauge(Metric::BuildVersion, &[env!("CARGO_PKG_VERSION")]).set_count(1);
        Ok(telemetry)
    }

    /// Binds a counter; the same labels give the same counter.
    #[must_use]
    pub fn counter(&self, metric: impl Into<MetricSpec>, labels: &[&str]) -> Counter {
        Counter(self.cell(metric.into(), labels))
    }

    /// Binds a gauge; the same labels give the same gauge.
    #[must_use]
    pub fn gauge(&self, metric: impl Into<MetricSpec>, labels: &[&str]) -> Gauge {
        Gauge(self.cell(metric.into(), labels))
    }

    /// Binds a timer.
    #[must_use]
    pub fn timer(&self, metric: impl Into<MetricSpec>, labels: &[&str]) -> Timer {
        let spec = metric.into();
        debug_assert_eq!(spec.labels.len(), labels.len(), "labels of {}", spec.name);
        let mut timers = self.0.timers.lock().unwrap_or_else(PoisonError::into_inner);
        let histogram = timers.entry(spec.name).or_insert_with(|| {
            let builder = self.0.meter.f64_histogram(spec.name).with_description(spec.help);
            builder.with_boundaries(TIMER_BOUNDS.to_vec()).build()
        });
        let values: Vec<String> = labels.iter().map(|&value| value.to_owned()).collect();
        Timer { histogram: histogram.clone(), labels: key_values(spec.labels, &values).into() }
    }

    /// The counter of what a stage sets aside for a reason.
    #[must_use]
    pub fn dropped(&self, stage: &str, reason: &str) -> Counter {
        self.counter(Metric::Dropped, &[stage, reason])
    }

    /// The text of `/metrics`.
    ///
    /// # Errors
    /// [`EngineError::Invariant`] if two metrics contradict each other.
    pub fn text(&self) -> Result<String, EngineError> {
        TextEncoder::new()
            .encode_to_string(&self.0.registry.gather())
            .map_err(|e| EngineError::Invariant(format!("metrics text: {e}")))
    }

    fn cell(&self, spec: MetricSpec, labels: &[&str]) -> Arc<AtomicU64> {
        debug_assert_eq!(spec.labels.len(), labels.len(), "labels of {}", spec.name);
        let cells = self.cells(spec);
        let mut cells = cells.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key: Vec<String> = labels.iter().map(|&value| value.to_owned()).collect();
        if cells.len() >= LABEL_SETS_MAX && !cells.contains_key(&key) {
            key = vec![OTHER.to_owned(); spec.labels.len()];
        }
        Arc::clone(cells.entry(key).or_default())
    }

    /// The label sets of a metric; makes its instrument at the first call.
    fn cells(&self, spec: MetricSpec) -> Cells {
        let mut all = self.0.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cells) = all.get(spec.name) {
            return Arc::clone(cells);
        }
        let cells = Cells::default();
        let seen = Arc::clone(&cells);
        let each = move |observe: &mut dyn FnMut(u64, &[KeyValue])| {
            for (values, cell) in seen.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                observe(cell.load(Ordering::Relaxed), &key_values(spec.labels, values));
            }
        };
        if spec.kind == MetricKind::Counter {
            let builder = self.0.meter.u64_observable_counter(spec.name).with_description(spec.help);
            builder.with_callback(move |to| each(&mut |value, labels| to.observe(value, labels))).build();
        } else {
            let builder = self.0.meter.f64_observable_gauge(spec.name).with_description(spec.help);
            let as_float = move |to: &dyn opentelemetry::metrics::AsyncInstrument<f64>| {
                each(&mut |bits, labels| to.observe(f64::from_bits(bits), labels));
            };
            builder.with_callback(as_float).build();
        }
        all.insert(spec.name, Arc::clone(&cells));
        cells
    }
}

fn key_values(names: &'static [&'static str], values: &[String]) -> Vec<KeyValue> {
    names.iter().zip(values).map(|(&name, value)| KeyValue::new(name, value.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: a counter, a gauge and a timer are used. Guarantees: the text has exactly the names of the list,
    /// with labels and values, and bindings of the same labels share one number.
    #[test]
    fn the_text_has_the_names_of_the_list() {
        let telemetry = Telemetry::new().unwrap();
        telemetry.dropped("decode", "malformed").add(2);
        telemetry.dropped("decode", "malformed").add(3);
        telemetry.gauge(Metric::LogBytes, &[]).set_count(4_096);
        telemetry.timer(Metric::LogCommitDuration, &[]).record(Duration::from_millis(3));
        let text = telemetry.text().unwrap();
        for line in [
            r#"bellwether_dropped_total{reason="malformed",stage="decode"} 5"#,
            "# TYPE bellwether_dropped_total counter",
            "bellwether_log_bytes 4096",
            "# TYPE bellwether_log_bytes gauge",
            r#"bellwether_log_commit_duration_seconds_bucket{le="0.005"} 1"#,
            "bellwether_log_commit_duration_seconds_count 1",
            concat!("bellwether_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
        }
    }

    /// Scenario: a label takes ever new values. Guarantees: memory is bounded and nothing goes uncounted.
    #[test]
    fn label_sets_are_bounded() {
        let telemetry = Telemetry::new().unwrap();
        for n in 0..LABEL_SETS_MAX + 50 {
            telemetry.counter(Metric::Dropped, &["x", &n.to_string()]).add(1);
        }
        assert_eq!(telemetry.counter(Metric::Dropped, &["anything", "else"]).get(), 50);
        let text = telemetry.text().unwrap();
        assert_eq!(
            text.lines().filter(|l| l.starts_with("bellwether_dropped_total{")).count(),
            LABEL_SETS_MAX + 1
        );
        assert!(text.contains(r#"bellwether_dropped_total{reason="other",stage="other"} 50"#));
    }
}
