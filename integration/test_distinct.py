"""Nothing is lost and nothing counts twice, from the SDK's side of the collector to what the engine works with.

Clients whose answer got lost send again, and so does the collector when a broker does not confirm in time: Kafka holds
more than was sent. The engine has to find the number that was sent, exactly.
"""

import collections
import json
import sys
import threading
import time

import pytest
from confluent_kafka import Consumer
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from conftest import ROOT, Stage
from parts.kafka import Kafka
from parts.process import Child, wait_for
from parts.programs import Actuator, Engine
from sdk.load import METRIC
from test_loop import Loop, check_ledger

# A copy may be recognised as one, or come so late that its window is closed. What was sent once must be neither.
_SET_ASIDE = ("duplicate_points", "late_points", "future_points")
# The metrics of load and shop that the engine has a use for; others are decoded and go no further.
_USED = (METRIC, "http.server.request.duration")


def test_a_pause_of_the_broker(stage: Stage):
    """Scenario: 3,000 points/s for 45 s; after 15 s the broker answers nobody for 12 s.

    Guarantees: every point that was sent is on the topic; the engine sets aside as many points as are copies, so what it
    works with is what was sent.
    """
    line = Line(stage)
    line.load(pods=6, series=500, seconds=45, pause_after=15, pause=12)
    line.compare()


@pytest.mark.soak
def test_twenty_thousand_points_a_second(stage: Stage):
    """Scenario: 20,000 points/s for ten minutes, the broker away for 30 s; later a bad version, and the actuator away
    for 30 s while the events about it appear. Run it against release builds.

    Guarantees: the counts agree as in the short version; the bad version is reverted once, and the ledger knows every
    event of the topic exactly once; the engine's memory in the last third of the time is at most a quarter above that
    of the second third.
    """
    loop, line = Loop(stage), Line(stage)
    values = {"brokers": line.broker.bootstrap, "repository": loop.repository.bare, "mode": "auto"}
    actuator = stage.program(Actuator("actuator-kafka.yaml", stage.folder / "actuator", **values))
    watch = line.load(pods=20, series=1000, seconds=600, pause_after=120, pause=30)
    wait_for("the broker is back", lambda: watch.seconds() > 180, seconds=200, every=1)
    shop = stage.shop(line.gate.grpc, loop.repository)
    loop.run(line.engine, shop, actuator, away_s=30)
    check_ledger(actuator, line.broker.bootstrap)
    shop.stop()
    line.compare()
    third = len(watch.memory) // 3
    middle, last = max(watch.memory[third : 2 * third]), max(watch.memory[2 * third :])
    assert last <= middle * 1.25, f"{middle:.0f} MiB in the second third, {last:.0f} MiB in the last"


class Watch(threading.Thread):
    """Beside the load: pauses the broker once; notes every second how much memory the engine has and what came late."""

    def __init__(self, line: "Line", load: Child, pause_after: int, pause: int) -> None:
        super().__init__(daemon=True)
        self._line, self._load, self._from, self._to = line, load, pause_after, pause_after + pause
        self._began = time.monotonic()
        self.memory: list[float] = []
        self.late: list[tuple[int, float]] = []

    def seconds(self) -> float:
        """Since the load began."""
        return time.monotonic() - self._began

    def run(self) -> None:
        """The thread."""
        paused = False
        while self._load.alive():
            away = self._from <= self.seconds() < self._to
            if away != paused:
                (self._line.broker.child.pause if away else self._line.broker.child.resume)()
                paused = away
            self.memory.append(self._line.engine.child.memory_mib()["now"])
            late = self._line.engine.metrics().total("bellwether_dropped_total", reason="late_points")
            if late != (self.late[-1][1] if self.late else 0):
                self.late.append((round(self.seconds()), late))
            time.sleep(1)


