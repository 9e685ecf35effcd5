"""A small shop that is instrumented with the OpenTelemetry SDK and deployed from a git repository.

`frontend` (one pod) calls `checkout` (four pods). What runs of `checkout` is what the branch says: a new version is
rolled out as a canary of two pods beside the four stable ones, and after a while takes over; when the branch goes
back, so do the pods. A version whose name contains `bad` fails a share of its requests.

Only the requests are made up. Spans, metrics and logs come out of the SDK as in any other program, one provider per
pod. Each change of what runs is one JSON line on stdout.

    shop.py --otlp 127.0.0.1:4317 --repository FOLDER --path apps/checkout/deployment.yaml
"""

import argparse
import dataclasses
import json
import logging
import random
import re
import signal
import subprocess
import sys
import threading
import time
import uuid

from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

STABLE_PODS = 4
CANARY_PODS = 2
TICK_S = 0.1
_BASE_ERRORS = 0.004
_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]


@dataclasses.dataclass(frozen=True)
class Release:
    """A version of `checkout` and the commit that asked for it."""

    version: str
    commit: str


class Pod:
    """One instance of a service with an SDK of its own."""

    def __init__(self, service: str, release: Release, given: argparse.Namespace) -> None:
        template = uuid.uuid5(uuid.NAMESPACE_DNS, f"{service}/{release.version}").hex[:10]
        name = f"{service}-{template}-{uuid.uuid4().hex[:5]}"
        attributes = {
            "service.name": service,
            "service.namespace": "shop",
            "service.version": release.version,
            "service.instance.id": f"shop.{name}.{service}",
            "deployment.environment.name": "test",
            "k8s.cluster.name": "integration",
            "k8s.namespace.name": "shop",
            "k8s.deployment.name": service,
            "k8s.pod.name": name,
            "k8s.pod.label.pod-template-hash": template,
        }
        if given.announce_commit:
            attributes["vcs.ref.head.revision"] = release.commit
        resource = Resource.create(attributes)
        to = {"endpoint": given.otlp, "insecure": True, "timeout": 10}
        self.service, self.release, self.name = service, release, name
        self.failing = given.failing_share if "bad" in release.version else _BASE_ERRORS
        self._traces = TracerProvider(resource=resource)
        self._traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(**to), schedule_delay_millis=1000))
        reader = PeriodicExportingMetricReader(OTLPMetricExporter(**to), export_interval_millis=given.metrics_every_ms)
        self._metrics = MeterProvider([reader], resource=resource)
        self._logs = LoggerProvider(resource=resource)
        self._logs.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(**to), schedule_delay_millis=1000))
        self.tracer = self._traces.get_tracer("shop")
        self._logger = self._logs.get_logger(f"shop.{service}")
        self._duration = self._metrics.get_meter("shop").create_histogram(
            "http.server.request.duration", unit="s", explicit_bucket_boundaries_advisory=_BUCKETS
        )

    def serve(self, parent: trace.Span, ended_ns: int, seconds: float, failed: bool) -> None:
        """Record one request as the instrumentation of a web server would."""
        status = 500 if failed else 200
        attributes = {"http.request.method": "POST", "http.route": f"/{self.service}", "http.response.status_code": status}
        if failed:
            attributes["error.type"] = "PoolExhausted"
        context = trace.set_span_in_context(parent)
        name = f"POST /{self.service}"
        started = ended_ns - int(seconds * 1e9)
        span = self.tracer.start_span(name, context, trace.SpanKind.SERVER, attributes, start_time=started)
        if failed:
            span.set_status(trace.StatusCode.ERROR, "connection pool exhausted")
            self._log(span, ended_ns)
        span.end(ended_ns)
        self._duration.record(seconds, attributes)

    def _log(self, span: trace.Span, at_ns: int) -> None:
        self._logger.emit(
            timestamp=at_ns,
            observed_timestamp=at_ns,
            context=trace.set_span_in_context(span),
            severity_number=SeverityNumber.ERROR,
            severity_text="ERROR",
            body="connection pool exhausted after 30 waits",
            attributes={"code.function.name": "shop.pool.acquire"},
        )

    def shutdown(self) -> None:
        """Send what is left and close."""
        for provider in (self._traces, self._metrics, self._logs):
            provider.shutdown()


class Desired:
    """What the branch asks for, read from the repository."""

    def __init__(self, repository: str, branch: str, path: str) -> None:
        self._repository, self._branch, self._path = repository, branch, path

    def read(self) -> Release:
        """The version on the branch, and the last commit that touched the file."""
        text = self._git("show", f"{self._branch}:{self._path}")
        found = re.search(r"^\s*image:\s*\S+:(\S+)\s*$", text, re.MULTILINE)
        if found is None:
            raise ValueError(f"{self._path} on {self._branch} has no line `image: NAME:VERSION`")
        return Release(found.group(1), self._git("log", "-1", "--format=%H", self._branch, "--", self._path).strip())

    def _git(self, *arguments: str) -> str:
        command = ["git", "-C", self._repository, *arguments]
        return subprocess.run(command, capture_output=True, check=True, text=True).stdout


