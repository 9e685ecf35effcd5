//! What happens to the shop, and when: good releases, then a fault or a decoy.
//!
//! Promises: pure; the story is a function of fault, seed and pace. Before any fault there are good releases, one of
//! them of the service that will fail, so that a good one and a bad one can be told apart. It does not carry out
//! anything.

use std::str::FromStr;

use crate::shop::{BASE_ERROR_SHARE, Behaviour, BrokenBuilds, Chance, Disturbance, SERVICES, service_named};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A version that fails 15 % of its requests.
    ErrorBurst,
    /// A version that takes 1.5 times as long.
    Latency,
    /// A version that takes memory and never gives it back.
    MemoryLeak,
    /// A version whose process ends right after its start.
    CrashLoop,
    /// The same version with a setting that makes it fail.
    BadConfig,
    /// Decoy: ten times the load, right after a good release.
    TrafficPeak,
    /// Decoy: the shared database is slow and failing, right after a good release of one of its callers.
    SharedDatabase,
    /// Nothing at all.
    None,
}

/// Every fault with its name on the command line.
const NAMES: [(&str, Fault); 8] = [
    ("error-burst", Fault::ErrorBurst),
    ("latency", Fault::Latency),
    ("memory-leak", Fault::MemoryLeak),
    ("crash-loop", Fault::CrashLoop),
    ("bad-config", Fault::BadConfig),
    ("traffic-peak", Fault::TrafficPeak),
    ("shared-database", Fault::SharedDatabase),
    ("none", Fault::None),
];

impl Fault {
    /// Its name on the command line and in the summary.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, fault)| *fault == self).map_or("none", |(name, _)| name)
    }

    /// Whether a revert is right.
    #[must_use]
    pub const fn is_real(self) -> bool {
        matches!(
            self,
            Self::ErrorBurst | Self::Latency | Self::MemoryLeak | Self::CrashLoop | Self::BadConfig
        )
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
        let found = NAMES.iter().find(|(name, _)| *name == text);
        found
            .map(|(_, fault)| *fault)
            .ok_or_else(|| format!("fault {text} is not known, choose one of {}", names.join(", ")))
    }
}

/// A commit that a developer makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Index of the service.
    pub service: usize,
    /// New version; `None` keeps it.
    pub version: Option<String>,
    /// Setting that changes.
    pub setting: Option<(String, String)>,
    /// Who.
    pub author: &'static str,
    /// Message of the commit.
    pub message: String,
}

/// Something that happens at a time.
#[derive(Debug, Clone, PartialEq)]
pub enum Cue {
    /// A good release.
    Release(Change),
    /// The change that must be reverted.
    BadChange(Change),
    /// The world changes, whatever was deployed.
    Disturb(Disturbance),
}

/// The whole story of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    /// What goes wrong.
    pub fault: Fault,
    /// The service that the fault (or the decoy's release) is about.
    pub service: usize,
    /// Seconds after the start, in order.
    pub cues: Vec<(f64, Cue)>,
    /// Images that are broken.
    pub broken: BrokenBuilds,
    /// For decoys and healthy runs: seconds after the start when the run ends.
    pub ends_at_secs: f64,
    /// For faults: seconds after the bad change within which all must be well again.
    pub patience_secs: f64,
}

/// How long the phases take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Healthy seconds before the fault.
    pub healthy_secs: f64,
    /// Seconds that a decoy lasts.
    pub decoy_secs: f64,
    /// Seconds in which a leak takes what is left of a container's memory.
    pub leak_secs: f64,
}

/// Seconds that the engine and the actuator get for a revert and the shop for its recovery.
const PATIENCE_SECS: f64 = 90.0;
/// Services with enough traffic to fail visibly, as targets.
const TARGETS: [&str; 5] = ["catalog", "pricing", "recommendation", "cart", "inventory"];
/// Callers of the shared database.
const CALLERS: [&str; 4] = ["catalog", "cart", "inventory", "pricing"];

impl Story {
    /// Writes the story.
    #[must_use]
    pub fn write(fault: Fault, seed: u64, pace: Pace) -> Self {
        let mut chance = Chance::new(seed, 53);
        let names: &[&str] = if fault == Fault::SharedDatabase { &CALLERS } else { &TARGETS };
        let service = names.get(chance.below(names.len())).and_then(|name| service_named(name)).unwrap_or(3);
        let healthy = pace.healthy_secs;
        let others: Vec<usize> = (0..SERVICES.len()).filter(|other| *other != service).collect();
        let other = others.get(chance.below(others.len())).copied().unwrap_or(0);
        let mut cues = vec![
            (healthy * 0.25, Cue::Release(release(service, 1, "alex"))),
            (healthy * 0.4, Cue::Release(release(other, 1, "kim"))),
        ];
        let mut broken = BrokenBuilds::default();
        let mut ends_at_secs = healthy + pace.decoy_secs;
        // A decoy's release comes shortly before it: in the middle of the rollout, or just after.
        let lead_secs = (8.0 + chance.unit() * 32.0).min(healthy * 0.5);
        let before = (healthy - lead_secs, Cue::Release(release(service, 2, "dev")));
        match fault {
            Fault::None => {}
            Fault::TrafficPeak | Fault::SharedDatabase => {
                cues.push(before);
                cues.push((healthy, Cue::Disturb(disturbance(fault))));
                cues.push((ends_at_secs, Cue::Disturb(Disturbance::NONE)));
                ends_at_secs += (pace.decoy_secs * 0.4).max(10.0);
            }
            _ => {
                let change = bad_change(fault, service);
                if let (Some(version), Some(behaviour)) = (&change.version, broken_build(fault, pace)) {
                    broken.add(service, version, behaviour);
                }
                cues.push((healthy, Cue::BadChange(change)));
            }
        }
        cues.sort_by(|a, b| a.0.total_cmp(&b.0));
        // a leak is known when it has gone on for a while, not before
        let patience_secs = PATIENCE_SECS + if fault == Fault::MemoryLeak { pace.leak_secs } else { 0.0 };
        Self { fault, service, cues, broken, ends_at_secs, patience_secs }
    }

