//! Raw settings to a plan, one function per section.

use std::path::PathBuf;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use settings::{Fault, Reader};

use super::plan::{
    ApiPlan, CanaryPlan, CheckpointPlan, EventMode, EventsPlan, KafkaPlan, LimitsPlan, LogPlan, Plan,
    ReceivePlan, SeriesPlan, SloPlan, TimePlan, WireFormat,
};

/// Every setting with its default; the first layer of every configuration.
pub const DEFAULT_YAML: &str = include_str!("default.yaml");

/// Reads the files in order, then the `path=value` overrides, on top of the defaults.
///
/// # Errors
/// All faults at once, sorted by file and line.
pub fn read_files(files: &[PathBuf], overrides: &[String]) -> Result<Plan, Vec<Fault>> {
    settings::read_files(files, |texts| read_texts(texts, overrides))
}

/// The same for texts `(name, content)` that were read already.
///
/// # Errors
/// All faults at once, sorted by file and line.
pub fn read_texts(texts: &[(String, String)], overrides: &[String]) -> Result<Plan, Vec<Fault>> {
    let mut reader = Reader::default();
    reader.add_yaml("default.yaml", DEFAULT_YAML);
    texts.iter().for_each(|(name, text)| reader.add_yaml(name, text));
    overrides.iter().for_each(|given| reader.add_override(given));
    let plan = check(&mut reader);
    let faults = reader.finish();
    if faults.is_empty() { Ok(plan) } else { Err(faults) }
}

fn check(reader: &mut Reader) -> Plan {
    reader.whole("version", 1, 1..=1);
    let kafka = kafka(reader);
    let receive = receive(reader);
    if !receive.enabled && kafka.is_none() {
        reader.fault(
            "receive.enabled",
            "is false and kafka.enabled is false: nothing could arrive, set one to true",
        );
    }
    let api = ApiPlan { address: reader.address("api.address", local(8080)) };
    own_addresses(reader, &receive, &api);
    Plan {
        data_dir: PathBuf::from(reader.text("data_dir").unwrap_or_else(|| "bellwether-data".to_owned())),
        tenant: tenant(reader),
        receive,
        api,
        log: log(reader),
        events: events(reader),
        kafka,
        time: time(reader),
        checkpoint: CheckpointPlan { every_secs: reader.whole("checkpoint.every_secs", 10, 1..=600) },
        canary: canary(reader),
        slo: slo(reader),
        series: series(reader),
        limits: LimitsPlan {
            services: reader.whole("limits.services", 5000, 1..=1_000_000) as usize,
            incidents: reader.whole("limits.incidents", 1000, 1..=100_000) as usize,
        },
    }
}

/// Two listeners on one port: the second one would fail at the start, after the log was opened.
fn own_addresses(reader: &mut Reader, receive: &ReceivePlan, api: &ApiPlan) {
    let listeners = [
        ("receive.grpc_address", receive.grpc_address),
        ("receive.http_address", receive.http_address),
        ("api.address", api.address),
    ];
    let used = if receive.enabled { &listeners[..] } else { &listeners[2..] };
    for (at, (key, address)) in used.iter().enumerate() {
        let earlier = used.iter().take(at).find(|(_, other)| other == address && address.port() != 0);
        if let Some((other, _)) = earlier {
            reader.fault(key, format!("is {address}, which is {other} already, must be another port"));
        }
    }
}

fn local(port: u16) -> std::net::SocketAddr {
    std::net::SocketAddr::from(([127, 0, 0, 1], port))
}

fn tenant(reader: &mut Reader) -> String {
    let tenant = reader.text("tenant").unwrap_or_else(|| "default".to_owned());
    if tenant.contains('/') {
        reader.fault(
            "tenant",
            format!("is {tenant:?}, must not contain a slash: it is the first part of every key"),
        );
    }
    tenant
}

fn truth(reader: &mut Reader, key: &str, default: bool) -> bool {
    reader.choice(key, default, &[("true", true), ("false", false)])
}

fn receive(reader: &mut Reader) -> ReceivePlan {
    ReceivePlan {
        enabled: truth(reader, "receive.enabled", true),
        grpc_address: reader.address("receive.grpc_address", local(4317)),
        http_address: reader.address("receive.http_address", local(4318)),
        request_bytes_max: reader.whole("receive.request_bytes_max", 64 << 20, 65_536..=1 << 30),
    }
}

