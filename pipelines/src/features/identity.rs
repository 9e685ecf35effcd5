//! Resource attributes to the subject that a row is about.
//!
//! Promises: a function of the resource alone, whatever the order of attributes or requests; the cache only saves
//! work. What it does not do: guess a service for a host or a cluster; such resources have no subject.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use engine::batch::{AttributeValue, Attributes, Resource, ResourceId};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::row::{Arm, Pod, ServiceKey, Subject};

/// A subject with its digest, so that maps need not compare ten texts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Who {
    id: u128,
    /// The subject.
    pub(crate) subject: Arc<Subject>,
}

impl Who {
    pub(crate) fn new(subject: Subject) -> Self {
        let Subject { service, arm, pod } = &subject;
        let id = digest(&[
            &service.tenant,
            &service.cluster,
            &service.environment,
            &service.namespace,
            &service.service,
            &arm.version,
            &arm.template_hash,
            &arm.revision,
            &pod.id,
            &pod.name,
            &pod.node,
        ]);
        Self { id, subject: Arc::new(subject) }
    }
}

impl PartialEq for Who {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Who {}

impl Hash for Who {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl PartialOrd for Who {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Who {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id.cmp(&other.id)
    }
}

/// 128 bits over the parts, each with its length before it.
pub(crate) fn digest(parts: &[&str]) -> u128 {
    let mut hasher = Xxh3::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.digest128()
}

/// What a resource says about its sender.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Who.
    pub(crate) who: Who,
    /// Whether it names its service itself. Telemetry *about* a pod (kubelet, cluster receiver) does not, and is no
    /// sign of life of what runs inside.
    pub(crate) speaks: bool,
    /// `k8s.pod.uid`, with the tenant in the digest, to join what is said about a pod with what it says itself.
    pub(crate) pod_uid: Option<u128>,
    /// `k8s.container.restart_count`.
    pub(crate) restarts: Option<u64>,
    /// Whether `k8s.container.status.last_terminated_reason` is `OOMKilled`.
    pub(crate) oom_killed: bool,
}

impl Identity {
    /// Whether it says what service or workload it is about; else only the pod itself can.
    pub(crate) fn is_named(&self) -> bool {
        !self.who.subject.service.service.is_empty()
    }
}

/// Identities by resource; a full cache starts anew. Never walked, so that its order is of no account.
#[derive(Debug, Default)]
pub(crate) struct IdentityCache(HashMap<ResourceId, Option<Arc<Identity>>, FixedState>);

impl IdentityCache {
    /// Who the resource is; `None` if it names no service and no workload.
    pub(crate) fn identify(&mut self, resource: &Resource, cached_max: usize) -> Option<Arc<Identity>> {
        if let Some(known) = self.0.get(&resource.id) {
            return known.clone();
        }
        if self.0.len() >= cached_max {
            self.0.clear();
        }
        let identity = identity_of(resource, &resource.attributes).map(Arc::new);
        self.0.insert(resource.id, identity.clone());
        identity
    }
}

/// Names that stand in for `service.name` where the workload does not say it, in the order of the semantic
/// conventions for Kubernetes.
const WORKLOAD_NAMES: [&str; 9] = [
    "k8s.pod.annotation.resource.opentelemetry.io/service.name",
    "k8s.pod.label.app.kubernetes.io/instance",
    "k8s.pod.label.app.kubernetes.io/name",
    "k8s.deployment.name",
    "k8s.statefulset.name",
    "k8s.daemonset.name",
    "k8s.cronjob.name",
    "k8s.job.name",
    "k8s.replicaset.name",
];

/// Who the resource is, with `attributes` in place of its own (they may be overlaid by those of a point).
pub(crate) fn identity_of(resource: &Resource, attributes: &Attributes) -> Option<Identity> {
    let own = first_of(attributes, &["service.name"]);
    let speaks = own.is_some();
    let name = own.or_else(|| first_of(attributes, &WORKLOAD_NAMES))?;
    Some(Identity { speaks, ..identity_as(name, resource, attributes) })
}

/// Who a resource of this name is, as told by others.
fn identity_as(name: Arc<str>, resource: &Resource, attributes: &Attributes) -> Identity {
    let service = ServiceKey {
        tenant: Arc::clone(&resource.tenant),
        cluster: told(attributes, &["k8s.cluster.name"]),
        environment: told(attributes, &["deployment.environment.name", "deployment.environment"]),
        namespace: told(attributes, &["service.namespace", "k8s.namespace.name"]),
        service: name,
    };
    let arm = Arm {
        version: told(attributes, &["service.version", "k8s.pod.label.app.kubernetes.io/version"]),
        template_hash: template_hash(attributes),
        revision: told(attributes, &["vcs.ref.head.revision"]),
    };
    let pod_id = first_of(attributes, &["k8s.pod.uid", "service.instance.id", "k8s.pod.name", "host.name"])
        .unwrap_or_else(|| format!("{:032x}", resource.id.0).into());
    let pod = Pod {
        id: pod_id,
        name: told(attributes, &["k8s.pod.name"]),
        node: told(attributes, &["k8s.node.name"]),
    };
    let pod_uid = attributes.text("k8s.pod.uid").map(|uid| digest(&[&resource.tenant, uid]));
    let restarts = attributes
        .get("k8s.container.restart_count")
        .and_then(AttributeValue::as_int)
        .and_then(|n| u64::try_from(n).ok());
    let oom_killed = attributes.text("k8s.container.status.last_terminated_reason") == Some("OOMKilled");
    let who = Who::new(Subject { service, arm, pod });
    Identity { who, speaks: false, pod_uid, restarts, oom_killed }
}

/// Who a resource is that names a pod, but neither service nor workload, as those of the cluster and the kubelet receiver do:
/// it has no name until the pod itself says what it runs.
pub(crate) fn pod_of(resource: &Resource) -> Option<Identity> {
    let attributes = &resource.attributes;
    attributes.text("k8s.pod.uid").filter(|uid| !uid.is_empty())?;
    Some(identity_as("".into(), resource, attributes))
}

/// The first of the keys that is told and not empty.
pub(crate) fn first_of(attributes: &Attributes, keys: &[&str]) -> Option<Arc<str>> {
    keys.iter().find_map(|key| match attributes.get(key)? {
        AttributeValue::Text(text) if text.is_empty() => None,
        AttributeValue::Text(text) => Some(Arc::clone(text)),
        other => Some(other.to_string().into()),
    })
}

fn told(attributes: &Attributes, keys: &[&str]) -> Arc<str> {
    first_of(attributes, keys).unwrap_or_else(|| "".into())
}

/// A label, else the end of the replica set's name: `cart-7d9f8b6c5d` of the deployment `cart`.
fn template_hash(attributes: &Attributes) -> Arc<str> {
    let labels = ["k8s.pod.label.rollouts-pod-template-hash", "k8s.pod.label.pod-template-hash"];
    if let Some(label) = first_of(attributes, &labels) {
        return label;
    }
    let hash =
        attributes.text("k8s.replicaset.name").and_then(|name| name.rsplit_once('-')).map(|(_, hash)| hash);
    match hash {
        Some(hash) if (5..=10).contains(&hash.len()) && hash.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            hash.into()
        }
        _ => "".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(pairs: &[(&str, &str)]) -> Resource {
        let attributes =
            pairs.iter().map(|(k, v)| ((*k).into(), AttributeValue::Text((*v).into()))).collect::<Vec<_>>();
        Resource { id: ResourceId(7), tenant: "t".into(), attributes: Attributes::new(attributes) }
    }

    fn check(pairs: &[(&str, &str)], expected: [&str; 7], speaks: bool) {
        let resource = resource(pairs);
        let identity = identity_of(&resource, &resource.attributes).unwrap();
        let Subject { service, arm, pod } = &*identity.who.subject;
        let found = [
            &*service.environment,
            &service.namespace,
            &service.service,
            &arm.version,
            &arm.template_hash,
            &arm.revision,
            &pod.id,
        ];
        assert_eq!((found, identity.speaks), (expected, speaks), "{pairs:?}");
    }

    /// Scenario: resources as SDKs, the Kubernetes processor and the kubelet receiver write them, new names and old.
    /// Guarantees: every fallback of the row's documentation, in its order.
    #[test]
    fn fallbacks_are_taken_in_order() {
        check(
            &[("service.name", "cart"), ("service.namespace", "shop"), ("k8s.namespace.name", "prod-shop")],
            ["", "shop", "cart", "", "", "", "00000000000000000000000000000007"],
            true,
        );
        check(
            &[
                ("service.name", "cart"),
                ("service.version", "2.0"),
                ("deployment.environment", "staging"),
                ("k8s.namespace.name", "shop"),
                ("k8s.replicaset.name", "cart-7d9f8b6c5d"),
                ("vcs.ref.head.revision", "abc"),
                ("service.instance.id", "i-1"),
                ("host.name", "node"),
            ],
            ["staging", "shop", "cart", "2.0", "7d9f8b6c5d", "abc", "i-1"],
            true,
        );
        check(
            &[
                ("k8s.deployment.name", "cart"),
                ("k8s.pod.uid", "u-1"),
                ("k8s.pod.name", "cart-1"),
                ("k8s.pod.label.pod-template-hash", "aaaaa"),
                ("k8s.pod.label.rollouts-pod-template-hash", "bbbbb"),
            ],
            ["", "", "cart", "", "bbbbb", "", "u-1"],
            false,
        );
        let host = resource(&[("host.name", "node-1")]);
        assert!(identity_of(&host, &host.attributes).is_none());
    }
}
