//! What leaves the pods, read back as a receiver would.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use prost::Message;

use super::*;
use crate::shop::{Behaviour, BrokenBuilds, Disturbance, Fleet, SECOND, SERVICES, Shop, Template};

const NOON: i64 = 1_795_521_600 * SECOND;
const EVERY: Intervals = Intervals { spans: 2 * SECOND, lines: SECOND, metrics: 5 * SECOND, memory: SECOND };

fn template(service: usize, version: &str) -> Arc<Template> {
    Arc::new(Template { service, version: version.to_owned(), env: BTreeMap::new(), hash: "5d4f".to_owned() })
}

fn run(seed: u64, secs: i64) -> (Vec<Batch>, usize, Fleet) {
    let mut broken = BrokenBuilds::default();
    broken.add(4, "bad", Behaviour { crashes: true, ..Behaviour::default() });
    let mut fleet = Fleet::new(seed, broken);
    for (service, spec) in SERVICES.iter().enumerate() {
        for _ in 0..spec.replicas {
            fleet.create(&template(service, spec.version), &Arc::from("c0ffee"), NOON, true);
        }
    }
    fleet.create(&template(4, "bad"), &Arc::from("bad0"), NOON, false);
    let (mut shop, mut outbox) = (Shop::new(seed, 40.0, NOON), Outbox::new(seed, EVERY));
    let (mut batches, mut n_spans) = (Vec::new(), 0);
    let tick = SECOND / 10;
    for n in 0..secs * 10 {
        let (from, to) = (NOON + n * tick, NOON + (n + 1) * tick);
        let step = shop.step(from, to, &fleet, Disturbance::NONE);
        n_spans += step.spans.len();
        outbox.take(step, &fleet, to);
        batches.extend(outbox.due(&fleet, to));
    }
    assert_eq!(outbox.dropped(), 0);
    // Everybody leaves: what is under way is said when it ends.
    let ids: Vec<u32> = fleet.pods().map(|pod| pod.id).collect();
    let end = NOON + secs * SECOND;
    ids.into_iter().for_each(|id| fleet.end(id, end));
    batches.extend(outbox.due(&fleet, end));
    batches.extend(outbox.due(&fleet, end + 20 * SECOND));
    assert!(outbox.due(&fleet, end + 40 * SECOND).is_empty());
    (batches, n_spans, fleet)
}

/// Scenario: twelve seconds of traffic, twice with one seed.
/// Guarantees: the same bytes in the same order.
#[test]
fn the_same_seed_gives_the_same_bytes() {
    assert_eq!(run(5, 12).0, run(5, 12).0);
}

/// Scenario: twelve seconds of traffic, then all pods leave.
/// Guarantees: every span leaves exactly once, under the resource of its pod with the names that readers rely on.
#[test]
fn no_span_is_lost() {
    let (batches, n_spans, fleet) = run(6, 12);
    let mut ids = BTreeSet::new();
    for batch in batches.iter().filter(|batch| batch.kind == SignalKind::Traces) {
        let request = ExportTraceServiceRequest::decode(batch.message.as_slice()).unwrap();
        for resource_spans in &request.resource_spans {
            let keys: BTreeSet<&str> =
                resource_spans.resource.as_ref().unwrap().attributes.iter().map(|a| a.key.as_str()).collect();
            for key in ["service.name", "service.version", "k8s.pod.uid", "k8s.pod.label.pod-template-hash"] {
                assert!(keys.contains(key), "{key}");
            }
            let service = fleet.pod(batch.pod).unwrap().template.service;
            assert_eq!(keys.contains("vcs.ref.head.revision"), SERVICES[service].tells_revision);
            for span in resource_spans.scope_spans.iter().flat_map(|scope| &scope.spans) {
                assert!(ids.insert(span.span_id.clone()));
            }
        }
    }
    assert_eq!(ids.len(), n_spans);
}

/// Scenario: twelve seconds with a pod in a crash loop.
/// Guarantees: it says nothing itself; the cluster's agent says that it restarts; all other pods report cumulative
/// histograms that only grow.
#[test]
fn silence_is_seen_only_by_the_agent() {
    let (batches, _, fleet) = run(7, 12);
    let silent = fleet.pods().find(|pod| pod.behaviour.crashes).unwrap().id;
    assert!(batches.iter().all(|batch| batch.pod != silent || batch.kind == SignalKind::Metrics));
    let mut names = BTreeMap::<u32, BTreeSet<String>>::new();
    let mut counts = BTreeMap::<(u32, String), u64>::new();
    for batch in batches.iter().filter(|batch| batch.kind == SignalKind::Metrics) {
        let request = ExportMetricsServiceRequest::decode(batch.message.as_slice()).unwrap();
        let metrics = request.resource_metrics.iter().flat_map(|r| &r.scope_metrics).flat_map(|s| &s.metrics);
        for metric in metrics {
            names.entry(batch.pod).or_default().insert(metric.name.clone());
            let Some(Data::Histogram(histogram)) = &metric.data else { continue };
            for point in &histogram.data_points {
                let seen = counts.entry((batch.pod, format!("{:?}", point.attributes))).or_default();
                assert!(point.count >= *seen);
                assert_eq!(point.count, point.bucket_counts.iter().sum::<u64>());
                *seen = point.count;
            }
        }
    }
    let of_agent = [
        "k8s.container.ready",
        "k8s.container.restarts",
        "k8s.container.memory_limit",
        "container.memory.working_set",
    ];
    let of_agent: BTreeSet<String> = of_agent.map(str::to_owned).into();
    assert_eq!(names.get(&silent), Some(&of_agent));
    assert!(names.iter().filter(|(id, _)| **id != silent).all(|(_, names)| names.len() == 7));
}
