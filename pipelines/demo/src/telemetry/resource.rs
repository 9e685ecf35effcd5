//! Who speaks: the resource of a pod, by the stable names of the semantic conventions.

use opentelemetry_proto::tonic::resource::v1::Resource;

use super::attribute::{number, text};
use crate::shop::{Pod, SERVICES};

/// `service.namespace` of everything in the shop.
pub(crate) const NAMESPACE: &str = "shop";
/// `k8s.cluster.name`.
pub(crate) const CLUSTER: &str = "demo";
/// `deployment.environment.name`.
pub(crate) const ENVIRONMENT: &str = "production";

/// The resource that a pod's own SDK and the cluster's agent agree on.
pub(crate) fn resource_of(pod: &Pod) -> Resource {
    let spec = SERVICES.get(pod.template.service);
    let service = spec.map_or("unknown", |spec| spec.name);
    let hash = &pod.template.hash;
    let mut attributes = vec![
        text("service.name", service),
        text("service.namespace", NAMESPACE),
        text("service.version", &pod.template.version),
        text("service.instance.id", format!("{NAMESPACE}.{}.{service}", pod.name)),
        text("deployment.environment.name", ENVIRONMENT),
        text("k8s.cluster.name", CLUSTER),
        text("k8s.namespace.name", NAMESPACE),
        text("k8s.node.name", &pod.node),
        text("k8s.deployment.name", service),
        text("k8s.replicaset.name", format!("{service}-{hash}")),
        text("k8s.pod.name", &pod.name),
        text("k8s.pod.uid", &pod.uid),
        text("k8s.pod.label.pod-template-hash", hash),
        text("k8s.container.name", service),
        number("k8s.container.restart_count", i64::from(pod.restarts)),
        text("telemetry.sdk.language", "rust"),
    ];
    if spec.is_some_and(|spec| spec.tells_revision) && !pod.revision.is_empty() {
        attributes.push(text("vcs.ref.head.revision", &*pod.revision));
    }
    Resource { attributes, ..Resource::default() }
}

/// What the agent on the node knows of a pod: nothing of the service in it.
pub(crate) fn node_resource_of(pod: &Pod) -> Resource {
    let service = SERVICES.get(pod.template.service).map_or("unknown", |spec| spec.name);
    let attributes = vec![
        text("k8s.deployment.name", service),
        text("k8s.cluster.name", CLUSTER),
        text("deployment.environment.name", ENVIRONMENT),
        text("k8s.namespace.name", NAMESPACE),
        text("k8s.node.name", &pod.node),
        text("k8s.pod.name", &pod.name),
        text("k8s.pod.uid", &pod.uid),
    ];
    Resource { attributes, ..Resource::default() }
}