    /// Name of the service that the story is about.
    #[must_use]
    pub fn service_name(&self) -> &'static str {
        SERVICES.get(self.service).map_or("unknown", |service| service.name)
    }
}

fn broken_build(fault: Fault, pace: Pace) -> Option<Behaviour> {
    let healthy = Behaviour { faulty: true, ..Behaviour::default() };
    match fault {
        Fault::ErrorBurst => Some(Behaviour { error_share: BASE_ERROR_SHARE + 0.15, ..healthy }),
        Fault::Latency => Some(Behaviour { latency_factor: 1.5, ..healthy }),
        // a warm pod leaves half of its limit free
        Fault::MemoryLeak => Some(Behaviour { leak_per_sec: 0.5 / pace.leak_secs, ..healthy }),
        Fault::CrashLoop => Some(Behaviour { crashes: true, ..healthy }),
        _ => None,
    }
}

fn disturbance(fault: Fault) -> Disturbance {
    if fault == Fault::TrafficPeak {
        Disturbance { load_factor: 10.0, ..Disturbance::NONE }
    } else {
        Disturbance { database_latency_factor: 6.0, database_error_share: 0.12, ..Disturbance::NONE }
    }
}

fn release(service: usize, n: u32, author: &'static str) -> Change {
    let (name, version) = next_version(service, n);
    let message = format!(
        "{name}: release {version}\n\nDependency updates and a smaller image. Load-tested in staging.\n"
    );
    Change { service, version: Some(version), setting: None, author, message }
}

fn bad_change(fault: Fault, service: usize) -> Change {
    let (name, version) = next_version(service, 2);
    let (version, setting, message) = match fault {
        Fault::BadConfig => {
            let setting = Some(("UPSTREAM_TIMEOUT_MS".to_owned(), "20".to_owned()));
            (
                None,
                setting,
                format!("{name}: fail fast on slow upstreams\n\nLower the timeout from 2 s to 20 ms.\n"),
            )
        }
        Fault::Latency => {
            let why = "Compute discounts per item instead of per basket.";
            (Some(version.clone()), None, format!("{name}: release {version}\n\n{why}\n"))
        }
        Fault::MemoryLeak => {
            let why = "Keep parsed answers for later requests.";
            (Some(version.clone()), None, format!("{name}: release {version}\n\n{why}\n"))
        }
        Fault::CrashLoop => {
            let why = "Read the licence key from the new secret.";
            (Some(version.clone()), None, format!("{name}: release {version}\n\n{why}\n"))
        }
        _ => {
            let why = "Rewrite the cache lookup without the lock.";
            (Some(version.clone()), None, format!("{name}: release {version}\n\n{why}\n"))
        }
    };
    Change { service, version, setting, author: "dev", message }
}

/// The service's name and its starting version with the last number raised by `n`.
fn next_version(service: usize, n: u32) -> (&'static str, String) {
    let Some(spec) = SERVICES.get(service) else { return ("unknown", n.to_string()) };
    let (head, last) = spec.version.rsplit_once('.').unwrap_or((spec.version, "0"));
    (spec.name, format!("{head}.{}", last.parse::<u32>().unwrap_or(0) + n))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { healthy_secs: 75.0, decoy_secs: 60.0, leak_secs: 150.0 };

    /// Scenario: all names of faults, and names that are none.
    /// Guarantees: they come back; unknown ones say what can be chosen.
    #[test]
    fn faults_have_names() {
        for (name, fault) in NAMES {
            assert_eq!(name.parse::<Fault>().unwrap(), fault);
            assert_eq!(fault.name(), name);
        }
        assert!("fire".parse::<Fault>().unwrap_err().contains("crash-loop"));
    }

    /// Scenario: stories of all faults under many seeds.
    /// Guarantees: in order; a fault has exactly one bad change after good releases, one of them of the same
    /// service; a decoy has none, and a good release of its service shortly before; seeds choose different services.
    #[test]
    fn stories_keep_their_rules() {
        let mut services = std::collections::BTreeSet::new();
        for (_, fault) in NAMES {
            for seed in 0..40 {
                let story = Story::write(fault, seed, PACE);
                assert_eq!(story, Story::write(fault, seed, PACE));
                services.insert(story.service);
                assert!(story.cues.is_sorted_by(|a, b| a.0 <= b.0));
                let n_bad = story.cues.iter().filter(|(_, cue)| matches!(cue, Cue::BadChange(_))).count();
                assert_eq!(n_bad, usize::from(fault.is_real()));
                let good_at: Vec<f64> = story
                    .cues
                    .iter()
                    .filter(|(_, cue)| matches!(cue, Cue::Release(change) if change.service == story.service))
                    .map(|(at, _)| *at)
                    .collect();
                assert!(good_at.iter().any(|at| *at < PACE.healthy_secs));
                if matches!(fault, Fault::TrafficPeak | Fault::SharedDatabase) {
                    let last = good_at.last().unwrap();
                    assert!((8.0..=40.0).contains(&(PACE.healthy_secs - last)), "{last}");
                }
            }
        }
        assert!(services.len() >= 4);
    }
}
