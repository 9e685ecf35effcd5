//! Recorded files through the lane that production runs; nothing listens, nothing waits.
//!
//! Promises: the same files and the same plan give the same messages, also when a replay into a folder was stopped in
//! between. What it does not do: print, or act: its events say `replay`, and no actuator takes those.

use std::path::{Path, PathBuf};

use contract::Origin;
use engine::decode::{DecodeLimits, Decoder};
use engine::error::EngineError;
use engine::operator::Message;
use engine::runtime::{LaneEnd, LaneParts, LaneStatus, run_lane, stop_signal};
use engine::sink::{DeadLetterFile, DeadLetters, FileSink, MemorySink, NoDeadLetters, Sink};
use engine::source::{FileConfig, FileSource, ResumeAt, Source};
use engine::state::{Blobs, Checkpoints};
use engine::telemetry::Telemetry;
use tokio::sync::watch;

use super::lane_config;
use crate::config::Plan;
use crate::wiring::Judge;

/// Bound of the file of dead letters.
const DEAD_LETTER_BYTES: u64 = 16 << 20;

/// Least seconds of the recording between two checkpoints: they pass in much less than a second.
const CHECKPOINT_SECS_MIN: u32 = 3_600;

/// What a replay gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replayed {
    /// Everything that was said, in order; with a folder also by earlier runs into it.
    pub messages: Vec<Message>,
    /// How many messages, and the digest over them.
    pub end: LaneEnd,
    /// Lines and requests of the files that could not be used.
    pub passed_over: u64,
}

/// Replays files and folders of files. With `out`, messages and checkpoints are kept there, and a replay that was
/// stopped goes on.
///
/// # Errors
/// [`EngineError::Setting`] for paths without a recording; what the disk says.
pub fn replay(plan: &Plan, paths: Vec<PathBuf>, out: Option<&Path>) -> Result<Replayed, EngineError> {
    let request_bytes_max = plan.receive.request_bytes_max as usize;
    let files = FileConfig { request_bytes_max, ..FileConfig::new(paths, plan.tenant.as_str().into()) };
    let mut passed_over = 0;
    let replayed = replay_from(plan, out, |resume: &ResumeAt| {
        let source = FileSource::open(&files, resume)?;
        passed_over = source.passed_over();
        if source.requests() == 0 {
            return Err(EngineError::Setting(format!(
                "the recording holds no OTLP request that can be read, {passed_over} lines were passed over: it must \
                 hold requests as a collector's file exporter writes them"
            )));
        }
        Ok(source)
    })?;
    Ok(Replayed { passed_over, ..replayed })
}

/// As [`replay`], from any source.
///
/// # Errors
/// As [`replay`].
pub fn replay_from<S: Source + 'static>(
    plan: &Plan,
    out: Option<&Path>,
    source: impl FnOnce(&ResumeAt) -> Result<S, EngineError>,
) -> Result<Replayed, EngineError> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().map_err(
            |source| EngineError::File { action: "start threads for", path: plan.data_dir.clone(), source },
        )?;
    runtime.block_on(async {
        let Some(out) = out else {
            let sink = MemorySink::default();
            let kept = sink.clone();
            let end = run(plan, source, (sink, NoDeadLetters, Checkpoints::new(Box::new(Nowhere)))).await?;
            return Ok(Replayed { messages: kept.messages(), end, passed_over: 0 });
        };
        let (sink, events) = FileSink::open(&out.join("risk-events.log"))?;
        let dead_letters = DeadLetterFile::open(&out.join("dead-letters.jsonl"), DEAD_LETTER_BYTES)?;
        let checkpoints = Checkpoints::in_directory(&out.join("checkpoints"))?;
        let end = run(plan, source, (sink, dead_letters, checkpoints)).await?;
        let messages = events.page(0, usize::MAX)?.into_iter().map(|stored| stored.message).collect();
        Ok(Replayed { messages, end, passed_over: 0 })
    })
}

async fn run<S: Source + 'static, K: Sink + 'static, W: DeadLetters + 'static>(
    plan: &Plan,
    source: impl FnOnce(&ResumeAt) -> Result<S, EngineError>,
    (sink, dead_letters, checkpoints): (K, W, Checkpoints),
) -> Result<LaneEnd, EngineError> {
    let (judge, _views) = Judge::new(plan, Origin::Replay)?;
    let limits = DecodeLimits {
        unpacked_bytes_max: plan.receive.request_bytes_max as usize,
        ..DecodeLimits::default()
    };
    let parts =
        LaneParts { source, decoder: Decoder::new(limits), operator: judge, sink, dead_letters, checkpoints };
    let mut config = lane_config(plan, "replay");
    config.core.checkpoint_secs = config.core.checkpoint_secs.max(CHECKPOINT_SECS_MIN);
    // held to the end: dropping it asks for the end
    let (_stop_handle, stop) = stop_signal();
    run_lane(config, parts, (stop, watch::Sender::new(LaneStatus::default())), &Telemetry::new()?).await
}

/// Checkpoints of a replay that nobody will go on with.
#[derive(Debug)]
struct Nowhere;

impl Blobs for Nowhere {
    fn names(&self) -> Result<Vec<String>, EngineError> {
        Ok(Vec::new())
    }

    fn read(&self, name: &str) -> Result<Vec<u8>, EngineError> {
        Err(EngineError::Invariant(format!("{name} was never kept")))
    }

    fn write(&self, _name: &str, _bytes: &[u8]) -> Result<(), EngineError> {
        Ok(())
    }

    fn remove(&self, _name: &str) -> Result<(), EngineError> {
        Ok(())
    }
}
