//! Labelled recordings through the very same engine: thin adapters over the production path.
//!
//! An adapter turns a recording into OTLP requests with arrival stamps, hands them to the lane that production runs,
//! with the default configuration, and compares what comes out with the labels. What it does not do: judge on its own,
//! or look at a label before the run is over.

mod canary;
mod canaryrec;
mod export;
mod rig;

pub use canary::{CanaryReport, EvaluateError, RolloutResult, evaluate_canary};
pub use canaryrec::{Label, LabelEvent, RecordedRequest, Recording, RecordingError, read_labels};
pub use export::export_canary;
pub use rig::{Rig, RigOutput};
