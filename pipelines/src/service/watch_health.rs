//! Looks at the parts once a second and says how they are.

use std::time::Duration;

use engine::runtime::LaneStatus;
use engine::telemetry::{
    Liveness, LivenessVerdict, Metric, Port, PortFacts, STALL_LIMIT_SECS, Telemetry, readiness,
};
use engine::time::clock::Clock;
use tokio::sync::watch;

use super::metrics::JudgeMetrics;
use crate::api::Health;
use crate::wiring::JudgeReport;

/// What is looked at.
pub(crate) struct Watched<W> {
    /// Records that wait to be read.
    pub(crate) waiting: W,
    pub(crate) lane: watch::Receiver<LaneStatus>,
    pub(crate) report: watch::Receiver<JudgeReport>,
    pub(crate) health: watch::Sender<Health>,
    pub(crate) clock: Clock,
    pub(crate) telemetry: Telemetry,
}

/// Looks until dropped. `refusal` tells why appends fail, if they do.
pub(crate) async fn watch_health<W: Fn(&LaneStatus) -> u64>(
    watched: Watched<W>,
    refusal: impl Fn() -> Option<String>,
) {
    let Watched { waiting, lane, report, health, clock, telemetry } = watched;
    let mut liveness = Liveness::new(clock.now(), STALL_LIMIT_SECS);
    let mut metrics = JudgeMetrics::default();
    let lag = telemetry.gauge(Metric::WatermarkLag, &["all"]);
    loop {
        let status = *lane.borrow();
        if status.restored {
            metrics.take(&report.borrow(), &telemetry);
        }
        if let (Some(log_clock), Some(watermark)) = (status.log_clock, status.watermark) {
            lag.set((log_clock - watermark) as f64 / 1e9);
        }
        let dead = match liveness.observe(clock.now(), waiting(&status), status.records) {
            LivenessVerdict::Alive => None,
            other => Some(format!("{other:?}")),
        };
        let facts = PortFacts { append_refusal: refusal(), restored: status.restored, stopping: false };
        let trouble = |port| readiness(port, &facts).err();
        health.send_replace(Health { dead, otlp: trouble(Port::Otlp), api: trouble(Port::Api) });
        clock.sleep(Duration::from_secs(1)).await;
    }
}
