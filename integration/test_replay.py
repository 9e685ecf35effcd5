"""One recording on Kafka, read again and again: what comes out does not depend on crashes or on partitions."""

import random
import time

import pytest

from conftest import Stage, create_topics
from parts.kafka import Kafka
from parts.process import wait_for
from parts.programs import Engine
from sdk import recording
from test_loop import Message, read_topic

_RUN_LIMIT_S = 300


def test_the_same_recording_gives_the_same_events(stage: Stage):
    """Scenario: a recording with one bad canary over three partitions, read twice; a third time with five `kill -9`;
    and the same recording in one partition.

    Guarantees: keys, headers and bytes of all risk events are the same, each exactly once, for a committed reader.
    """
    readings = Readings(stage)
    first = readings.read("first", partitions=3)
    assert first[-1].headers["ce_type"] == "dev.bellwether.risk.resolved.v1"
    assert readings.read("second", partitions=3, events=len(first)) == first
    assert readings.read("killed", partitions=3, kills=5, events=len(first)) == first
    assert readings.read("narrow", partitions=1, events=len(first)) == first


@pytest.mark.soak
def test_twenty_kills(stage: Stage):
    """Scenario: as above with twenty kills. Guarantees: the same events as undisturbed."""
    readings = Readings(stage)
    undisturbed = readings.read("undisturbed", partitions=3)
    assert readings.read("killed", partitions=3, kills=20, events=len(undisturbed)) == undisturbed


class Readings:
    """A broker with the recording; each reading has a group, a topic and a folder of its own."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._broker: Kafka = stage.kafka()
        self._random = random.Random(7)
        for partitions in (1, 3):
            topic = f"spans-{partitions}"
            create_topics(self._broker.bootstrap, {topic: partitions})
            self._spans = recording.write(self._broker.bootstrap, topic, partitions) * recording.RATE

    def read(self, name: str, *, partitions: int, kills: int = 0, events: int = 0) -> list[Message]:
        """All events of one reading: `events` of them, or those that are there when the whole recording was read."""
        topic = f"events-{name}"
        create_topics(self._broker.bootstrap, {topic: 1})
        sets = {
            "kafka.group": name,
            "kafka.instance": name,
            "kafka.topics_spans": f"spans-{partitions}",
            "kafka.risk_events": topic,
        }
        engine = Engine("engine-kafka.yaml", self._stage.folder / name, sets, brokers=self._broker.bootstrap)
        self._stage.program(engine)
        for _ in range(kills):
            self._kill(engine)
        try:
            done = (lambda: len(read_topic(self._broker.bootstrap, topic)) >= events) if events else (lambda: self._read(engine))
            wait_for("the recording's end", done, seconds=_RUN_LIMIT_S, every=0.5)
        except TimeoutError as late:
            raise AssertionError(f"{late}\n{engine.child.tail()}") from late
        assert engine.child.stop() == 0, engine.child.tail()
        return read_topic(self._broker.bootstrap, topic)

    def _kill(self, engine: Engine) -> None:
        moment = time.monotonic() + self._random.uniform(0.02, 1.0)
        wait_for("the moment", lambda: time.monotonic() >= moment, seconds=5, every=0.01)
        engine.child.kill()
        engine.start()

    def _read(self, engine: Engine) -> bool:
        return engine.metrics().total("bellwether_rows_total", signal="spans") >= self._spans
