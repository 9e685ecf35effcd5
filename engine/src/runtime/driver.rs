//! Keeps a lane running: starts it, starts it again from its checkpoint when something outside failed, and stops it
//! for good when a promise is broken.
//!
//! What this module does not do: know what a lane is made of; a function makes the parts for each start.

use std::time::Duration;

use tokio::sync::watch;

use crate::error::{EngineError, Retry};
use crate::operator::Operator;
use crate::runtime::decode::Decode;
use crate::runtime::lane::{LaneConfig, LaneEnd, LaneParts, run_lane};
use crate::runtime::shutdown::Stop;
use crate::runtime::status::LaneStatus;
use crate::sink::{DeadLetters, Sink};
use crate::source::{ResumeAt, Source};
use crate::telemetry::Telemetry;
use crate::time::clock::Clock;

/// How long to wait before a lane is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// At most.
    pub longest: Duration,
    /// A lane that made progress for so long begins with `first` again.
    pub forgiven_after: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(200),
            longest: Duration::from_secs(15),
            forgiven_after: Duration::from_secs(60),
        }
    }
}

impl Backoff {
    /// The wait after the failure of this number, counting from 0.
    #[must_use]
    pub fn wait(&self, failures: u32) -> Duration {
        self.first.saturating_mul(1_u32.checked_shl(failures.min(31)).unwrap_or(u32::MAX)).min(self.longest)
    }
}

/// Runs one lane until it ends.
#[derive(Debug)]
pub struct Driver {
    config: LaneConfig,
    backoff: Backoff,
    clock: Clock,
    telemetry: Telemetry,
    status: watch::Sender<LaneStatus>,
}

impl Driver {
    /// A driver; the clock is for waiting between two starts.
    #[must_use]
    pub fn new(config: LaneConfig, backoff: Backoff, clock: Clock, telemetry: Telemetry) -> Self {
        Self { config, backoff, clock, telemetry, status: watch::Sender::new(LaneStatus::default()) }
    }

    /// Tells where the lane stands.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<LaneStatus> {
        self.status.subscribe()
    }

    /// Runs the lane, with new parts for each start, until its input ends or the end is asked for.
    ///
    /// # Errors
    /// The first error that trying again cannot mend.
    pub async fn run<F, S, D, O, K, W>(
        &self,
        mut make: impl FnMut() -> Result<LaneParts<F, D, O, K, W>, EngineError>,
        mut stop: Stop,
    ) -> Result<LaneEnd, EngineError>
    where
        F: FnOnce(&ResumeAt) -> Result<S, EngineError>,
        S: Source + 'static,
        D: Decode + 'static,
        O: Operator + 'static,
        K: Sink + 'static,
        W: DeadLetters + 'static,
    {
        let mut failures = 0_u32;
        loop {
            let started_at = self.clock.now();
            let run = async {
                run_lane(self.config.clone(), make()?, (stop.clone(), self.status.clone()), &self.telemetry)
                    .await
            };
            let error = match run.await {
                Err(error) if error.retry() == Retry::Later && !stop.is_asked() => error,
                end => return end,
            };
            let lasted = self.clock.now().saturating_sub(started_at);
            if u128::try_from(lasted).unwrap_or(0) >= self.backoff.forgiven_after.as_nanos() {
                failures = 0;
            }
            let wait = self.backoff.wait(failures);
            failures = failures.saturating_add(1);
            tracing::warn!(lane = self.config.name, %error, ?wait, "the lane failed and starts again from its checkpoint");
            tokio::select! {
                () = self.clock.sleep(wait) => {}
                () = stop.wait() => return Err(error),
            }
        }
    }
}
