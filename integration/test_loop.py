"""The whole loop with nothing made up but the requests: a bad version is deployed through git, and git gets it back.

The shop follows its repository, as a GitOps controller would. So the loop is closed: the actuator's revert is what
heals it, and the engine sees that in the telemetry.
"""

import dataclasses
import json
import time

from confluent_kafka import Consumer, KafkaError, KafkaException

from conftest import Stage
from parts.process import Child, wait_for
from parts.programs import Actuator, Engine
from parts.repository import MANIFEST, Repository

# Spans of good behaviour before the deployment: half a minute of the shop's traffic.
_HISTORY_SPANS = 4800
_REVERT_LIMIT_S = 240
# What is promised from the first bad request to the commit, with exports every five seconds or more often; `%ct` cuts off the
# fraction of a second, and the shop looks at the branch once a second.
_PROMISED_S = 15
_RETURN_S = 5
_HEALED_LIMIT_S = 300


def test_through_kafka(stage: Stage):
    """Scenario: SDK, collector, Kafka, engine, `risk-events`, actuator; a canary of two pods fails 40 % of its requests.

    The actuator stands still for the first ten seconds after the deployment.

    Guarantees: the commit that introduced the version is reverted once, found by the path (the telemetry names no
    commit); the commit above it stays; the events on the topic are CloudEvents in binary mode under the service's
    key, and the ledger knows each exactly once; the outcome is on its topic; the incident is resolved after the shop
    has healed.
    """
    loop = Loop(stage)
    broker = stage.kafka()
    gate = stage.collector("kafka.yaml", KAFKA_BROKERS=broker.bootstrap)
    engine = stage.program(Engine("engine-kafka.yaml", stage.folder / "engine", brokers=broker.bootstrap))
    values = {"brokers": broker.bootstrap, "repository": loop.repository.bare, "mode": "auto"}
    actuator = stage.program(Actuator("actuator-kafka.yaml", stage.folder / "actuator", **values))
    loop.run(engine, stage.shop(gate.grpc, loop.repository), actuator, away_s=10)

    check_ledger(actuator, broker.bootstrap)
    messages = read_topic(broker.bootstrap, "risk-events")
    key = b"default/integration/test/shop/checkout"
    assert {message.key for message in messages} == {key}
    assert all(m.headers["ce_specversion"] == "1.0" and m.headers["ce_type"].startswith("dev.bellwether.risk.") for m in messages)
    assert [m.headers["ce_id"] for m in messages].count(loop.event_id) == 1, "the revert names an event of the topic"
    outcomes = read_topic(broker.bootstrap, "outcomes")
    assert any(loop.revert in json.dumps(message.value) for message in outcomes), "the outcome names the revert"


def test_over_otlp(stage: Stage):
    """Scenario: SDK, collector, OTLP, engine with its embedded log, HTTP, actuator; the SDK names the commit.

    Guarantees: as through Kafka, with `vcs.ref.head.revision` as the way to the guilty commit; the outcome has come
    back to the engine.
    """
    loop = Loop(stage)
    engine = stage.program(Engine("engine-otlp.yaml", stage.folder / "engine"))
    gate = stage.collector("otlp.yaml", ENGINE_ADDRESS=f"127.0.0.1:{engine.grpc}")
    values = {"engine_url": engine.url, "repository": loop.repository.bare, "mode": "auto"}
    actuator = stage.program(Actuator("actuator-http.yaml", stage.folder / "actuator", **values))
    loop.run(engine, stage.shop(gate.grpc, loop.repository, "--announce-commit"), actuator)
    records = "bellwether_records_total"
    wait_for("the outcome", lambda: engine.metrics().total(records, kind="outcome") >= 1, seconds=60)


