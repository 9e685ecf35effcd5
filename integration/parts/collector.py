"""OpenTelemetry Collectors: one with the few components that stand between an SDK and the engine, one that watches a cluster.

Built from its published Go modules by the collector's own builder. The builder writes the program; the list of
modules is written here, because the builder's own `go mod tidy` also asks for modules that only tests of other
operating systems need, and not all of them are to be had everywhere.
"""

import os
import subprocess
from dataclasses import dataclass
import urllib.request
from pathlib import Path

from . import cache
from .process import Child, free_ports

_CORE = "go.opentelemetry.io/collector"
_CONTRIB = "github.com/open-telemetry/opentelemetry-collector-contrib"

_PROVIDERS = ["envprovider", "fileprovider", "yamlprovider"]


@dataclass(frozen=True)
class Distribution:
    """What a collector is built of. The stable modules of a release have their own numbering."""

    name: str
    version: str
    stable: str
    components: dict[str, list[str]]
    # A module that is not to be had, and all of it that the others name. What it does is not part of the suite.
    absent: tuple[str, str] | None = None

    def manifest(self, output: str) -> str:
        """What the builder is told."""
        lines = ["dist:", "  name: otelcol", "  description: collector for the integration suite"]
        lines += [f"  output_path: {output}", f"  version: {self.version}"]
        for kind, modules in self.components.items():
            lines += [f"{kind}:", *(f"  - gomod: {module} v{self.version}" for module in modules)]
        lines += ["providers:", *(f"  - gomod: {_CORE}/confmap/provider/{p} v{self.stable}" for p in _PROVIDERS)]
        return "\n".join(lines) + "\n"

    def modules(self) -> str:
        """The list of modules."""
        wanted = [f"{module} v{self.version}" for modules in self.components.values() for module in modules]
        wanted += [f"{_CORE}/confmap/provider/{p} v{self.stable}" for p in _PROVIDERS]
        wanted += [f"{_CORE}/{module} v{self.stable}" for module in ("confmap", "component")]
        wanted.insert(-2, f"{_CORE}/otelcol v{self.version}")
        text = "module otelcol\n\ngo 1.26.0\n\nrequire (\n" + "".join(f"\t{line}\n" for line in wanted) + ")\n"
        return text if self.absent is None else f"{text}\nreplace {self.absent[0]} => ./absent\n"

    def write(self, source: Path) -> None:
        """The list of modules, and what stands in for an absent one, beside the generated program."""
        (source / "go.mod").write_text(self.modules(), encoding="utf-8")
        if self.absent is not None:
            (source / "absent").mkdir()
            (source / "absent" / "go.mod").write_text(f"module {self.absent[0]}\n\ngo 1.26.0\n", encoding="utf-8")
            (source / "absent" / "absent.go").write_text(self.absent[1], encoding="utf-8")


SUITE = Distribution(
    "otelcol",
    "0.160.0",
    "1.66.0",
    {
        "receivers": [f"{_CORE}/receiver/otlpreceiver"],
        "processors": [f"{_CORE}/processor/batchprocessor", f"{_CORE}/processor/memorylimiterprocessor"],
        "exporters": [
            f"{_CORE}/exporter/otlpexporter",
            f"{_CONTRIB}/exporter/kafkaexporter",
            f"{_CONTRIB}/exporter/fileexporter",
        ],
        "extensions": [f"{_CONTRIB}/extension/healthcheckextension", f"{_CONTRIB}/extension/storage/filestorage"],
    },
)
# The receiver of 0.160 is not to be had as a module; that of the release after is.
CLUSTER = Distribution(
    "otelcol-cluster",
    "0.161.0",
    "1.67.0",
    {
        "receivers": [f"{_CONTRIB}/receiver/k8sclusterreceiver"],
        "exporters": [f"{_CORE}/exporter/otlpexporter"],
        "extensions": [f"{_CONTRIB}/extension/healthcheckextension"],
    },
    absent=(
        f"{_CONTRIB}/extension/k8sleaderelector",
        'package k8sleaderelector\n\nimport "context"\n\n// LeaderElection of several collectors: there is one here.\n'
        "type LeaderElection interface {\n\tSetCallBackFuncs(start func(context.Context), stop func())\n}\n",
    ),
)


def install(distribution: Distribution = SUITE) -> Path:
    """A collector's program; built once."""
    digest = cache.fingerprint(distribution.manifest("."), distribution.modules())
    name = f"{distribution.name}-{distribution.version}-{digest}"
    return cache.installed(name, lambda folder: _build(distribution, folder)) / "otelcol"


def _build(distribution: Distribution, folder: Path) -> None:
    go = cache.program("go", "golang")
    log = folder / "install.log"
    env = {**os.environ, "GOFLAGS": "-buildvcs=false", "CGO_ENABLED": "0", "GOBIN": str(folder)}
    cache.run([go, "install", f"{_CORE}/cmd/builder@v{distribution.version}"], log=log, env=env)
    source = folder / "source"
    manifest = folder / "manifest.yaml"
    manifest.write_text(distribution.manifest(str(source)), encoding="utf-8")
    generate = [str(folder / "builder"), f"--config={manifest}", "--skip-get-modules", "--skip-compilation"]
    cache.run(generate, log=log, env=env)
    distribution.write(source)
    compile_ = [go, "build", "-mod=mod", "-trimpath", "-ldflags=-s -w", "-o", str(folder / "otelcol"), "."]
    cache.run(compile_, log=log, env=env, cwd=source)
    (folder / "builder").unlink()


def validate(config: Path, env: dict[str, str], distribution: Distribution = SUITE) -> None:
    """Let the collector judge a configuration file; its complaint becomes the error."""
    command = [str(install(distribution)), "validate", f"--config={config}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **env})
    if done.returncode != 0:
        raise RuntimeError(f"{config.name}: {done.stderr or done.stdout}")


class Collector:
    """A running collector with one of the configurations in `deploy/collector`.

    Those files take addresses from the environment; this gives them free ports.
    """

    def __init__(self, config: Path, folder: Path, env: dict[str, str], distribution: Distribution = SUITE) -> None:
        self._program = install(distribution)
        self._config = config
        self._folder = folder
        self.grpc, self.http, self._health = free_ports(3)
        self._env = {
            "OTLP_GRPC_ADDRESS": f"127.0.0.1:{self.grpc}",
            "OTLP_HTTP_ADDRESS": f"127.0.0.1:{self.http}",
            "HEALTH_ADDRESS": f"127.0.0.1:{self._health}",
            "QUEUE_DIRECTORY": str(folder / "queue"),
            **env,
        }
        self.child: Child | None = None

    def start(self) -> "Collector":
        """Start it and wait until its health check answers."""
        (self._folder / "queue").mkdir(parents=True, exist_ok=True)
        self.child = Child("collector", [str(self._program), f"--config={self._config}"], self._folder, self._env)
        self.child.wait_until("it is healthy", self._healthy, seconds=120)
        return self

    def _healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._health}/", timeout=1) as answer:
                return answer.status == 200
        except OSError:
            return False

    def stop(self) -> None:
        """Stop it in order; what it still holds is sent first."""
        if self.child is not None:
            self.child.stop(seconds=30)
