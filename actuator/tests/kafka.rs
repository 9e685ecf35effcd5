//! The running actuator on Kafka topics, served by librdkafka's own mock cluster.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail like tests")]
#![cfg(feature = "kafka")]

mod support;

use std::time::Duration;

use actuator::run::run_on;
use contract::{OUTCOME_TYPE, Outcome, OutcomeStatus, RiskEvent, incident_id};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer, StreamConsumer};
use rdkafka::message::{Header, Headers, Message, OwnedHeaders};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{FutureProducer, FutureRecord};
use rdkafka::{Offset, TopicPartitionList};
use support::{World, at, event, event_with};
use tokio::sync::watch;

const LIMIT: Duration = Duration::from_secs(60);

/// Sends an event in binary or structured mode.
async fn produce(producer: &FutureProducer, event: RiskEvent, structured: bool) {
    let envelope = event.into_cloud_event("bellwether");
    let (payload, mut headers) = if structured {
        let kind = "application/cloudevents+json; charset=UTF-8";
        (
            serde_json::to_vec(&envelope).unwrap(),
            OwnedHeaders::new().insert(Header { key: "content-type", value: Some(kind) }),
        )
    } else {
        let kind = "application/json";
        let headers = OwnedHeaders::new().insert(Header { key: "content-type", value: Some(kind) });
        (serde_json::to_vec(&envelope.data).unwrap(), headers)
    };
    if !structured {
        for (key, value) in envelope.headers() {
            headers = headers.insert(Header { key, value: Some(value.as_str()) });
        }
    }
    let key = envelope.data.scope.key();
    let record = FutureRecord::to("risk-events").key(&key).payload(&payload).headers(headers);
    producer.send(record, LIMIT).await.unwrap();
}

async fn next_outcome(consumer: &StreamConsumer) -> Outcome {
    let message = tokio::time::timeout(LIMIT, consumer.recv()).await.unwrap().unwrap();
    let headers = message.headers().unwrap();
    let kind = headers.iter().find(|header| header.key == "ce_type").and_then(|header| header.value);
    assert_eq!(kind, Some(OUTCOME_TYPE.as_bytes()));
    let outcome = Outcome::from_json(message.payload().unwrap()).unwrap();
    assert_eq!(message.key(), Some(outcome.scope.key().as_bytes()));
    outcome
}

fn committed(brokers: &str) -> Option<i64> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "bellwether-actuator")
        .create()
        .unwrap();
    let mut positions = TopicPartitionList::new();
    positions.add_partition("risk-events", 0);
    let known = consumer.committed_offsets(positions, LIMIT).unwrap();
    match known.elements()[0].offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

/// Scenario: a record that is no event, an event in binary mode, the same again, another incident in structured mode.
/// Guarantees: one revert, one outcome for each incident, positions committed once the ledger holds the events.
#[tokio::test(flavor = "multi_thread")]
async fn events_from_kafka_become_a_revert_and_outcomes() {
    let world = World::new();
    let guilty = world.bad_deploy();
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic("risk-events", 1, 1).unwrap();
    cluster.create_topic("outcomes", 1, 1).unwrap();
    let brokers = cluster.bootstrap_servers();
    let producer: FutureProducer = ClientConfig::new().set("bootstrap.servers", &brokers).create().unwrap();
    producer.send(FutureRecord::to("risk-events").key("k").payload("{}"), LIMIT).await.unwrap();
    produce(&producer, event(), false).await;
    produce(&producer, event(), false).await;
    produce(&producer, event_with(|e| e.incident_id = incident_id(&e.scope, at(0), "slo")), true).await;

    let plan = world.plan(&["intake=kafka", &format!("kafka.brokers={brokers}")]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (stop, shutdown) = watch::channel(false);
    let running = tokio::spawn(run_on(listener, plan, || at(5), shutdown));
    let consumer: StreamConsumer = ClientConfig::new()
        .set("bootstrap.servers", &brokers)
        .set("group.id", "test")
        .set("auto.offset.reset", "earliest")
        .create()
        .unwrap();
    consumer.subscribe(&["outcomes"]).unwrap();
    let first = next_outcome(&consumer).await;
    assert_eq!((first.status, &first.target), (OutcomeStatus::Acted, &guilty));
    assert_eq!(next_outcome(&consumer).await.status, OutcomeStatus::AlreadyDone);
    stop.send(true).unwrap();
    tokio::time::timeout(LIMIT, running).await.unwrap().unwrap().unwrap();
    let known = tokio::task::spawn_blocking(move || committed(&brokers)).await.unwrap();
    assert_eq!(known, Some(4));
}