class Loop:
    """The story that both tests tell, whatever lies between shop and repository."""

    def __init__(self, stage: Stage) -> None:
        self.repository = Repository(stage.folder / "git")
        self.good = self.repository.deploy("checkout", "v1")
        self.revert = ""
        self.event_id = ""

    def run(self, engine: Engine, shop: Child, actuator: Actuator, away_s: float = 0) -> None:
        """Good traffic, a bad commit, another commit on top, and the wait for the repository to be repaired.

        The actuator stands still from the moment of the deployment until the other commit is there, and longer if
        that is wanted.
        """
        wait_for("history", lambda: span_rows(engine) >= _HISTORY_SPANS, seconds=240)
        quiet = [event for event in engine.events() if event["data"]["assessment"]["level"] == "act"]
        assert quiet == [], "no reason to act before anything happened"
        # nobody's commit may come between these two, however slow the machine is
        actuator.child.pause()
        bad = self.repository.deploy("checkout", "v2-bad")
        shop.wait_until("the canary runs", lambda: shop.said('"canary"'), seconds=90)
        other = self.repository.deploy("frontend", "v7")
        back = time.monotonic() + away_s
        wait_for("the actuator's return", lambda: time.monotonic() >= back, seconds=away_s + 5)
        actuator.child.resume()
        self._wait_for_revert(engine, other)
        self._check_revert(bad, other)
        shop.wait_until("the canary is withdrawn", lambda: shop.said('"withdrawn"'), seconds=90)
        wait_for("a resolved incident", lambda: self._resolved(engine), seconds=_HEALED_LIMIT_S, every=0.5)
        assert self.repository.log()[0] == self.revert, "one revert, and nothing after it"
        actuator.verify_ledger()
        self._tell(shop, away_s)

    def _wait_for_revert(self, engine: Engine, tip: str) -> None:
        try:
            wait_for("a revert", lambda: self.repository.log()[0] != tip, seconds=_REVERT_LIMIT_S)
        except TimeoutError as late:
            seen = "\n".join(json.dumps(event)[:2000] for event in engine.events()[-5:])
            raise AssertionError(f"{late}; the last events are:\n{seen}") from late

    def _check_revert(self, bad: str, other: str) -> None:
        commits = self.repository.log()
        assert commits == [commits[0], other, bad, self.good], "one commit on top, nothing rewritten"
        self.revert = commits[0]
        assert self.repository.changed(self.revert) == [MANIFEST]
        assert self.repository.show(MANIFEST) == self.repository.show(MANIFEST, self.good)
        trailers = self.repository.trailers(self.revert)
        assert trailers.get("Reverts") == bad, self.repository.message(self.revert)
        assert {"Risk-Event", "Risk-Evidence", "Policy"} <= trailers.keys(), trailers
        self.event_id = trailers["Risk-Event"]

    def _resolved(self, engine: Engine) -> bool:
        events = {event["id"]: event["data"] for event in engine.events()}
        assert self.event_id in events, f"the revert names the event {self.event_id}, which the engine does not know"
        incident = events[self.event_id]["incident_id"]
        return any(e["incident_id"] == incident and e["status"] == "resolved" for e in events.values())

    def _tell(self, shop: Child, away_s: float) -> None:
        lines = [json.loads(line) for line in shop.out.read_text(encoding="utf-8").splitlines()]
        when = {line["event"]: line["at"] for line in lines if "at" in line}
        took = self.repository.seconds(self.revert) - when["canary"]
        healed = when["withdrawn"] - when["canary"]
        print(f"\nbad version served -> revert committed {took:.0f} s (whole seconds) -> withdrawn {healed:.1f} s")
        # an actuator that is back acts on what is waiting for it, and its absence is the test's
        promised = max(_PROMISED_S, away_s + _RETURN_S)
        assert took <= promised, f"{took:.0f} s from the first bad request to the revert, {promised} s are promised"


def check_ledger(actuator: Actuator, bootstrap: str) -> None:
    """The ledger knows every event of the topic exactly once."""
    published = sorted(message.headers["ce_id"] for message in read_topic(bootstrap, "risk-events"))
    wait_for("all events in the ledger", lambda: len(actuator.seen()) >= len(published), seconds=120)
    assert sorted(actuator.seen()) == published


def span_rows(engine: Engine) -> float:
    """Spans that the engine has decoded."""
    rows = engine.metrics()
    return rows.total("bellwether_rows_total", signal="spans") + rows.total("bellwether_rows_total", signal="traces")


@dataclasses.dataclass(frozen=True)
class Message:
    """One record of a topic."""

    key: bytes
    headers: dict[str, str]
    value: object


def read_topic(bootstrap: str, topic: str) -> list[Message]:
    """Everything on a topic of one partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": f"read-{topic}-{time.monotonic_ns()}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    found: list[Message] = []

    def at_end() -> bool:
        for message in consumer.consume(100, 0.5):
            if message.error() is not None:
                if message.error().code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(message.error())
                return True
            headers = {name: value.decode() for name, value in message.headers() or []}
            found.append(Message(message.key(), headers, json.loads(message.value() or b"null")))
        return False

    try:
        consumer.subscribe([topic])
        wait_for(f"the end of {topic}", at_end, seconds=120)
    finally:
        consumer.close()
    return found
