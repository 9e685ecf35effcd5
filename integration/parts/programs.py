"""The two programs under test, with the configuration templates of `integration/templates`."""

import json
import os
import re
import string
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from .process import Child, free_ports

ROOT = Path(__file__).resolve().parent.parent
_TEMPLATES = ROOT / "templates"


def binary(name: str) -> Path:
    """A built program: below `BELLWETHER_BIN`, else in cargo's debug folder. Absent is an error, never a skip."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT.parent / "target"))
    path = Path(os.environ.get("BELLWETHER_BIN", target / "debug")) / name
    if not path.is_file():
        raise FileNotFoundError(f"{path}: build it first (cargo build --workspace --bins), or set BELLWETHER_BIN")
    return path


def fill(template: str, place: Path, **values: object) -> Path:
    """Write a template with its `$names` filled in; a name without a value is an error."""
    text = (_TEMPLATES / template).read_text(encoding="utf-8")
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(string.Template(text).substitute({k: str(v) for k, v in values.items()}), encoding="utf-8")
    return place


def get(url: str, timeout: float = 5) -> tuple[int, str]:
    """Status and body; status 0 when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()
    except OSError as failed:
        return 0, str(failed)


class Samples:
    """One reading of a Prometheus endpoint."""

    def __init__(self, text: str) -> None:
        self._series: list[tuple[str, dict[str, str], float]] = []
        for line in text.splitlines():
            if line and not line.startswith("#"):
                series, value = line.rsplit(" ", 1)
                name, _, labels = series.rstrip("}").partition("{")
                self._series.append((name, dict(re.findall(r'(\w+)="([^"]*)"', labels)), float(value)))

    def total(self, metric: str, **labels: str) -> float:
        """The sum over the series that have these labels."""
        wanted = labels.items()
        return sum(value for name, have, value in self._series if name == metric and wanted <= have.items())

    def table(self, metric: str) -> dict[str, float]:
        """Every series of a metric, by its labels in one text."""
        found = {}
        for name, have, value in self._series:
            if name == metric:
                found[" ".join(f"{k}={v}" for k, v in sorted(have.items()))] = value
        return found


class Engine:
    """`bellwether run` with one of the engine templates."""

    def __init__(self, template: str, folder: Path, sets: dict[str, str] | None = None, **values: object) -> None:
        self._folder = folder
        self._sets = [f"--set={key}={value}" for key, value in (sets or {}).items()]
        self.grpc, self.http, self.api = free_ports(3)
        listen = {"grpc_port": self.grpc, "http_port": self.http, "api_port": self.api}
        self._config = fill(template, folder / "engine.yaml", data_dir=folder / "data", **listen, **values)
        self.child: Child | None = None
        self._starts = 0

    @property
    def url(self) -> str:
        """Where its API answers."""
        return f"http://127.0.0.1:{self.api}"

    def start(self) -> "Engine":
        """Start it and wait until it says that it is ready."""
        command = [str(binary("bellwether")), "run", "--config", str(self._config), *self._sets]
        self._starts += 1
        self.child = Child(f"engine-{self._starts}", command, self._folder)
        self.child.wait_until("it is ready", lambda: get(f"{self.url}/readyz")[0] == 200, seconds=180)
        return self

    def events(self) -> list[dict]:
        """All risk events so far, oldest first."""
        status, body = get(f"{self.url}/api/v1/risk-events?limit=1000")
        if status != 200:
            raise RuntimeError(f"risk-events answered {status}: {body}")
        return [json.loads(line) for line in body.splitlines() if line]

    def metrics(self) -> Samples:
        """Its own metrics."""
        return Samples(get(f"{self.url}/metrics")[1])


class Actuator:
    """`bellwether-actuator run` with one of the actuator templates."""

    def __init__(self, template: str, folder: Path, **values: object) -> None:
        self._folder = folder
        (self.api,) = free_ports(1)
        self._config = fill(template, folder / "actuator.yaml", data_dir=folder / "data", api_port=self.api, **values)
        self.child: Child | None = None
        self._starts = 0

    @property
    def url(self) -> str:
        """Where its API answers."""
        return f"http://127.0.0.1:{self.api}"

    def start(self) -> "Actuator":
        """Start it and wait until it says that it is ready."""
        command = [str(binary("bellwether-actuator")), "run", "--config", str(self._config)]
        self._starts += 1
        self.child = Child(f"actuator-{self._starts}", command, self._folder)
        self.child.wait_until("it is ready", lambda: get(f"{self.url}/readyz")[0] == 200, seconds=180)
        return self

    def metrics(self) -> Samples:
        """Its own metrics."""
        return Samples(get(f"{self.url}/metrics")[1])

    def seen(self) -> list[str]:
        """Ids of the events that its ledger has decided about, in order."""
        lines = (self._folder / "data" / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
        records = [json.loads(line)["entry"]["record"] for line in lines]
        return [record["event_id"] for record in records if record["kind"] == "seen"]

    def verify_ledger(self) -> None:
        """Let the program check the hash chain; a broken one is an error with its words."""
        command = [str(binary("bellwether-actuator")), "ledger", "verify", "--config", str(self._config)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"ledger verify ended with {done.returncode}: {done.stdout}{done.stderr}")
