"""A process that says how much memory it uses, once a second, and uses more and more. It serves nobody.

The numbers are made up; the metrics are the SDK's. It goes on until somebody ends it, as a kernel would.

    leaker.py --otlp 127.0.0.1:4317 --pod-uid UID --from-mib 150 --mib-per-second 3.5
"""

import argparse
import signal
import threading
import time

from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--otlp", required=True)
    parser.add_argument("--pod-uid", required=True)
    parser.add_argument("--from-mib", type=float, required=True)
    parser.add_argument("--mib-per-second", type=float, required=True)
    given = parser.parse_args()
    attributes = {
        "service.name": "worker",
        "service.namespace": "shop",
        "service.version": "v1",
        "k8s.namespace.name": "shop",
        "k8s.pod.uid": given.pod_uid,
    }
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(endpoint=given.otlp, insecure=True), 1000)
    provider = MeterProvider([reader], resource=Resource.create(attributes))
    started = time.monotonic()

    def used(_: CallbackOptions) -> list[Observation]:
        mib = given.from_mib + given.mib_per_second * (time.monotonic() - started)
        return [Observation(int(mib * 2**20))]

    meter = provider.get_meter("leaker")
    meter.create_observable_up_down_counter("process.memory.usage", [used], unit="By")
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    print('"running"', flush=True)
    ended.wait()


if __name__ == "__main__":
    main()
