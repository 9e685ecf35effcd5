//! Detectors of a single series. One robust baseline so far; forecasting models will stand beside it.

mod robust;

pub use robust::{Band, RobustBaseline, RobustParams, RobustValidParams};
