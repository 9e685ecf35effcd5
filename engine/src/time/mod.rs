//! Time: the clock, and event time.

pub mod clock;
pub mod watermark;
pub mod window;
