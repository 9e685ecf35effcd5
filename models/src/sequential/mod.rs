//! Tests that may be looked at after every tick and still keep their promise about false stops.
//!
//! [`CanaryTest`] compares the pods of a new version with the pods of the old one while both serve;
//! [`BeforeAfterPast`] and [`BeforeAfterWatch`] stand in where no old pod is left, and lean on peers and placebo
//! switches.
//! Both only count and decide: fetching counts, naming pods and acting are other crates' work.

mod before_after;
mod before_after_fit;
mod before_after_past;
mod before_after_pool;
mod canary;
mod canary_params;
mod counts;
mod dispersion;
mod grid;
mod placebo;
mod pods;
mod promotion;
mod reading;
mod restarts;
mod sick;
mod signal;
mod silence;
mod stop;
mod time_mixture;
mod time_signal;
mod time_spread;
mod time_stop;
mod verdict;
mod warmup;
mod warmup_decay;
mod weights;

pub use before_after::{BeforeAfterReading, BeforeAfterWatch, StepCounts};
pub use before_after_past::BeforeAfterPast;
pub use before_after_pool::PlaceboPool;
pub use canary::CanaryTest;
pub use canary_params::{BeforeAfterParams, BeforeAfterValidParams, CanaryParams, CanaryValidParams};
pub use counts::{Mode, N_COUNTED, N_SIGNALS, OwnTime, OwnTimes, PodCounts, PodIdx, Tick};
pub use reading::{Decision, Reading, Reason, SignalReading, SilenceReading};
pub use silence::CanaryPresence;
pub use warmup::{LogTimes, WarmupCurve, WarmupHistory, WarmupRecord};
