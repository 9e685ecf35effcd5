//! The Kafka source and sink against librdkafka's own mock cluster, which speaks the protocol over a socket.
#![cfg(feature = "kafka")]
#![expect(clippy::unwrap_used, reason = "a test may stop at any surprise")]

mod kafka_support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use engine::operator::Message;
use engine::record::{Encoding, NANOS_PER_SEC, RecordKind};
use engine::sink::{KafkaSink, KafkaSinkConfig, Sink};
use engine::source::{KafkaSource, KafkaSourceConfig, KafkaTopic, KafkaView, Received, ResumeAt, Source};
use engine::telemetry::Telemetry;
use engine::time::clock::Clock;
use rdkafka::ClientConfig;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, FutureProducer, FutureRecord};
use tokio::sync::watch;

type Cluster = MockCluster<'static, DefaultProducerContext>;

const LIMIT: Duration = Duration::from_secs(60);
const START_MS: i64 = 1_700_000_000_000;

/// Writes records 30 ms apart, with equal stamps never, around the partitions.
async fn fill(cluster: &Cluster, topic: &str, (partitions, n): (i32, i32)) {
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", cluster.bootstrap_servers()).create().unwrap();
    for at in 0..n {
        let body = format!("body {at}");
        let record = FutureRecord::<str, str>::to(topic)
            .partition(at % partitions)
            .timestamp(START_MS + i64::from(at) * 30)
            .payload(&body);
        producer.send(record, LIMIT).await.unwrap();
    }
}

fn source(cluster: &Cluster, wanted: (&str, &[&str]), resume: &ResumeAt) -> KafkaSource {
    source_at(&cluster.bootstrap_servers(), wanted, resume)
}

fn source_at(brokers: &str, (group, topics): (&str, &[&str]), resume: &ResumeAt) -> KafkaSource {
    let topics = topics
        .iter()
        .map(|name| KafkaTopic {
            name: (*name).to_owned(),
            kind: RecordKind::Spans,
            encoding: Encoding::OtlpProto,
        })
        .collect();
    let config =
        KafkaSourceConfig { queue_records: 50, ..KafkaSourceConfig::new(brokers, group, "t", topics) };
    let (clock, telemetry) = (Clock::system(), Telemetry::new().unwrap());
    KafkaSource::open(config, resume, KafkaView { clock, telemetry, reach: watch::Sender::default() })
        .unwrap()
}

async fn read(source: &mut KafkaSource, resume: &mut ResumeAt, n: usize) -> Vec<Received> {
    let mut given = Vec::new();
    while given.len() < n {
        let received =
            tokio::time::timeout(LIMIT, source.next()).await.expect("a record in time").unwrap().unwrap();
        resume.advance(&received);
        given.push(received);
    }
    given
}

fn seen(given: &[Received]) -> Vec<(RecordKind, i64, Bytes)> {
    given.iter().map(|r| (r.record.kind, r.record.arrived_at, r.record.body.clone())).collect()
}

/// Scenario: the same records in one partition and in three, beside a topic that stays empty. Guarantees: the same
/// stream, with a clock record for each second, through queues that are far smaller than the topic.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_do_not_show() {
    let cluster = Cluster::new(1).unwrap();
    let n = 300;
    for (topic, partitions) in [("narrow", 1), ("wide", 3), ("quiet", 1)] {
        cluster.create_topic(topic, partitions, 1).unwrap();
    }
    fill(&cluster, "narrow", (1, n)).await;
    fill(&cluster, "wide", (3, n)).await;
    // 300 records over 9 seconds: 8 full seconds between the first and the last
    let expected = 308;
    let mut resume = ResumeAt::default();
    let narrow =
        read(&mut source(&cluster, ("a", &["narrow", "quiet"]), &resume.clone()), &mut resume, expected)
            .await;
    assert_eq!(resume.positions.next_of("narrow/0"), 300);
    let mut resume = ResumeAt::default();
    let wide =
        read(&mut source(&cluster, ("b", &["wide", "quiet"]), &resume.clone()), &mut resume, expected).await;
    assert_eq!(seen(&narrow), seen(&wide));
    let clocks = narrow.iter().filter(|r| r.record.kind == RecordKind::Clock);
    assert_eq!(clocks.map(|r| r.record.arrived_at % NANOS_PER_SEC).collect::<Vec<_>>(), [0; 8]);
}

/// Scenario: reading stops at some record, after the group has committed further than the checkpoint, and a new
/// process goes on from the checkpoint. Guarantees: it goes on there, and together both gave what one reading gives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_checkpoint_decides_where_to_go_on() {
    let cluster = Cluster::new(1).unwrap();
    cluster.create_topic("wide", 3, 1).unwrap();
    fill(&cluster, "wide", (3, 200)).await;
    let mut whole = ResumeAt::default();
    let expected = read(&mut source(&cluster, ("whole", &["wide"]), &whole.clone()), &mut whole, 204).await;

    let mut resume = ResumeAt::default();
    let mut first = source(&cluster, ("group", &["wide"]), &resume);
    let mut given = read(&mut first, &mut resume, 77).await;
    let mut further = resume.clone();
    read(&mut first, &mut further, 60).await;
    first.commit(&further.positions).await.unwrap();
    drop(first);
    let mut second = source(&cluster, ("group", &["wide"]), &resume);
    given.extend(read(&mut second, &mut resume, 204 - 77).await);
    assert_eq!(given, expected);
    assert_eq!(resume, whole);
}

