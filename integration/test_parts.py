"""The parts by themselves: what the engine may rely on when it stands behind them."""

import collections

import pytest
from confluent_kafka import Consumer
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from conftest import COLLECTOR_CONFIGS
from parts import collector
from parts.process import wait_for
from parts.repository import Repository


@pytest.mark.parametrize("config", ["kafka.yaml", "otlp.yaml"])
def test_the_recommended_configuration_is_accepted_by_the_collector(config, tmp_path):
    """Scenario: every shipped collector configuration. Guarantees: the collector itself finds no fault in it."""
    env = {"KAFKA_BROKERS": "127.0.0.1:9092", "QUEUE_DIRECTORY": str(tmp_path)}
    collector.validate(COLLECTOR_CONFIGS / config, env)


def test_what_the_sdk_says_stands_on_the_topics(stage):
    """Scenario: SDK, collector, Kafka; a bad version beside a good one.

    Guarantees: every request that the shop counted is on `otlp_spans` as two spans, once; metrics and logs of both
    versions are on their topics; spans are keyed by trace; the shop follows its repository in both directions.
    """
    repository = Repository(stage.folder / "git")
    repository.deploy("checkout", "v1")
    broker = stage.kafka()
    gate = stage.collector("kafka.yaml", KAFKA_BROKERS=broker.bootstrap)
    shop = stage.shop(gate.grpc, repository, "--metrics-every-ms=1000", "--failing-share=0.5")
    repository.deploy("checkout", "v2-bad")
    shop.wait_until("a canary runs", lambda: shop.said('"canary"'), seconds=90)
    seen = Topics(broker.bootstrap)
    wait_for("an error log of the canary", lambda: seen.read() and seen.logs["v2-bad"] > 10, seconds=120)
    repository.deploy("checkout", "v1")
    shop.wait_until("the canary is withdrawn", lambda: shop.said('"withdrawn"'), seconds=90)
    shop.stop()
    requests = int(shop.out.read_text().splitlines()[-1].split('"requests": ')[1].rstrip("}"))
    wait_for("all spans", lambda: seen.read() or len(seen.spans) >= 2 * requests, seconds=30, every=0.5)
    seen.read()
    seen.close()
    assert len(seen.spans) == 2 * requests
    assert seen.keys == {32}, "a trace's spans are keyed by its id in hex"
    assert seen.points["v1"] > 0 and seen.points["v2-bad"] > 0
    assert seen.logs["v1"] < seen.logs["v2-bad"]


class Topics:
    """Reads the three telemetry topics and counts."""

    def __init__(self, bootstrap: str) -> None:
        settings = {"bootstrap.servers": bootstrap, "group.id": "check", "auto.offset.reset": "earliest"}
        self._consumer = Consumer({**settings, "enable.auto.commit": False})
        self._consumer.subscribe(["otlp_metrics", "otlp_logs", "otlp_spans"])
        self.spans: set[bytes] = set()
        self.keys: set[int] = set()
        self.points: collections.Counter[str] = collections.Counter()
        self.logs: collections.Counter[str] = collections.Counter()

    def read(self) -> int:
        """Take what is there; the number of messages."""
        taken = 0
        while messages := self._consumer.consume(500, 0.5):
            for message in messages:
                if message.error() is None:
                    taken += 1
                    getattr(self, f"_{message.topic()}")(message)
        return taken

    def _otlp_spans(self, message) -> None:
        self.keys.add(len(message.key() or b""))
        for resource in ExportTraceServiceRequest.FromString(message.value()).resource_spans:
            for scope in resource.scope_spans:
                self.spans.update(span.span_id for span in scope.spans)

    def _otlp_metrics(self, message) -> None:
        for resource in ExportMetricsServiceRequest.FromString(message.value()).resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == "http.server.request.duration":
                        self.points[_version(resource)] += len(metric.histogram.data_points)

    def _otlp_logs(self, message) -> None:
        for resource in ExportLogsServiceRequest.FromString(message.value()).resource_logs:
            self.logs[_version(resource)] += sum(len(scope.log_records) for scope in resource.scope_logs)

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()


def _version(resource) -> str:
    values = {a.key: a.value.string_value for a in resource.resource.attributes}
    return values.get("service.version", "")
