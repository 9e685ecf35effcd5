//! Which topics are read, and how.
//!
//! What this module does not do: connect.

use rdkafka::ClientConfig;

use crate::record::{Encoding, RecordKind};

/// Where a partition begins of which nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Begin {
    /// With the oldest record that is kept.
    #[default]
    Oldest,
    /// With what comes from now on.
    Newest,
}

/// A topic and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaTopic {
    /// Its name.
    pub name: String,
    /// What its records hold.
    pub kind: RecordKind,
    /// How they are written.
    pub encoding: Encoding,
}

/// Which topics, and how they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaSourceConfig {
    /// Bootstrap list, as in `host:9092,other:9092`.
    pub brokers: String,
    /// Consumer group.
    pub group: String,
    /// Static membership: a name per process; `None` = off.
    pub instance: Option<String>,
    /// Whose data it is.
    pub tenant: String,
    /// What is read.
    pub topics: Vec<KafkaTopic>,
    /// Where a partition begins of which nothing is known.
    pub begin: Begin,
    /// How long a record waits for partitions that have nothing, in milliseconds.
    pub wait_ms: u32,
    /// Records of a partition that may wait in memory.
    pub queue_records: usize,
    /// Body bytes of a partition that may wait in memory.
    pub queue_bytes: usize,
    /// Settings of librdkafka that go last, as for TLS and SASL.
    pub client: Vec<(String, String)>,
}

impl KafkaSourceConfig {
    /// With the usual limits.
    #[must_use]
    pub fn new(brokers: &str, group: &str, tenant: &str, topics: Vec<KafkaTopic>) -> Self {
        Self {
            brokers: brokers.to_owned(),
            group: group.to_owned(),
            instance: None,
            tenant: tenant.to_owned(),
            topics,
            begin: Begin::Oldest,
            wait_ms: 500,
            queue_records: 2_000,
            queue_bytes: 32 << 20,
            client: Vec::new(),
        }
    }

    pub(super) fn client(&self) -> ClientConfig {
        let begin = match self.begin {
            Begin::Oldest => "earliest",
            Begin::Newest => "latest",
        };
        let mut client = brokers::followed(&self.brokers);
        client
            .set("group.id", &self.group)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", begin)
            .set("isolation.level", "read_committed")
            .set("max.poll.interval.ms", "600000")
            // a process that was killed holds its partitions for so long; a broker that is away does not count it
            .set("session.timeout.ms", "10000")
            .set("heartbeat.interval.ms", "2000")
            .set("queued.max.messages.kbytes", "32768")
            .set("allow.auto.create.topics", "false");
        if let Some(instance) = &self.instance {
            client.set("group.instance.id", instance);
        }
        for (key, value) in &self.client {
            client.set(key, value);
        }
        client
    }
}