/// Scenario: the broker goes away in the middle and comes back. Guarantees: nothing is lost, nothing comes twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_was_away_loses_nothing() {
    let cluster = Cluster::new(1).unwrap();
    cluster.create_topic("narrow", 1, 1).unwrap();
    fill(&cluster, "narrow", (1, 100)).await;
    let mut resume = ResumeAt::default();
    let mut source = source(&cluster, ("away", &["narrow"]), &resume);
    read(&mut source, &mut resume, 20).await;
    cluster.broker_down(1).unwrap();
    let waits = async {
        loop {
            let received = source.next().await.unwrap().unwrap();
            resume.advance(&received);
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(2), waits).await.is_err());
    cluster.broker_up(1).unwrap();
    fill(&cluster, "narrow", (1, 50)).await;
    while resume.positions.next_of("narrow/0") < 150 {
        let before = resume.positions.next_of("narrow/0");
        let received = read(&mut source, &mut resume, 1).await.remove(0);
        let moved = u64::from(received.record.kind != RecordKind::Clock);
        assert_eq!(received.next_offset, before + moved);
    }
}

/// Scenario: for a while the cluster names no broker at all, as one does whose only broker was stopped and is not back
/// in its own cluster yet. Guarantees: reading goes on afterwards, nothing is lost, nothing comes twice. (The client by
/// itself would now and then wait for ever.)
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_that_forgot_its_brokers_is_found_again() {
    let cluster = Cluster::new(1).unwrap();
    cluster.create_topic("narrow", 1, 1).unwrap();
    let veil = Arc::new(kafka_support::Veil::default());
    let brokers = kafka_support::veiled(&cluster.bootstrap_servers(), Arc::clone(&veil)).await;
    fill(&cluster, "narrow", (1, 60)).await;
    let mut resume = ResumeAt::default();
    let mut source = source_at(&brokers, ("veiled", &["narrow"]), &resume);
    read(&mut source, &mut resume, 20).await;
    veil.is_down.store(true, Ordering::SeqCst);
    let drained = tokio::time::timeout(Duration::from_secs(8), async {
        while veil.empty_answers.load(Ordering::SeqCst) < 12 {
            if let Ok(received) = tokio::time::timeout(Duration::from_millis(100), source.next()).await {
                resume.advance(&received.unwrap().unwrap());
            }
        }
    });
    drained.await.ok();
    assert!(veil.empty_answers.load(Ordering::SeqCst) > 0, "the client asked for brokers");
    veil.is_down.store(false, Ordering::SeqCst);
    fill(&cluster, "narrow", (1, 40)).await;
    while resume.positions.next_of("narrow/0") < 100 {
        let before = resume.positions.next_of("narrow/0");
        let received = read(&mut source, &mut resume, 1).await.remove(0);
        let moved = u64::from(received.record.kind != RecordKind::Clock);
        assert_eq!(received.next_offset, before + moved);
    }
}

/// Scenario: a sink writes, its process dies before the checkpoint, and the lane says the same again and more; also
/// when a message in the middle is missing. Guarantees: each message stands in the topic once, with key and headers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_stand_once() {
    let cluster = Cluster::new(1).unwrap();
    cluster.create_topic("risk", 3, 1).unwrap();
    let message = |n: usize| Message {
        topic: "risk-events".to_owned(),
        key: format!("service-{}", n % 5),
        headers: vec![
            ("ce_id".to_owned(), format!("id-{n}")),
            ("content-type".to_owned(), "application/json".to_owned()),
        ],
        value: Bytes::from(format!("{{\"n\":{n}}}")),
    };
    let mut config = KafkaSinkConfig::new(&cluster.bootstrap_servers(), &[]);
    config.topics.insert("risk-events".to_owned(), "risk".to_owned());
    let mut sink = KafkaSink::open(config.clone()).unwrap();
    assert!(sink.resume(0).await.unwrap().is_empty());
    let said: Vec<Message> = (0..30).filter(|n| *n != 17).map(message).collect();
    sink.write(&said).await.unwrap();
    assert_eq!(sink.flush().await.unwrap(), 29);
    drop(sink);

    let mut sink = KafkaSink::open(config).unwrap();
    sink.resume(10).await.unwrap();
    let again: Vec<Message> = (10..40).map(message).collect();
    sink.write(&again).await.unwrap();
    assert_eq!(sink.flush().await.unwrap(), 40);

    let mut resume = ResumeAt::default();
    let mut reader = source(&cluster, ("reader", &["risk"]), &resume);
    let mut bodies = Vec::new();
    while bodies.len() < 40 {
        let received = read(&mut reader, &mut resume, 1).await.remove(0);
        if received.record.kind != RecordKind::Clock {
            let event: serde_json::Value = serde_json::from_slice(&received.record.body).unwrap();
            bodies.push(event["data"]["n"].as_u64().unwrap());
        }
    }
    bodies.sort_unstable();
    assert_eq!(bodies, (0..40).collect::<Vec<u64>>());
    let ends: u64 = resume.positions.0.values().sum();
    assert_eq!(ends, 40, "nothing stands twice");
}
