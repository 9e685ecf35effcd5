"""An OpenTelemetry Collector with the few components that stand between an SDK and the engine.

Built from its published Go modules by the collector's own builder. The builder writes the program; the list of
modules is written here, because the builder's own `go mod tidy` also asks for modules that only tests of other
operating systems need, and not all of them are to be had everywhere.
"""

import os
import subprocess
import urllib.request
from pathlib import Path

from . import cache
from .process import Child, free_ports

VERSION = "0.160.0"
# The stable modules of the same release have their own numbering.
_STABLE = "1.66.0"
_CORE = "go.opentelemetry.io/collector"
_CONTRIB = "github.com/open-telemetry/opentelemetry-collector-contrib"

_COMPONENTS = {
    "receivers": [f"{_CORE}/receiver/otlpreceiver"],
    "processors": [f"{_CORE}/processor/batchprocessor", f"{_CORE}/processor/memorylimiterprocessor"],
    "exporters": [
        f"{_CORE}/exporter/otlpexporter",
        f"{_CONTRIB}/exporter/kafkaexporter",
        f"{_CONTRIB}/exporter/fileexporter",
    ],
    "extensions": [f"{_CONTRIB}/extension/healthcheckextension", f"{_CONTRIB}/extension/storage/filestorage"],
}
_PROVIDERS = ["envprovider", "fileprovider", "yamlprovider"]


def install() -> Path:
    """The collector's program; built once."""
    name = f"otelcol-{VERSION}-{cache.fingerprint(_manifest('.'), _modules())}"
    return cache.installed(name, _build) / "otelcol"


def _manifest(output: str) -> str:
    lines = ["dist:", "  name: otelcol", "  description: collector for the integration suite"]
    lines += [f"  output_path: {output}", f"  version: {VERSION}"]
    for kind, modules in _COMPONENTS.items():
        lines += [f"{kind}:", *(f"  - gomod: {module} v{VERSION}" for module in modules)]
    lines += ["providers:", *(f"  - gomod: {_CORE}/confmap/provider/{p} v{_STABLE}" for p in _PROVIDERS)]
    return "\n".join(lines) + "\n"


def _modules() -> str:
    wanted = [f"{module} v{VERSION}" for modules in _COMPONENTS.values() for module in modules]
    wanted += [f"{_CORE}/confmap/provider/{p} v{_STABLE}" for p in _PROVIDERS]
    wanted += [f"{_CORE}/otelcol v{VERSION}", f"{_CORE}/confmap v{_STABLE}", f"{_CORE}/component v{_STABLE}"]
    return "module otelcol\n\ngo 1.26.0\n\nrequire (\n" + "".join(f"\t{line}\n" for line in wanted) + ")\n"


def _build(folder: Path) -> None:
    go = cache.program("go", "golang")
    log = folder / "install.log"
    env = {**os.environ, "GOFLAGS": "-buildvcs=false", "CGO_ENABLED": "0", "GOBIN": str(folder)}
    cache.run([go, "install", f"{_CORE}/cmd/builder@v{VERSION}"], log=log, env=env)
    source = folder / "source"
    manifest = folder / "manifest.yaml"
    manifest.write_text(_manifest(str(source)), encoding="utf-8")
    generate = [str(folder / "builder"), f"--config={manifest}", "--skip-get-modules", "--skip-compilation"]
    cache.run(generate, log=log, env=env)
    (source / "go.mod").write_text(_modules(), encoding="utf-8")
    compile_ = [go, "build", "-mod=mod", "-trimpath", "-ldflags=-s -w", "-o", str(folder / "otelcol"), "."]
    cache.run(compile_, log=log, env=env, cwd=source)
    (folder / "builder").unlink()


def validate(config: Path, env: dict[str, str]) -> None:
    """Let the collector judge a configuration file; its complaint becomes the error."""
    command = [str(install()), "validate", f"--config={config}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **env})
    if done.returncode != 0:
        raise RuntimeError(f"{config.name}: {done.stderr or done.stdout}")


class Collector:
    """A running collector with one of the configurations in `deploy/collector`.

    Those files take addresses from the environment; this gives them free ports.
    """

    def __init__(self, config: Path, folder: Path, env: dict[str, str]) -> None:
        self._program = install()
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
