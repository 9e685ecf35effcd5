//! Moves telemetry batches from replayable input to an operator and on to a sink, and keeps four promises:
//! **order** (a lane reads one ordered input), **memory** (everything has a bound), **time** (event time only; the
//! log's own arrival stamps decide idleness and lateness), **recovery** (same log, same bytes, whatever happens).
//!
//! What it deliberately does not do: know any model, or what a batch means to the product.

pub mod batch;
pub mod decode;
pub mod error;
pub mod log;
pub mod operator;
#[cfg(feature = "otlp")]
pub mod receive;
pub mod record;
pub mod runtime;
pub mod sink;
pub mod source;
pub mod state;
pub mod telemetry;
pub mod time;

pub use error::EngineError;
