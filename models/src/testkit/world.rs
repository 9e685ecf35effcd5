//! What a simulated rollout looks like: its noise, traffic, telemetry and the harm the release does.

use crate::sequential::OwnTime;

/// How telemetry varies although nothing is wrong with the release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noise {
    /// Independent requests.
    Iid,
    /// Slow waves of errors that all pods share.
    Common,
    /// Waves and clumps of errors per pod, on top of shared ones.
    Idio,
    /// Pods differ for good, by 10 % (and share waves).
    Het10,
    /// Pods differ for good, by 20 % (and share waves).
    Het20,
    /// One outage of 20 s: 30 % errors and slow requests everywhere.
    Outage,
    /// Three storms of retries, 30 s each: thrice the traffic, twenty times the errors, uneven over pods.
    Retry,
    /// One control pod is ill: ten times the errors, slow.
    SickControl,
    /// One canary pod stands on a slow node.
    SickNode,
    /// The canary is slow while it is young, on some deploys more than on others; this many earlier deploys taught how
    /// much.
    Warm(u32),
    /// No errors at all.
    Zero,
}

/// How traffic is shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weights {
    /// 5 % to one canary pod.
    Fixed,
    /// 5, 20, then 50 % to one canary pod, ten minutes each.
    Steps,
    /// Every pod the same, one canary pod.
    Equal,
    /// 20 % to four canary pods.
    FourPods,
}

/// What the release does to its own pods.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Harm {
    /// Added error rate.
    pub error_rate: f64,
    /// Factor on the latency of every request.
    pub latency: f64,
    /// Factor on the p99 alone.
    pub p99: f64,
    /// Seconds from the release to its start.
    pub from_secs: i64,
}

impl Harm {
    /// An honest release.
    pub const NONE: Self = Self { error_rate: 0.0, latency: 1.0, p99: 1.0, from_secs: 0 };
}

/// A rollout to be simulated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct World {
    /// Noise of telemetry.
    pub noise: Noise,
    /// Requests per second over both arms; the load swings by 30 %.
    pub rps: f64,
    /// Error rate without harm.
    pub base_error_rate: f64,
    /// Control pods.
    pub controls: u32,
    /// Share of the canary.
    pub weights: Weights,
    /// 1: aligned events; more: cumulative exports, each pod in its own phase.
    pub export_secs: u32,
    /// Whether requests tell how long they took in the service itself (on events only). Here that is all of their time.
    pub own_time: OwnTime,
    /// The release's harm.
    pub harm: Harm,
}

impl World {
    /// An honest release: 5 % of 500 requests per second on events, 19 control pods, 0.5 % errors.
    #[must_use]
    pub fn honest(noise: Noise) -> Self {
        Self {
            noise,
            rps: 500.0,
            base_error_rate: if noise == Noise::Zero { 0.0 } else { 0.005 },
            controls: 19,
            weights: Weights::Fixed,
            export_secs: 1,
            own_time: OwnTime::Untold,
            harm: Harm::NONE,
        }
    }

    /// Canary pods.
    #[must_use]
    pub fn canaries(&self) -> u32 {
        if self.weights == Weights::FourPods { 4 } else { 1 }
    }

    /// The canary's share of the traffic so long after the release; none before it.
    #[must_use]
    pub fn canary_share(&self, secs: i64) -> f64 {
        match self.weights {
            _ if secs < 0 => 0.0,
            Weights::Fixed => 0.05,
            Weights::FourPods => 0.2,
            Weights::Equal => 1.0 / (f64::from(self.controls) + 1.0),
            Weights::Steps => match secs {
                ..600 => 0.05,
                600..1200 => 0.2,
                _ => 0.5,
            },
        }
    }
}
