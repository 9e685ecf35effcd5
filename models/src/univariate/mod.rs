//! Detectors of a single series: a small robust baseline, and mean surprise with its alarm rule. A table of contents.

mod alarm;
mod robust;
mod surprise;

pub use alarm::{AlarmParams, AlarmRule, AlarmValidParams};
pub use robust::{Band, RobustBaseline, RobustParams, RobustValidParams};
pub(crate) use surprise::parts;
pub use surprise::{
    Calendar, ClockChange, Lesson, MeanSurprise, Periods, Reading, Shape, SurpriseParams, SurpriseValidParams,
};
