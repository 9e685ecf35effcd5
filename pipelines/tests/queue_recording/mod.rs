//! A recording that is made up: three gauges of a service hold their levels, second by second; then its queue grows.
//!
//! It is short, so the settings beside it let series speak after minutes instead of days.

use std::fmt::Write as _;
use std::path::Path;

/// First second, since 1970.
const START: i64 = 1_795_397_000;
/// Seconds of the recording.
const SECONDS: i64 = 1_000;
/// The queue is four times as long within these.
const GROWN: std::ops::Range<i64> = 500..560;

/// What lets a series of minutes speak.
pub(crate) const SETTINGS: [&str; 4] = [
    "time.window_secs=1",
    "series.learning_secs=200",
    "series.alarms_per_day=100",
    "series.service_alarms_per_day=1000",
];

/// Noise in -1 to 1: a hash of second and gauge.
fn noise(second: i64, gauge: i64) -> f64 {
    let mut bits = (second * 8 + gauge).cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (bits >> 40) as f64 / f64::from(1_u32 << 23) - 1.0
}

/// Writes the recording into a folder, as OTLP JSON lines.
pub(crate) fn write(folder: &Path) {
    let mut text = String::new();
    for second in 0..SECONDS {
        let grown = if GROWN.contains(&second) { 4.0 } else { 1.0 };
        let gauges = [("queue.depth", 20.0 * grown), ("cache.entries", 500.0), ("workers.busy", 8.0)];
        let at = (START + second) * 1_000_000_000;
        let metric = |(nth, (name, level)): (usize, &(&str, f64))| {
            let value = level * (1.0 + 0.1 * noise(second, nth as i64));
            let point = format!(r#"{{"timeUnixNano":"{at}","asDouble":{value}}}"#);
            format!(r#"{{"name":"{name}","gauge":{{"dataPoints":[{point}]}}}}"#)
        };
        let metrics: Vec<String> = gauges.iter().enumerate().map(metric).collect();
        let attribute =
            |key: &str, value: &str| format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#);
        let resource = [attribute("service.name", "mailer"), attribute("service.instance.id", "mailer-1")];
        writeln!(
            text,
            r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{}]}},"scopeMetrics":[{{"metrics":[{}]}}]}}]}}"#,
            resource.join(","),
            metrics.join(",")
        )
        .expect("a text takes every line");
    }
    std::fs::write(folder.join("metrics.jsonl"), text).expect("the folder is there");
}
