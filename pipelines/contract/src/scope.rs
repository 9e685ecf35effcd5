//! Who a statement is about.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The service (and version) that a statement is about. `tenant` comes from the token or the topic, never from
/// attributes; parts that the telemetry does not name are empty strings.
///
/// ```
/// let scope = contract::Scope {
///     tenant: "default".into(), cluster: "eu1".into(), environment: "production".into(),
///     namespace: "shop".into(), service: "cart".into(), ..Default::default()
/// };
/// assert_eq!(scope.key(), "default/eu1/production/shop/cart");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Scope {
    /// Whose data it is.
    pub tenant: String,
    /// `k8s.cluster.name`.
    pub cluster: String,
    /// `deployment.environment.name`.
    pub environment: String,
    /// `service.namespace`, or `k8s.namespace.name`.
    pub namespace: String,
    /// `service.name`.
    pub service: String,
    /// The suspect version (`service.version` or pod-template-hash).
    #[serde(default)]
    pub version: String,
    /// The version it is compared with.
    #[serde(default)]
    pub stable_version: String,
    /// The workload behind the service, where the telemetry names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<Workload>,
}

impl Scope {
    /// `tenant/cluster/environment/namespace/service`: record key, `partitionkey` and log field.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}/{}/{}/{}", self.tenant, self.cluster, self.environment, self.namespace, self.service)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key())
    }
}

/// A Kubernetes workload.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Workload {
    /// `Deployment`, `Rollout`, `StatefulSet`, …
    pub kind: String,
    /// Its name.
    pub name: String,
}
