"""What does not arrive, and what cannot be read: a partition that falls idle, a topic that does, and the dead-letter topic."""

import random
import time

from confluent_kafka import Producer

from conftest import Stage
from parts.process import wait_for
from parts.programs import Engine
from sdk import recording
from test_loop import read_topic

# The stable version's pods write to the first two partitions, the new one's to the third, which then falls idle.
_STABLE, _CANARY = (0, 1), 2
_TOPIC = "otlp_spans"


def test_a_partition_and_then_the_topic_fall_silent(stage: Stage):
    """Scenario: four pods of one version on two partitions; two pods of a new version serve on a third, and stop; the
    others go on. Later everything stops.

    Guarantees: the idle partition does not hold time up, and the silence of the new version is published with its rule;
    with no record on any topic time still goes on, and the incident ends.
    """
    broker = stage.kafka()
    engine = stage.program(Engine("engine-kafka.yaml", stage.folder / "engine", brokers=broker.bootstrap))
    live = Live(broker.bootstrap)
    live.until("history", lambda: live.seconds >= 40, 90, live.stable)
    served_until = live.seconds + 20
    live.until("the new version serves", lambda: live.seconds >= served_until, 60, live.stable + live.canary)
    live.until("its silence is told", lambda: _silence(engine), 120, live.stable)
    assert live.flush() == 0
    event = _silence(engine)[0]
    scope = event["data"]["scope"]
    assert (scope["service"], scope["version"], scope["stable_version"]) == ("checkout", "v2", "v1")

    wait_for("what was sent is read", lambda: engine.metrics().total("bellwether_rows_total", signal="spans") >= live.spans, seconds=60)
    clocks = engine.metrics().total("bellwether_records_total", kind="clock")
    wait_for("time goes on", lambda: engine.metrics().total("bellwether_records_total", kind="clock") >= clocks + 5, seconds=60)
    incident = event["data"]["incident_id"]
    ended = {"status": "resolved", "incident_id": incident}
    wait_for("its end", lambda: any(ended.items() <= told["data"].items() for told in engine.events()), seconds=120)


def test_what_cannot_be_read_stands_on_the_dead_letter_topic(stage: Stage):
    """Scenario: between good records one that is no protobuf and one that is torn in the middle.

    Guarantees: both stand on the dead-letter topic with partition, offset, reason and the beginning of their bytes; the
    good ones before and behind count; the drops are counted by reason.
    """
    broker = stage.kafka()
    engine = stage.program(Engine("engine-kafka.yaml", stage.folder / "engine", brokers=broker.bootstrap))
    live = Live(broker.bootstrap)
    live.send(live.stable)
    whole = recording.request(random.Random(3), live.stable[0][0], live.now_ms())
    for broken in (b"\xff\xff\xff not a request", whole[: len(whole) // 2]):
        live.producer.produce(_TOPIC, broken, partition=_CANARY)
    live.send(live.stable)
    assert live.flush() == 0
    wait_for("the good records", lambda: engine.metrics().total("bellwether_rows_total", signal="spans") >= live.spans, seconds=60)
    wait_for("both letters", lambda: len(read_topic(broker.bootstrap, "dead-letter")) >= 2, seconds=60)
    letters = read_topic(broker.bootstrap, "dead-letter")
    told = {message.key: message.value for message in letters}
    assert set(told) == {f"{_TOPIC}/{_CANARY}@{offset}".encode() for offset in (0, 1)}, told.keys()
    for letter, broken in zip([told[key] for key in sorted(told)], (b"\xff\xff\xff not a request", whole[: len(whole) // 2])):
        assert letter["reason"] == "malformed" and letter["body_bytes"] == len(broken), letter
        start = bytes.fromhex(letter["body_start"])
        assert broken.startswith(start) and start, letter
    assert engine.metrics().total("bellwether_dropped_total", reason="malformed") == 2


def _silence(engine: Engine) -> list[dict]:
    """The events that rest on silence."""
    return [event for event in engine.events() if event["data"]["rule"]["name"] == "silence"]


class Live:
    """Pods that say once a second what they served in the second before."""

    def __init__(self, bootstrap: str) -> None:
        self.producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5})
        self.stable = [(recording.Pod("v1", number, 0.004), _STABLE[number % 2]) for number in range(4)]
        self.canary = [(recording.Pod("v2", number, 0.004), _CANARY) for number in range(2)]
        self.seconds = 0
        self.spans = 0
        self._random = random.Random(11)
        self._next = time.monotonic()

    @staticmethod
    def now_ms() -> int:
        """The second that is over."""
        return int(time.time() * 1000) - 1000

    def send(self, pods: list[tuple[recording.Pod, int]]) -> None:
        """One second of these pods."""
        for pod, partition in pods:
            self.producer.produce(_TOPIC, recording.request(self._random, pod, self.now_ms()), partition=partition)
            self.spans += recording.RATE
        self.producer.poll(0)
        self.seconds += 1

    def until(self, what: str, done, seconds: float, pods: list[tuple[recording.Pod, int]]) -> None:
        """Lets these pods serve, second by second, until a condition holds."""

        def step() -> bool:
            if time.monotonic() >= self._next:
                self._next = max(self._next + 1, time.monotonic())
                self.send(pods)
            return bool(done())

        wait_for(what, step, seconds=seconds, every=0.1)

    def flush(self) -> int:
        """How many records were not confirmed."""
        return self.producer.flush(30)
