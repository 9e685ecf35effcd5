//! Time: the clock, and event time.

pub mod clock;
mod flow;
mod peaks;
pub mod rows;
pub mod watermark;
pub mod window;
