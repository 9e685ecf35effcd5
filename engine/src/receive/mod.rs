//! The front door: OTLP over gRPC and HTTP, changes and outcomes over HTTP.
//!
//! Promises: an answer of success is given only after the record is durable; what is stored is what was received,
//! still packed; overload is said as overload (`UNAVAILABLE`, 429, 503, each with a pause), bad data as bad data, and
//! neither ever as an internal fault; memory in flight, connections and every wait have bounds.
//! What this module does not do: decode into batches, know tokens or TLS, or look at what a change means: the caller
//! gives the checks ([`Checks`]).

mod budget;
mod check;
mod cloudevents;
mod config;
mod decoding;
mod door;
mod fault;
mod grpc;
mod http;
mod reply;
mod server;

pub use check::{CheckFault, Checks, EventCheck, Found, OtlpCheck};
pub use config::ReceiveConfig;
pub use door::Append;
pub use fault::Fault;
pub use server::{Addresses, Server};