class Shop:
    """The pods that run, and the traffic between them."""

    def __init__(self, given: argparse.Namespace) -> None:
        self._given = given
        self._random = random.Random(given.seed)
        self._desired = Desired(given.repository, given.branch, given.path)
        release = self._desired.read()
        self._stable = [Pod("checkout", release, given) for _ in range(STABLE_PODS)]
        self._canary: list[Pod] = []
        self._canary_since = 0.0
        self._frontend = Pod("frontend", Release("v1", release.commit), given)
        self._closing: list[threading.Thread] = []
        self._sent = 0
        self._say("running", release)

    def run(self, stopped: threading.Event) -> None:
        """Serve until told to stop, then flush."""
        looked = 0.0
        while not stopped.wait(TICK_S):
            now = time.monotonic()
            if now - looked >= 1:
                looked = now
                self._reconcile(now)
            self._serve()
        for pod in [*self._stable, *self._canary, self._frontend]:
            self._close(pod)
        for thread in self._closing:
            thread.join()
        print(json.dumps({"event": "ended", "requests": self._sent}), flush=True)

    def _reconcile(self, now: float) -> None:
        wanted = self._desired.read()
        running = self._stable[0].release
        canary = self._canary[0].release if self._canary else None
        if canary is not None and wanted.version != canary.version:
            self._replace_canary([])
            self._say("withdrawn", canary)
        elif canary is not None and now - self._canary_since > self._given.canary_seconds:
            for pod in self._stable:
                self._close(pod)
            self._stable = [*self._canary, *(self._pod(wanted) for _ in range(STABLE_PODS - CANARY_PODS))]
            self._canary = []
            self._say("promoted", wanted)
        elif canary is None and wanted.version != running.version:
            self._canary_since = now
            self._replace_canary([self._pod(wanted) for _ in range(CANARY_PODS)])
            self._say("canary", wanted)

    def _replace_canary(self, pods: list[Pod]) -> None:
        for pod in self._canary:
            self._close(pod)
        self._canary = pods

    def _pod(self, release: Release) -> Pod:
        return Pod("checkout", release, self._given)

    def _close(self, pod: Pod) -> None:
        thread = threading.Thread(target=pod.shutdown)
        thread.start()
        self._closing.append(thread)

    def _serve(self) -> None:
        now = time.time_ns()
        for pod in [*self._stable, *self._canary]:
            for _ in range(self._arrivals(self._given.rate * TICK_S)):
                ended = now - int(self._random.random() * TICK_S * 1e9)
                seconds = min(self._random.lognormvariate(-3.2, 0.5), 5.0)
                failed = self._random.random() < pod.failing
                self._call(pod, ended, seconds, failed)

    def _call(self, pod: Pod, ended_ns: int, seconds: float, failed: bool) -> None:
        whole = seconds + 0.002
        started = ended_ns - int(whole * 1e9)
        attributes = {"http.request.method": "POST", "server.address": "checkout", "http.response.status_code": 500 if failed else 200}
        span = self._frontend.tracer.start_span("POST", None, trace.SpanKind.CLIENT, attributes, start_time=started)
        pod.serve(span, ended_ns - 1_000_000, seconds, failed)
        if failed:
            span.set_status(trace.StatusCode.ERROR)
        span.end(ended_ns)
        self._sent += 1

    def _arrivals(self, mean: float) -> int:
        whole = int(mean)
        return whole + (self._random.random() < mean - whole)

    def _say(self, event: str, release: Release) -> None:
        line = {"event": event, "version": release.version, "commit": release.commit, "at": time.time()}
        print(json.dumps(line), flush=True)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--otlp", required=True, help="host:port of OTLP/gRPC")
    parser.add_argument("--repository", required=True, help="folder of the git repository with the desired state")
    parser.add_argument("--branch", default="main")
    parser.add_argument("--path", default="apps/checkout/deployment.yaml")
    parser.add_argument("--rate", type=float, default=20, help="requests per second and pod")
    parser.add_argument("--failing-share", type=float, default=0.4, help="share of failed requests of a bad version")
    parser.add_argument("--canary-seconds", type=float, default=300, help="how long a canary stays one")
    parser.add_argument("--metrics-every-ms", type=int, default=5000)
    parser.add_argument("--announce-commit", action="store_true", help="send vcs.ref.head.revision")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    Shop(given).run(stopped)
    return 0


if __name__ == "__main__":
    sys.exit(main())
