//! Time: the clock, and event time.

pub mod clock;
