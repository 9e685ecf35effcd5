//! The engine as a process: which parts run, how they are opened, watched and closed.
//!
//! What it does not do: judge (`wiring`), or parse arguments (`cli`).

mod checks;
mod embedded;
mod kafka;
mod metrics;
mod replay;
mod signals;
mod watch_health;

pub use checks::checks;
pub use replay::{Replayed, replay, replay_from};

use engine::error::EngineError;
use engine::runtime::{CoreConfig, LaneConfig};
use engine::time::watermark::WatermarkConfig;

use crate::config::Plan;

/// Runs until the process is asked to stop, or a part fails.
///
/// # Errors
/// The first error that trying again cannot mend.
pub fn run(plan: &Plan) -> Result<(), EngineError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|source| {
        EngineError::File { action: "start threads for", path: plan.data_dir.clone(), source }
    })?;
    runtime.block_on(async {
        match &plan.kafka {
            None => embedded::run(plan).await,
            Some(kafka) => kafka::run(plan, kafka).await,
        }
    })
}

/// What changes what a lane says, out of the plan.
#[must_use]
pub fn core_config(plan: &Plan) -> CoreConfig {
    let nanos = |secs: f64| (secs * 1e9) as i64;
    let start = WatermarkConfig::default().delay_start;
    let (least, largest) = (nanos(plan.time.lateness_secs_min), nanos(plan.time.lateness_secs_max));
    CoreConfig {
        watermark: WatermarkConfig {
            delay_min: least,
            delay_max: largest,
            delay_start: start.clamp(least, largest),
            interruption_max: nanos(plan.time.interruption_secs_max),
            skew_max: nanos(plan.time.skew_secs_max),
            ..WatermarkConfig::default()
        },
        checkpoint_secs: plan.checkpoint.every_secs as u32,
        ..CoreConfig::default()
    }
}

/// The lane's settings out of the plan.
#[must_use]
pub fn lane_config(plan: &Plan, name: &str) -> LaneConfig {
    LaneConfig { name: name.to_owned(), core: core_config(plan), ..LaneConfig::default() }
}
