"""What the tests share. A component that cannot be installed or started fails the test; nothing is skipped."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, NewTopic

from parts.collector import Collector
from parts.kafka import Kafka
from parts.process import Child, wait_for
from parts.programs import Actuator, Engine, get
from parts.repository import MANIFEST, Repository

ROOT = Path(__file__).resolve().parent
COLLECTOR_CONFIGS = ROOT.parent / "deploy" / "collector"
TELEMETRY_TOPICS = {"otlp_metrics": 3, "otlp_logs": 3, "otlp_spans": 3}
PRODUCT_TOPICS = {"risk-events": 1, "changes": 1, "outcomes": 1, "actions": 1, "dead-letter": 1}


# Recordings carry old timestamps: retention by age would remove them at once.
_KEEP = {"retention.ms": "-1"}


class Stage:
    """Starts parts in one folder and stops them in the reverse order, whatever the test does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stops: list[Callable[[], object]] = []
        self._programs: list[Engine | Actuator] = []

    def on_exit(self, stop: Callable[[], object]) -> None:
        """Call this when the test has ended."""
        self._stops.append(stop)

    def kafka(self) -> Kafka:
        """A broker of its own with all topics."""
        broker = Kafka(self.folder / "kafka")
        self.on_exit(broker.stop)
        broker.start()
        create_topics(broker.bootstrap, {**TELEMETRY_TOPICS, **PRODUCT_TOPICS})
        return broker

    def collector(self, config: str, **env: str) -> Collector:
        """A collector with a shipped configuration."""
        collector = Collector(COLLECTOR_CONFIGS / config, self.folder / "collector", env)
        self.on_exit(collector.stop)
        return collector.start()

    def program(self, part):
        """An Engine or Actuator, started."""
        self.on_exit(lambda: part.child and part.child.stop())
        self._programs.append(part)
        return part.start()

    def state(self) -> str:
        """How the programs are, for whoever has to find out why a test failed: end of their logs, and their metrics."""
        told = []
        for part in self._programs:
            metrics = get(f"{part.url}/metrics")[1].splitlines()
            worth = (line for line in metrics if not line.startswith("#") and "_bucket" not in line and not line.endswith(" 0"))
            told.append("\n".join([part.child.tail() if part.child else "(never started)", *worth]))
        return "\n\n".join(told)

    def shop(self, grpc_port: int, repository: Repository, *options: str) -> Child:
        """The instrumented shop, sending to a port."""
        target = ["--otlp", f"127.0.0.1:{grpc_port}", "--repository", str(repository.bare), "--path", MANIFEST]
        child = Child("shop", [sys.executable, str(ROOT / "sdk" / "shop.py"), *target, *options], self.folder / "shop")
        self.on_exit(child.stop)
        child.wait_until("it runs", lambda: child.said('"running"'), seconds=120)
        return child

    def close(self) -> None:
        """Stop everything; the first failure is raised after all were tried."""
        failures = []
        for stop in reversed(self._stops):
            try:
                stop()
            except Exception as failed:  # pylint: disable=broad-exception-caught
                failures.append(failed)
        if failures:
            raise failures[0]


def create_topics(bootstrap: str, partitions: dict[str, int]) -> None:
    """Create topics and wait until the broker knows them."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    futures = admin.create_topics([NewTopic(name, count, 1, config=_KEEP) for name, count in partitions.items()])
    for future in futures.values():
        future.result(90)
    wait_for("topics", lambda: set(partitions) <= set(admin.list_topics(timeout=5).topics), seconds=90)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failed test shows how its programs were at that moment."""
    report = yield
    opened = getattr(item, "funcargs", {}).get("stage")
    if call.when == "call" and report.failed and opened is not None:
        report.sections.append(("programs", opened.state()))
    return report


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """A place to start parts in."""
    opened = Stage(tmp_path)
    try:
        yield opened
    finally:
        opened.close()