fn log(reader: &mut Reader) -> LogPlan {
    let segment_bytes = reader.whole("log.segment_bytes", 64 << 20, 65_536..=1 << 30);
    let retained_bytes = reader.whole("log.retained_bytes", 4 << 30, 1 << 20..=10_000_000_000_000);
    if retained_bytes < 2 * segment_bytes {
        let text = format!("is {retained_bytes}, must be at least twice log.segment_bytes ({segment_bytes})");
        reader.fault("log.retained_bytes", text);
    }
    LogPlan {
        segment_bytes,
        retained_bytes,
        retained_secs: reader.whole("log.retained_secs", 259_200, 60..=31_536_000),
        fsync: reader.choice("log.fsync", true, &[("always", true), ("never", false)]),
    }
}

fn events(reader: &mut Reader) -> EventsPlan {
    EventsPlan {
        retained_bytes: reader.whole("events.retained_bytes", 256 << 20, 1 << 20..=1_000_000_000_000),
        retained_secs: reader.whole("events.retained_secs", 7_776_000, 3_600..=315_360_000),
    }
}

fn topic(reader: &mut Reader, key: &str, default: &str) -> String {
    let name = reader.text(key).unwrap_or_else(|| default.to_owned());
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.len() > 249 || !name.chars().all(legal) {
        reader.fault(
            key,
            format!("is {name:?}, must be a topic name: letters, digits, '.', '_' and '-', 249 at most"),
        );
    }
    name
}

