//! Telemetry, changes and outcomes from Kafka; risk events to Kafka, and into the file that the API reads.
//!
//! Promises: positions belong to the lane's checkpoint, so a restart anywhere says what an undisturbed run would have
//! said. What this module does not do: open the front door (the collector writes to Kafka), or take outcomes over HTTP
//! (they come by topic).

mod binary;

use std::time::Duration;

use contract::Origin;
use engine::decode::{DecodeLimits, Decoder};
use engine::error::EngineError;
use engine::record::{Encoding, RecordKind};
use engine::runtime::{Backoff, Driver, LaneParts, LaneStatus, stop_signal};
use engine::sink::{FileSink, KafkaDeadLetters, KafkaSink, KafkaSinkConfig, Tee, create_topics};
use engine::source::{KafkaSource, KafkaSourceConfig, KafkaTopic, KafkaView, Reach, ResumeAt};
use engine::state::Checkpoints;
use engine::telemetry::Telemetry;
use engine::time::clock::Clock;
use tokio::sync::watch;

use self::binary::InMode;
use super::embedded::{event_retention, open_api};
use super::lane_config;
use super::signals::asked_to_stop;
use super::watch_health::{Watched, watch_health};
use crate::config::{KafkaPlan, Plan, WireFormat};
use crate::wiring::{Judge, JudgeBoards};

/// The stream of risk events, as the messages name it.
const RISK_EVENTS: &str = "risk-events";
/// How long a broker may take at the start to make the topics that are missing.
const TOPICS_WITHIN: Duration = Duration::from_secs(30);

fn topics(kafka: &KafkaPlan) -> Vec<KafkaTopic> {
    let telemetry = match kafka.encoding {
        WireFormat::Proto => Encoding::OtlpProto,
        WireFormat::Json => Encoding::OtlpJson,
    };
    [
        (&kafka.topic_metrics, RecordKind::Metrics, telemetry),
        (&kafka.topic_logs, RecordKind::Logs, telemetry),
        (&kafka.topic_spans, RecordKind::Spans, telemetry),
        (&kafka.topic_changes, RecordKind::Change, Encoding::Json),
        (&kafka.topic_outcomes, RecordKind::Outcome, Encoding::Json),
    ]
    .map(|(name, kind, encoding)| KafkaTopic { name: name.clone(), kind, encoding })
    .into()
}

fn source_config(plan: &Plan, kafka: &KafkaPlan) -> KafkaSourceConfig {
    KafkaSourceConfig {
        instance: Some(kafka.instance.clone()).filter(|instance| !instance.is_empty()),
        ..KafkaSourceConfig::new(&kafka.brokers.join(","), &kafka.group, &plan.tenant, topics(kafka))
    }
}

fn sink_config(kafka: &KafkaPlan) -> KafkaSinkConfig {
    let mut config = KafkaSinkConfig::new(&kafka.brokers.join(","), &[]);
    config.topics.insert(RISK_EVENTS.to_owned(), kafka.topic_risk_events.clone());
    config
}

/// Runs until asked to stop, or a part fails.
pub(crate) async fn run(plan: &Plan, kafka: &KafkaPlan) -> Result<(), EngineError> {
    let clock = Clock::system();
    let telemetry = Telemetry::new()?;
    if plan.receive.enabled {
        tracing::info!(
            "the front door stays closed: telemetry comes from Kafka, let the collector write there"
        );
    }
    let sink_config = sink_config(kafka);
    let mut needed: Vec<String> = topics(kafka).into_iter().map(|topic| topic.name).collect();
    needed.extend([kafka.topic_risk_events.clone(), kafka.topic_dead_letter.clone()]);
    create_topics(&sink_config, &needed, TOPICS_WITHIN).await?;
    let (file, events) = FileSink::open(&plan.data_dir.join("risk-events.log"))?;
    drop(file);
    let (boards, reach) = (JudgeBoards::default(), watch::Sender::<Reach>::default());
    let views = boards.views();
    let api = open_api(plan, (events.clone(), None), views.board, &telemetry).await?;

    let (stop_handle, stop) = stop_signal();
    let driver = Driver::new(lane_config(plan, "main"), Backoff::default(), clock.clone(), telemetry.clone());
    let in_reach = reach.subscribe();
    let watched = Watched {
        // a broker that is away is not this process's fault
        waiting: move |_: &LaneStatus| in_reach.borrow().waiting,
        lane: driver.status(),
        report: views.report,
        health: api.health,
        clock: clock.clone(),
        telemetry: telemetry.clone(),
    };
    let watcher = tokio::spawn(watch_health(watched, || None));
    let limits = DecodeLimits {
        unpacked_bytes_max: plan.receive.request_bytes_max as usize,
        ..DecodeLimits::default()
    };
    let view = KafkaView { clock, telemetry, reach };
    let (of_plan, of_source) = (plan.clone(), source_config(plan, kafka));
    let (dead_letters, mode) = (kafka.topic_dead_letter.clone(), kafka.event_mode);
    let make = move || {
        let (config, view) = (of_source.clone(), view.clone());
        Ok(LaneParts {
            source: move |resume: &ResumeAt| KafkaSource::open(config, resume, view),
            decoder: Decoder::new(limits.clone()),
            operator: Judge::showing(&of_plan, Origin::Live, &boards)?,
            sink: Tee::new(
                FileSink::again(&events)?.keeping(event_retention(&of_plan)),
                InMode(mode, KafkaSink::open(sink_config.clone())?),
            ),
            dead_letters: KafkaDeadLetters::open(&sink_config, &dead_letters)?,
            checkpoints: Checkpoints::in_directory(&of_plan.data_dir.join("checkpoints"))?,
        })
    };
    let mut lane = tokio::spawn(async move { driver.run(make, stop).await.map(|_| ()) });
    tracing::info!(brokers = ?kafka.brokers, group = kafka.group, api = %plan.api.address, "ready");

    let end = tokio::select! {
        () = asked_to_stop() => {
            stop_handle.stop();
            lane.await
        }
        end = &mut lane => end,
    };
    watcher.abort();
    api.stop.send_replace(true);
    api.task.await.map_err(|_| EngineError::Stopped("the API"))??;
    end.map_err(|_| EngineError::Stopped("the lane"))?
}
