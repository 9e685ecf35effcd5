//! One machine: front door, embedded log, one lane, the event file, the API.

use std::sync::Arc;

use contract::Origin;
use engine::decode::{DecodeLimits, Decoder};
use engine::error::EngineError;
use engine::log::{Log, LogConfig, LogWriter, OpenLog, PARTITION, Readers, SyncPolicy};
use engine::receive::{ReceiveConfig, Server};
use engine::runtime::{LaneParts, LaneStatus, run_lane, stop_signal};
use engine::sink::{DeadLetterFile, EventStore, FileSink, Retention};
use engine::source::ResumeAt;
use engine::state::Checkpoints;
use engine::telemetry::Telemetry;
use engine::time::clock::Clock;
use tokio::sync::watch;

use super::signals::asked_to_stop;
use super::watch_health::{Watched, watch_health};
use super::{checks, lane_config};
use crate::api::{self, ApiState, Health};
use crate::config::Plan;
use crate::scoring::VerdictBoard;
use crate::wiring::Judge;

/// Bound of the file of dead letters.
const DEAD_LETTER_BYTES: u64 = 64 << 20;

fn log_config(plan: &Plan) -> LogConfig {
    LogConfig {
        segment_bytes: plan.log.segment_bytes,
        retention_bytes: plan.log.retained_bytes,
        retention_age: std::time::Duration::from_secs(plan.log.retained_secs),
        sync: if plan.log.fsync {
            SyncPolicy::EachCommit
        } else {
            SyncPolicy::Every(std::time::Duration::from_secs(1))
        },
        record_bytes_max: plan.receive.request_bytes_max as usize,
        ..LogConfig::new(plan.data_dir.join("log"))
    }
}

fn receive_config(plan: &Plan) -> ReceiveConfig {
    ReceiveConfig {
        grpc: Some(plan.receive.grpc_address),
        http: Some(plan.receive.http_address),
        tenant: plan.tenant.as_str().into(),
        request_bytes_max: plan.receive.request_bytes_max as usize,
        ..ReceiveConfig::default()
    }
}

/// What answers readers: the API task, and how it is stopped.
pub(super) struct Api {
    /// Where it listens; the actual port where 0 was asked for.
    pub(super) address: std::net::SocketAddr,
    pub(super) task: tokio::task::JoinHandle<Result<(), EngineError>>,
    pub(super) stop: watch::Sender<bool>,
    pub(super) health: watch::Sender<Health>,
}

/// How much of what was published is kept for readers.
pub(super) const fn event_retention(plan: &Plan) -> Retention {
    Retention { bytes_max: plan.events.retained_bytes, secs_max: plan.events.retained_secs }
}

pub(super) async fn open_api(
    plan: &Plan,
    (events, outcomes): (EventStore, Option<LogWriter>),
    board: watch::Receiver<VerdictBoard>,
    telemetry: &Telemetry,
) -> Result<Api, EngineError> {
    let listener = api::bind(plan.api.address).await?;
    let address = listener.local_addr().unwrap_or(plan.api.address);
    let (health, health_view) = watch::channel(Health {
        dead: None,
        otlp: Some("starting".to_owned()),
        api: Some("starting".to_owned()),
    });
    let (stop, stopped) = watch::channel(false);
    let text = telemetry.clone();
    let state = ApiState {
        events,
        stop: stopped.clone(),
        board,
        health: health_view,
        outcomes,
        tenant: plan.tenant.as_str().into(),
        metrics: Arc::new(move || text.text().unwrap_or_else(|error| format!("# {error}\n"))),
    };
    Ok(Api { address, task: tokio::spawn(api::serve(listener, state, stopped)), stop, health })
}

/// Runs until asked to stop, or a part fails.
pub(crate) async fn run(plan: &Plan) -> Result<(), EngineError> {
    let clock = Clock::system();
    let telemetry = Telemetry::new()?;
    let OpenLog { writer, readers, report } = Log::open(log_config(plan), clock.clone(), &telemetry)?;
    tracing::info!(dir = %plan.data_dir.display(), from = report.first_offset, next = report.next_offset, "log opened");
    let (sink, events) = FileSink::open(&plan.data_dir.join("risk-events.log"))?;
    let (judge, views) = Judge::new(plan, Origin::Live)?;
    let api = open_api(plan, (events, Some(writer.clone())), views.board, &telemetry).await?;

    let (stop_handle, stop) = stop_signal();
    let lane_status = watch::Sender::new(LaneStatus::default());
    let watched = Watched {
        waiting: waiting(readers.clone()),
        lane: lane_status.subscribe(),
        report: views.report,
        health: api.health,
        clock: clock.clone(),
        telemetry: telemetry.clone(),
    };
    let refusal = writer.clone();
    let watcher = tokio::spawn(watch_health(watched, move || refusal.refusal()));
    let limits = DecodeLimits {
        unpacked_bytes_max: plan.receive.request_bytes_max as usize,
        ..DecodeLimits::default()
    };
    let parts = LaneParts {
        source: move |resume: &ResumeAt| readers.source_from(resume.positions.next_of(PARTITION)),
        decoder: Decoder::new(limits),
        operator: judge,
        sink: sink.keeping(event_retention(plan)),
        dead_letters: DeadLetterFile::open(&plan.data_dir.join("dead-letters.jsonl"), DEAD_LETTER_BYTES)?,
        checkpoints: Checkpoints::in_directory(&plan.data_dir.join("checkpoints"))?,
    };
    let config = lane_config(plan, "main");
    let of_lane = telemetry.clone();
    let mut lane =
        tokio::spawn(async move { run_lane(config, parts, (stop, lane_status), &of_lane).await.map(|_| ()) });
    let checks = checks(plan.receive.request_bytes_max as usize);
    let door = Server::bind(receive_config(plan), writer.clone(), checks, clock, &telemetry).await?;
    tracing::info!(addresses = ?door.addresses(), api = %api.address, "ready");

    let early = tokio::select! {
        () = asked_to_stop() => None,
        end = &mut lane => Some(end),
    };
    // first no more input, then nothing unread, then nobody who reads
    door.shutdown().await;
    let end = match early {
        Some(end) => end,
        None => {
            stop_handle.stop();
            lane.await
        }
    };
    writer.close().await;
    watcher.abort();
    api.stop.send_replace(true);
    api.task.await.map_err(|_| EngineError::Stopped("the API"))??;
    end.map_err(|_| EngineError::Stopped("the lane"))?
}

/// Records of the log that the lane has not read yet.
fn waiting(readers: Readers) -> impl Fn(&LaneStatus) -> u64 {
    let read_before = readers.next_offset();
    move |status| readers.next_offset().saturating_sub(read_before).saturating_sub(status.records)
}
