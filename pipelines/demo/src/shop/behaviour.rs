//! How a version behaves, and what disturbs the whole shop.
//!
//! Promises: a pure function of what the manifest says (image tag and environment) and of how the image was built.
//! The faults of the demo are facts about images and settings; it does not know when a fault begins.

use std::collections::BTreeMap;

use super::Template;

/// How pods of one template behave.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Behaviour {
    /// Share of requests that fail by the service's own doing.
    pub error_share: f64,
    /// Factor on its own time.
    pub latency_factor: f64,
    /// Whether the process ends right after it starts.
    pub crashes: bool,
    /// Memory that it takes and never gives back, in parts of the limit a second.
    pub leak_per_sec: f64,
    /// Whether this is one of the demo's faults.
    pub faulty: bool,
}

/// The base error share of a healthy version.
pub const BASE_ERROR_SHARE: f64 = 0.003;

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            error_share: BASE_ERROR_SHARE,
            latency_factor: 1.0,
            crashes: false,
            leak_per_sec: 0.0,
            faulty: false,
        }
    }
}

/// What disturbs everybody, whatever was deployed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Disturbance {
    /// Factor on the front traffic.
    pub load_factor: f64,
    /// Factor on the database's own time.
    pub database_latency_factor: f64,
    /// Share of the database's requests that fail.
    pub database_error_share: f64,
}

impl Disturbance {
    /// Nothing out of the ordinary.
    pub const NONE: Self = Self { load_factor: 1.0, database_latency_factor: 1.0, database_error_share: 0.0 };
}

/// The images that were built from a broken source: the one thing that a manifest does not tell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BrokenBuilds(BTreeMap<(usize, String), Behaviour>);

impl BrokenBuilds {
    /// Notes that this version of the service is broken, and how.
    pub fn add(&mut self, service: usize, version: &str, behaviour: Behaviour) {
        self.0.insert((service, version.to_owned()), Behaviour { faulty: true, ..behaviour });
    }
}

/// Upstream timeouts below this are exceeded by a good part of the calls.
const TIMEOUT_MS_MIN: f64 = 100.0;

/// The behaviour of a template.
#[must_use]
pub fn behaviour_of(template: &Template, broken: &BrokenBuilds) -> Behaviour {
    match broken.0.get(&(template.service, template.version.clone())) {
        Some(behaviour) => *behaviour,
        None if timeout_ms(&template.env) < TIMEOUT_MS_MIN => {
            Behaviour { error_share: 0.2, faulty: true, ..Behaviour::default() }
        }
        None => Behaviour::default(),
    }
}

fn timeout_ms(env: &BTreeMap<String, String>) -> f64 {
    env.get("UPSTREAM_TIMEOUT_MS").and_then(|value| value.parse().ok()).unwrap_or(f64::INFINITY)
}
