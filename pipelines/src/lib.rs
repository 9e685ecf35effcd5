//! What the product means: telemetry becomes feature rows, rows become findings, findings become incidents, incidents
//! become risk events, and outcomes come back.
//!
//! One way: `features -> topology -> scoring -> incident -> risk -> history -> event`; a stage may use what lies to its left,
//! never what lies to its right. [`wiring`] is the only place that names every stage.

pub mod api;
pub mod changes;
pub mod cli;
pub mod config;
pub mod evaluate;
pub mod event;
pub mod explain;
pub mod features;
pub mod history;
pub mod incident;
pub mod risk;
pub mod scoring;
pub mod service;
pub mod topology;
pub mod wiring;