fn brokers(reader: &mut Reader) -> Vec<String> {
    const KEY: &str = "kafka.brokers";
    let brokers = reader.list(KEY);
    if brokers.is_empty() {
        reader.fault(KEY, "is empty, must name at least one host:port");
    }
    let fine = |broker: &str| {
        broker.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    for broker in brokers.iter().filter(|broker| !fine(broker)) {
        reader.fault(KEY, format!("holds {broker:?}, must be a list of host:port, as in 127.0.0.1:9092"));
    }
    brokers
}

fn kafka(reader: &mut Reader) -> Option<KafkaPlan> {
    let enabled = truth(reader, "kafka.enabled", false);
    let modes = [("binary", EventMode::Binary), ("structured", EventMode::Structured)];
    let formats = [("otlp_proto", WireFormat::Proto), ("otlp_json", WireFormat::Json)];
    let plan = KafkaPlan {
        brokers: brokers(reader),
        group: reader.text("kafka.group").unwrap_or_else(|| "bellwether".to_owned()),
        instance: reader.text("kafka.instance").unwrap_or_default(),
        topic_metrics: topic(reader, "kafka.topics_metrics", "otlp_metrics"),
        topic_logs: topic(reader, "kafka.topics_logs", "otlp_logs"),
        topic_spans: topic(reader, "kafka.topics_spans", "otlp_spans"),
        encoding: reader.choice("kafka.encoding", WireFormat::Proto, &formats),
        topic_changes: topic(reader, "kafka.changes", "changes"),
        topic_outcomes: topic(reader, "kafka.outcomes", "outcomes"),
        event_mode: reader.choice("kafka.event_mode", EventMode::Binary, &modes),
        topic_risk_events: topic(reader, "kafka.risk_events", "risk-events"),
        topic_dead_letter: topic(reader, "kafka.dead_letter", "dead-letter"),
    };
    enabled.then_some(plan)
}

fn time(reader: &mut Reader) -> TimePlan {
    let least = reader.number("time.lateness_secs_min", 1.0, 0.0..=60.0);
    let largest = reader.number("time.lateness_secs_max", 15.0, 1.0..=300.0);
    if least > largest {
        reader.fault(
            "time.lateness_secs_min",
            format!("is {least}, must not exceed time.lateness_secs_max ({largest})"),
        );
    }
    TimePlan {
        lateness_secs_min: least,
        lateness_secs_max: largest,
        interruption_secs_max: reader.number("time.interruption_secs_max", 60.0, 0.0..=90.0),
        skew_secs_max: reader.number("time.skew_secs_max", 60.0, 1.0..=3600.0),
        window_secs: reader.whole("time.window_secs", 10, 1..=300),
    }
}

fn canary(reader: &mut Reader) -> CanaryPlan {
    let pause_alpha = reader.number("canary.pause_alpha", 0.01, 1e-6..=0.2);
    let act_alpha = reader.number("canary.act_alpha", 0.001, 1e-9..=0.05);
    if act_alpha > pause_alpha {
        reader.fault(
            "canary.act_alpha",
            format!("is {act_alpha}, must not exceed canary.pause_alpha ({pause_alpha})"),
        );
    }
    CanaryPlan {
        pause_alpha,
        act_alpha,
        horizon_secs: reader.number("canary.horizon_secs", 3600.0, 60.0..=86_400.0),
    }
}

fn slo(reader: &mut Reader) -> SloPlan {
    let latency_ms = reader.number("slo.latency_ms", 0.0, 0.0..=3_600_000.0);
    SloPlan {
        error_share: reader.number("slo.error_share", 0.05, 0.0001..=1.0),
        latency_ms: (latency_ms > 0.0).then_some(latency_ms),
        requests_min: reader.whole("slo.requests_min", 50, 1..=1_000_000),
    }
}

fn series(reader: &mut Reader) -> SeriesPlan {
    let alarms_per_day = reader.number("series.alarms_per_day", 1.0, 0.001..=100.0);
    let service_alarms_per_day = reader.number("series.service_alarms_per_day", 4.0, 0.001..=1000.0);
    if service_alarms_per_day < alarms_per_day {
        let text = format!(
            "is {service_alarms_per_day}, must not be below series.alarms_per_day ({alarms_per_day})"
        );
        reader.fault("series.service_alarms_per_day", text);
    }
    SeriesPlan {
        count_max: reader.whole("series.count_max", 50_000, 1..=10_000_000) as usize,
        full_bytes_max: reader.whole("series.full_bytes_max", 128 << 20, 0..=1_000_000_000_000),
        learning_secs: reader.whole("series.learning_secs", 86_400, 0..=2_592_000),
        alarms_per_day,
        service_alarms_per_day,
        time_zone: time_zone(reader),
        holidays: holidays(reader),
    }
}

fn time_zone(reader: &mut Reader) -> TimeZone {
    const KEY: &str = "series.time_zone";
    let text = reader.text(KEY).unwrap_or_else(|| "UTC0".to_owned());
    match TimeZone::posix(&text) {
        Ok(zone) => zone,
        Err(_) => {
            reader.fault(
                KEY,
                format!("is {text:?}, must be rules as in UTC0 or CET-1CEST,M3.5.0,M10.5.0/3 (POSIX TZ)"),
            );
            TimeZone::UTC
        }
    }
}

fn holidays(reader: &mut Reader) -> Vec<Date> {
    const KEY: &str = "series.holidays";
    let mut days = Vec::new();
    for text in reader.list(KEY) {
        match text.parse() {
            Ok(day) => days.push(day),
            Err(_) => reader.fault(KEY, format!("holds {text:?}, must be a list of days, as in 2026-12-25")),
        }
    }
    days
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Scenario: no file at all. Guarantees: the documented defaults are valid and complete (nothing unknown in them).
    #[test]
    fn the_documented_defaults_are_a_valid_plan() {
        let plan = read_files(&[], &[]).expect("default.yaml has no faults");
        assert_eq!(plan.receive.grpc_address, local(4317));
        assert!(plan.kafka.is_none());
    }

    /// Scenario: settings that contradict each other. Guarantees: each contradiction names both keys.
    #[test]
    fn contradictions_are_named() {
        let set =
            ["canary.act_alpha=0.05", "receive.enabled=false", "log.retained_bytes=1048576", "tenant=a/b"];
        let faults = read_files(&[], &set.map(str::to_owned)).expect_err("four faults");
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 4, "{told:#?}");
        assert!(told.iter().any(|text| text.contains("canary.pause_alpha (0.01)")), "{told:#?}");
        assert!(told.iter().any(|text| text.contains("kafka.enabled is false")), "{told:#?}");
    }
}
