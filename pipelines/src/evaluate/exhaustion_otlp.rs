//! Writes a recorded process as OTLP JSON lines that `replay` reads: one request a second, with the usual metric names.
//!
//! The recorded second stays a second: the forecast counts samples. What it does not do: change what was recorded.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::{Metric, ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;

use super::canaryrec::RecordingError;
use super::exhaustion::{ExhaustionLabel, read_usage};
use super::files::read_labels;
use super::otlp::{self, text};

/// Recordings are written once and read often.
const ZSTD_LEVEL: i32 = 19;

/// Metric of the value, and of its limit, of each resource.
const NAMES: [(&str, &str, &str); 3] = [
    ("memory", "container.memory.usage", "k8s.container.memory.limit"),
    ("fd", "process.unix.file_descriptor.count", "process_max_fds"),
    ("pool", "db.client.connection.count", "db.client.connection.max"),
];

/// Writes each recording of a folder as `<out>/<id>/metrics.jsonl.zst`; gives the folders.
///
/// # Errors
/// [`RecordingError`] names file and line.
pub fn export_exhaustion(folder: &Path, out: &Path) -> Result<Vec<PathBuf>, RecordingError> {
    let mut written = Vec::new();
    for label in read_labels::<ExhaustionLabel>(folder)? {
        let target = out.join(&label.id);
        let path = target.join("metrics.jsonl.zst");
        let requests = requests(folder, &label)?;
        let write = || -> Result<(), std::io::Error> {
            std::fs::create_dir_all(&target)?;
            let mut packed = zstd::Encoder::new(BufWriter::new(File::create(&path)?), ZSTD_LEVEL)?;
            for request in &requests {
                serde_json::to_writer(&mut packed, request)?;
                packed.write_all(b"\n")?;
            }
            packed.finish()?.flush()
        };
        write().map_err(|source| RecordingError::File { path: path.clone(), source })?;
        written.push(target);
    }
    Ok(written)
}

fn requests(
    folder: &Path,
    label: &ExhaustionLabel,
) -> Result<Vec<ExportMetricsServiceRequest>, RecordingError> {
    let usage = read_usage(folder, &label.id)?;
    let samples = usage.values().map(|usage| usage.values.len()).max().unwrap_or(0);
    let mut requests = Vec::with_capacity(samples);
    let mut version = 1;
    for nth in 0..samples {
        version += usage.values().map(|usage| usize::from(usage.restarts.contains(&nth))).max().unwrap_or(0);
        let at = ((label.start + nth as f64) * 1e9) as u64;
        let mut metrics = Vec::new();
        for (resource, used, limit) in NAMES {
            let Some(&(value, limit_value)) = usage.get(resource).and_then(|usage| usage.values.get(nth))
            else {
                continue;
            };
            if value.is_finite() && limit_value.is_finite() {
                metrics.push(gauge(used, at, value));
                metrics.push(gauge(limit, at, limit_value));
            }
        }
        let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
        let resource = Some(resource(&label.id, version));
        let of_pod = ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() };
        requests.push(ExportMetricsServiceRequest { resource_metrics: vec![of_pod] });
    }
    Ok(requests)
}

fn resource(id: &str, version: usize) -> Resource {
    let pod = format!("{id}-v{version}");
    Resource {
        attributes: vec![
            text("service.name", "worker".to_owned()),
            text("service.namespace", "oomrec".to_owned()),
            text("service.version", format!("v{version}")),
            text("service.instance.id", pod.clone()),
            text("k8s.pod.name", pod),
            text("k8s.node.name", "vm-1".to_owned()),
            text("deployment.environment.name", "recorded".to_owned()),
        ],
        ..Resource::default()
    }
}

fn gauge(name: &str, at: u64, value: f64) -> Metric {
    let is_pool = name == "db.client.connection.count";
    let attributes =
        if is_pool { vec![text("db.client.connection.state", "used".to_owned())] } else { Vec::new() };
    otlp::gauge(name, at, value, attributes)
}
