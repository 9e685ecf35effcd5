//! The engine's program as a process: started, fed, asked, killed and started again.
//!
//! What it does not prove: anything about Kafka (`integration`), or usefulness (`evaluate`).
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like tests")]
#![allow(clippy::print_stdout, reason = "seeds and figures of a test are for who reads its output")]

mod api;
mod changes;
mod engine_process;
mod http;
mod kills;
#[path = "../later_times/mod.rs"]
mod later_times;
#[path = "../queue_recording/mod.rs"]
mod queue_recording;
mod recording;
mod verdict;
