//! The simulated shop and the loop around it: what `bellwether demo` shows.
//!
//! Only the shop is simulated. Its telemetry is real OTLP over a socket, its desired state lives in a real git
//! repository, and the engine and the actuator are the same programs, with the same policy file, as in production.
//!
//! ```text
//! story ─> repository ─> gitops (reconcile) ─> fleet ─> shop ─> telemetry ─> exporter ═> engine ═> actuator ═> git
//!                             ^                                                                              │
//!                             └──────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! What this crate deliberately does not do: judge telemetry, decide about a revert, or speak to anything outside
//! of this machine.

pub mod cli;
pub mod clock;
pub mod error;
pub mod exporter;
pub mod gitops;
pub mod orchestrate;
pub mod output;
pub mod shop;
pub mod story;
pub mod telemetry;
pub mod timeline;

pub use cli::Options;
pub use error::DemoError;
