//! Time: the clock, and event time.

pub mod clock;
pub mod rows;
pub mod watermark;
pub mod window;
