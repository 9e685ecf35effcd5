//! `apps/<service>/deployment.yaml`: what a service should run.
//!
//! Promises: what is rendered is parsed back the same; a manifest that cannot be read is an error that names the file.
//! It reads the few fields that the simulation honours and leaves the rest alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

use crate::DemoError;

/// What the demo takes from a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// `metadata.name`.
    pub service: String,
    /// Tag of the image.
    pub version: String,
    /// `spec.replicas`.
    pub replicas: u32,
    /// Environment of the container.
    pub env: BTreeMap<String, String>,
}

/// Path of a service's manifest inside the repository.
#[must_use]
pub fn manifest_path(service: &str) -> String {
    format!("apps/{service}/deployment.yaml")
}

/// `pod-template-hash`: ten hex digits over everything that makes the pod.
#[must_use]
pub fn template_hash(manifest: &Manifest) -> String {
    let env: Vec<String> = manifest.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let id = contract::content_id(&["template", &manifest.service, &manifest.version, &env.join("\n")]);
    id.chars().take(10).collect()
}

/// Writes a manifest.
#[must_use]
pub fn render(manifest: &Manifest) -> String {
    let Manifest { service, version, replicas, env } = manifest;
    let mut text = format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {service}\n  namespace: shop\n\
         spec:\n  replicas: {replicas}\n  selector:\n    matchLabels:\n      app.kubernetes.io/name: {service}\n\
         \x20 template:\n    metadata:\n      labels:\n        app.kubernetes.io/name: {service}\n\
         \x20   spec:\n      containers:\n        - name: {service}\n          image: shop.example/{service}:{version}\n"
    );
    if !env.is_empty() {
        text.push_str("          env:\n");
    }
    for (name, value) in env {
        write!(text, "            - name: {name}\n              value: \"{value}\"\n")
            .expect("writing to a string never fails");
    }
    text
}

/// Reads a manifest.
///
/// # Errors
/// [`DemoError::Manifest`] if it is not YAML, has no container, or its image has no tag.
pub fn parse(path: &str, text: &str) -> Result<Manifest, DemoError> {
    let fault = |why: String| DemoError::Manifest { path: path.to_owned(), why };
    let raw: RawDeployment = serde_saphyr::from_str(text).map_err(|e| fault(e.to_string()))?;
    let container = raw.spec.template.spec.containers.into_iter().next();
    let container = container.ok_or_else(|| fault("has no container, must have one".to_owned()))?;
    let version = container.image.rsplit_once(':').map(|(_, tag)| tag.to_owned());
    let version =
        version.ok_or_else(|| fault(format!("image {} has no tag, must be name:tag", container.image)))?;
    let env = container.env.into_iter().map(|entry| (entry.name, entry.value)).collect();
    Ok(Manifest { service: raw.metadata.name, version, replicas: raw.spec.replicas, env })
}

#[derive(Deserialize)]
struct RawDeployment {
    metadata: RawMetadata,
    spec: RawSpec,
}

#[derive(Deserialize)]
struct RawMetadata {
    name: String,
}

#[derive(Deserialize)]
struct RawSpec {
    replicas: u32,
    template: RawTemplate,
}

#[derive(Deserialize)]
struct RawTemplate {
    spec: RawPodSpec,
}

#[derive(Deserialize)]
struct RawPodSpec {
    containers: Vec<RawContainer>,
}

#[derive(Deserialize)]
struct RawContainer {
    image: String,
    #[serde(default)]
    env: Vec<RawEnv>,
}

#[derive(Deserialize)]
struct RawEnv {
    name: String,
    value: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pricing() -> Manifest {
        Manifest {
            service: "pricing".to_owned(),
            version: "1.9.3".to_owned(),
            replicas: 4,
            env: BTreeMap::from([("UPSTREAM_TIMEOUT_MS".to_owned(), "2000".to_owned())]),
        }
    }

    /// Scenario: a manifest with and without environment is written and read.
    /// Guarantees: nothing is lost; the hash follows version and environment, not the number of replicas.
    #[test]
    fn manifests_come_back() {
        let full = pricing();
        let bare = Manifest { env: BTreeMap::new(), ..pricing() };
        for manifest in [&full, &bare] {
            assert_eq!(parse("a", &render(manifest)).unwrap(), *manifest);
        }
        assert_ne!(template_hash(&full), template_hash(&bare));
        assert_eq!(template_hash(&full), template_hash(&Manifest { replicas: 9, ..pricing() }));
        assert_ne!(
            template_hash(&full),
            template_hash(&Manifest { version: "1.9.4".to_owned(), ..pricing() })
        );
    }

    /// Scenario: manifests with something missing.
    /// Guarantees: the error names the file and the way out.
    #[test]
    fn bad_manifests_say_why() {
        let without_tag = render(&pricing()).replace(":1.9.3", "");
        let why = parse("apps/pricing/deployment.yaml", &without_tag).unwrap_err().to_string();
        assert!(why.contains("apps/pricing/deployment.yaml") && why.contains("must be name:tag"), "{why}");
        assert!(parse("x", "spec: [").is_err());
    }
}
