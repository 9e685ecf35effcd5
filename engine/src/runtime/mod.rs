//! Runs lanes: source, decoder, watermark, operator, sink, with bounded queues between and checkpoints at marks of
//! the log's clock. The only place of this crate that starts tasks for them.
//!
//! What this module does not do: know what an operator computes.

mod backpressure;
mod core;
mod decode;
mod driver;
mod lane;
mod shutdown;
mod status;

pub use self::core::{Core, CoreConfig, Step};
pub use decode::{Decode, Undecodable};
pub use driver::{Backoff, Driver};
pub use lane::{LaneConfig, LaneEnd, LaneParts, run_lane};
pub use shutdown::{Stop, StopHandle, stop_signal};
pub use status::LaneStatus;