class Line:
    """Load, collector, Kafka, engine."""

    def __init__(self, stage: Stage) -> None:
        self.broker = stage.kafka()
        self.gate = stage.collector("kafka.yaml", KAFKA_BROKERS=self.broker.bootstrap)
        self.engine = stage.program(Engine("engine-kafka.yaml", stage.folder / "engine", brokers=self.broker.bootstrap))
        self._stage = stage

    def load(self, *, pods: int, series: int, seconds: int, pause_after: int, pause: int) -> Watch:
        """Begin to send."""
        shape = [f"--pods={pods}", f"--series={series}", f"--seconds={seconds}"]
        command = [sys.executable, str(ROOT / "sdk" / "load.py"), "--otlp", f"127.0.0.1:{self.gate.grpc}", *shape]
        self._load = Child("load", command, self._stage.folder / "load")
        self._stage.on_exit(self._load.stop)
        self._limit = seconds + 120
        self._watch = Watch(self, self._load, pause_after, pause)
        self._watch.start()
        return self._watch

    def compare(self) -> None:
        """Wait for the load to end and hold the three counts against each other."""
        assert self._load.finish(seconds=self._limit) == 0, self._load.tail()
        self._watch.join()
        sent, memory = json.loads(self._load.out.read_text(encoding="utf-8").splitlines()[-1]), self._watch.memory
        stored = Stored(self.broker)
        wait_for("all points on the topic", lambda: stored.read() or stored.distinct() >= sent["points"], seconds=300)
        stored.settle()
        wait_for("all points in the engine", lambda: self._decoded() >= stored.all_points, seconds=300, every=0.5)
        wait_for("the copies found", lambda: self._set_aside() >= stored.copies(), seconds=120, every=0.5)
        raw, aside = self._decoded(), self._set_aside()
        print(f"\nsent {sent} · topic {stored.raw} ({stored.distinct()} distinct) · engine {raw:.0f}, set aside {aside:.0f}")
        print(f"engine: {memory[len(memory) // 3]:.0f} MiB after a third, {memory[-1]:.0f} at the end, {max(memory):.0f} at most")
        assert stored.distinct() == sent["points"]
        assert stored.raw >= sent["points"] + sent["repeated"] > sent["points"], "there are duplicates to find"
        assert raw == stored.all_points, "the engine has decoded what the topic holds"
        assert aside == stored.copies(), (self._watch.late, self.engine.metrics().table("bellwether_dropped_total"))

    def _decoded(self) -> float:
        return self.engine.metrics().total("bellwether_rows_total", signal="metrics")

    def _set_aside(self) -> float:
        metrics = self.engine.metrics()
        return sum(metrics.total("bellwether_dropped_total", reason=reason) for reason in _SET_ASIDE)


class Stored:
    """What the metrics topic holds: each (series, second) of the load is one bit, points of others are kept whole."""

    def __init__(self, broker: Kafka) -> None:
        settings = {"bootstrap.servers": broker.bootstrap, "group.id": "stored", "auto.offset.reset": "earliest"}
        self._consumer = Consumer({**settings, "enable.auto.commit": False})
        self._consumer.subscribe(["otlp_metrics"])
        self._seen: dict[tuple[str, str], int] = collections.defaultdict(int)
        self._others: collections.Counter[bytes] = collections.Counter()
        self._used = 0
        self.raw = 0
        self.all_points = 0

    def read(self) -> None:
        """Take what is there."""
        while messages := self._consumer.consume(200, 0.5):
            for message in messages:
                if message.error() is None:
                    self._take(message.value())

    def settle(self) -> None:
        """Read until nothing has come for a while: copies may follow the last new point."""
        before = -1
        while before != self.all_points:
            before = self.all_points
            for _ in range(6):
                self.read()

    def _take(self, value: bytes) -> None:
        for resource in ExportMetricsServiceRequest.FromString(value).resource_metrics:
            pod = next(a.value.string_value for a in resource.resource.attributes if a.key == "k8s.pod.name")
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    points = getattr(metric, metric.WhichOneof("data")).data_points
                    self.all_points += len(points)
                    if metric.name not in _USED:
                        continue
                    self._used += len(points)
                    if metric.name != METRIC:
                        self._others.update(pod.encode() + point.SerializeToString(deterministic=True) for point in points)
                        continue
                    self.raw += len(points)
                    for point in points:
                        self._seen[pod, point.attributes[0].value.string_value] |= 1 << point.as_int

    def distinct(self) -> int:
        """Different points of the load."""
        return sum(bits.bit_count() for bits in self._seen.values())

    def copies(self) -> int:
        """Points of the used metrics that repeat an earlier one."""
        return self._used - self.distinct() - len(self._others)
