"""The embedded log, written once by a real loop and judged again: kills of the whole process do not show."""

import random
import shutil
import time
from pathlib import Path

import pytest

from conftest import Stage
from parts.process import wait_for
from parts.programs import Engine, get
from parts.repository import Repository
from test_loop import span_rows

# Spans of good behaviour before the deployment: 25 s of the shop's traffic.
_HISTORY_SPANS = 4000


@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.soak)])
def test_kills_do_not_show(stage: Stage, kills: int):
    """Scenario: shop, OTLP, engine; a bad canary comes and goes. The log that this wrote is judged again by an engine
    without any other state, and by one that is killed with -9 at random moments.

    Guarantees: both give the bytes of the events that the first engine gave while it happened.
    """
    log, live = record(stage)
    assert any('"level":"act"' in event for event in live), "the bad canary was noticed"
    straight = again(stage, log, "straight")
    wait_for("the events", lambda: len(events(straight)) >= len(live), seconds=300, every=0.5)
    expected = events(straight)[: len(live)]
    assert expected == live
    killed, rng = again(stage, log, "killed"), random.Random(kills)
    for _ in range(kills):
        time.sleep(rng.uniform(0.02, 1.0))
        killed.child.kill()
        killed.start()
    wait_for("the events", lambda: len(events(killed)) >= len(live), seconds=300, every=0.5)
    assert events(killed)[: len(live)] == expected
    print(f"\n{kills} kills: the same {len(live)} events, {sum(map(len, live))} bytes")


def record(stage: Stage) -> tuple[Path, list[str]]:
    """The log of an engine that saw a bad canary come and go, and its events."""
    repository = Repository(stage.folder / "git")
    repository.deploy("checkout", "v1")
    engine = stage.program(Engine("engine-otlp.yaml", stage.folder / "engine"))
    gate = stage.collector("otlp.yaml", ENGINE_ADDRESS=f"127.0.0.1:{engine.grpc}")
    shop = stage.shop(gate.grpc, repository)
    wait_for("history", lambda: span_rows(engine) >= _HISTORY_SPANS, seconds=180)
    repository.deploy("checkout", "v2-bad")
    wait_for("a verdict", lambda: any('"level":"act"' in event for event in events(engine)), seconds=180)
    repository.deploy("checkout", "v1")
    shop.wait_until("the canary is withdrawn", lambda: shop.said('"withdrawn"'), seconds=60)
    shop.stop()
    live = events(engine)
    assert engine.child.stop() == 0, engine.child.tail()
    return stage.folder / "engine" / "data" / "log", live


def again(stage: Stage, log: Path, name: str) -> Engine:
    """An engine over a copy of a log, with no other state."""
    folder = stage.folder / name
    shutil.copytree(log, folder / "data" / "log")
    return stage.program(Engine("engine-otlp.yaml", folder))


def events(engine: Engine) -> list[str]:
    """All events so far, as they are."""
    status, body = get(f"{engine.url}/api/v1/risk-events?limit=1000")
    assert status == 200, body
    return [line for line in body.splitlines() if line]
