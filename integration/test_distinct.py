"""Nothing is lost and nothing counts twice, from the SDK's side of the collector to what the engine works with.

Clients whose answer got lost send again, and so does the collector when a broker does not confirm in time: Kafka holds
more than was sent. The engine has to find the number that was sent, exactly.
"""

import collections
import json
import math
import sys
import time

import pytest
from confluent_kafka import Consumer
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from conftest import ROOT, Stage
from parts.kafka import Kafka
from parts.process import Child, wait_for
from parts.programs import Engine


def test_a_pause_of_the_broker(stage: Stage):
    """Scenario: 3,000 points/s for 45 s; after 15 s the broker answers nobody for 10 s.

    Guarantees: every point that was sent is on the topic; the engine's count without duplicates is the number sent.
    """
    Pause(stage).run(pods=6, series=500, seconds=45, pause_after=15, pause=10)


@pytest.mark.soak
def test_twenty_thousand_points_a_second(stage: Stage):
    """Scenario: 20,000 points/s for ten minutes with a broker away for 30 s; run it against release builds.

    Guarantees: the counts agree as in the short version, and the engine's memory in the last third lies within a
    quarter of what it was in the second third.
    """
    memory = Pause(stage).run(pods=20, series=1000, seconds=600, pause_after=200, pause=30)
    third = len(memory) // 3
    middle, last = max(memory[third : 2 * third]), max(memory[2 * third :])
    assert last <= middle * 1.25, f"{middle:.0f} MiB in the second third, {last:.0f} MiB in the last"


class Pause:
    """Load through collector and Kafka with the broker away for a while."""

    def __init__(self, stage: Stage) -> None:
        self._broker = stage.kafka()
        self._gate = stage.collector("kafka.yaml", KAFKA_BROKERS=self._broker.bootstrap)
        self._engine = stage.program(Engine("engine-kafka.yaml", stage.folder / "engine", brokers=self._broker.bootstrap))
        self._stage = stage

    def run(self, *, pods: int, series: int, seconds: int, pause_after: int, pause: int) -> list[float]:
        """Send, pause, compare; the engine's resident memory in MiB, once a second."""
        load = self._load(pods, series, seconds)
        memory = self._watch(load, seconds, pause_after, pause)
        sent = json.loads(load.out.read_text(encoding="utf-8").splitlines()[-1])
        stored = Stored(self._broker, sent["seconds"])
        wait_for("all points on the topic", lambda: stored.read() or stored.distinct() >= sent["points"], seconds=120)
        stored.settle()
        wait_for("all points in the engine", lambda: self._decoded() >= stored.raw, seconds=180, every=0.5)
        raw, duplicates = self._decoded(), self._duplicates()
        print(f"\nsent {sent} · topic {stored.raw} ({stored.distinct()} distinct) · engine {raw:.0f} - {duplicates:.0f}")
        print(f"engine memory: {memory[len(memory) // 3]:.0f} MiB after a third, {memory[-1]:.0f} at the end, {max(memory):.0f} at most")
        assert stored.distinct() == sent["points"]
        assert stored.raw >= sent["points"] + sent["repeated"] > sent["points"], "there are duplicates to find"
        assert stored.raw == raw, "the engine has decoded what the topic holds"
        assert raw - duplicates == sent["points"], self._engine.metrics().table("bellwether_dropped_total")
        return memory

    def _load(self, pods: int, series: int, seconds: int) -> Child:
        shape = [f"--pods={pods}", f"--series={series}", f"--seconds={seconds}"]
        command = [sys.executable, str(ROOT / "sdk" / "load.py"), "--otlp", f"127.0.0.1:{self._gate.grpc}", *shape]
        load = Child("load", command, self._stage.folder / "load")
        self._stage.on_exit(load.stop)
        return load

    def _watch(self, load: Child, seconds: int, pause_after: int, pause: int) -> list[float]:
        began, memory, paused = time.monotonic(), [], False
        over = began + 2 * seconds + 120
        while load.alive():
            passed = time.monotonic() - began
            away = pause_after <= passed < pause_after + pause
            if away != paused:
                (self._broker.child.pause if away else self._broker.child.resume)()
                paused = away
            memory.append(self._engine.child.memory_mib()["now"])
            assert time.monotonic() < over, load.tail()
            time.sleep(1)
        assert load.finish(seconds=1) == 0, load.tail()
        return memory

    def _decoded(self) -> float:
        return self._engine.metrics().total("bellwether_rows_total", signal="metrics")

    def _duplicates(self) -> float:
        return self._engine.metrics().total("bellwether_dropped_total", reason="duplicate")


class Stored:
    """What the metrics topic holds: each (series, second) is one bit."""

    def __init__(self, broker: Kafka, seconds: int) -> None:
        settings = {"bootstrap.servers": broker.bootstrap, "group.id": "stored", "auto.offset.reset": "earliest"}
        self._consumer = Consumer({**settings, "enable.auto.commit": False})
        self._consumer.subscribe(["otlp_metrics"])
        self._seen: dict[tuple[str, str], int] = collections.defaultdict(int)
        self._seconds = seconds
        self.raw = 0

    def read(self) -> None:
        """Take what is there."""
        while messages := self._consumer.consume(200, 0.5):
            for message in messages:
                if message.error() is None:
                    self._take(message.value())

    def settle(self) -> None:
        """Read until nothing has come for a while: copies may follow the last new point."""
        before = math.nan
        while before != self.raw:
            before = self.raw
            for _ in range(6):
                self.read()

    def _take(self, value: bytes) -> None:
        for resource in ExportMetricsServiceRequest.FromString(value).resource_metrics:
            pod = next(a.value.string_value for a in resource.resource.attributes if a.key == "k8s.pod.name")
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.sum.data_points:
                        self._seen[pod, point.attributes[0].value.string_value] |= 1 << point.as_int
                        self.raw += 1

    def distinct(self) -> int:
        """Different points."""
        return sum(bits.bit_count() for bits in self._seen.values())
