"""Sends a known number of metric points over OTLP/gRPC at a steady rate, as many pods would.

Every series gets one point a second, at second k of a common start: so the pair (series, k) names a point, and what
arrives elsewhere can be compared with what was sent, point by point. A request that is refused for a reason that OTLP
calls temporary is sent again, unchanged, until it is taken; anything else ends the program with an error. On purpose
every `--repeat`-th request is sent once more, as by a client whose answer got lost on the way.

The last line on stdout is one JSON object: series, seconds, points, repeated (points sent twice on purpose), resent
(requests that had been refused), late_s (how far behind schedule it fell).

    load.py --otlp 127.0.0.1:4317 --pods 20 --series 1000 --seconds 600      # 20,000 points a second
"""

import argparse
import concurrent.futures
import json
import sys
import time

import grpc
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality

# A name that the engine works with: a metric without a meaning to it is decoded and goes no further.
METRIC = "process.cpu.time"
_TEMPORARY = {
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.ABORTED,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DATA_LOSS,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}


def _text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


class Pod:
    """One resource with its series; the request is built once and then only moves on in time."""

    def __init__(self, number: int, series: int, start_ns: int) -> None:
        self.request = ExportMetricsServiceRequest()
        resource = self.request.resource_metrics.add()
        resource.resource.attributes.extend(
            [
                _text("service.name", f"load-{number % 5}"),
                _text("service.namespace", "load"),
                _text("service.version", "v1"),
                _text("service.instance.id", f"load-{number}"),
                _text("k8s.pod.name", f"load-{number}"),
            ]
        )
        metric = resource.scope_metrics.add().metrics.add(name=METRIC, unit="s")
        metric.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        metric.sum.is_monotonic = True
        self._points = metric.sum.data_points
        for idx in range(series):
            self._points.add(start_time_unix_nano=start_ns, attributes=[_text("worker", f"w{idx}")])

    def at(self, second: int, time_ns: int) -> bytes:
        """The request of one second."""
        for point in self._points:
            point.time_unix_nano = time_ns
            point.as_int = second
        return self.request.SerializeToString()


class Sender:
    """Sends requests until they are taken."""

    def __init__(self, address: str, give_up_s: float) -> None:
        self._channel = grpc.insecure_channel(address, options=[("grpc.max_send_message_length", 64 << 20)])
        self._export = self._channel.unary_unary(
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            request_serializer=None,
            response_deserializer=None,
        )
        self._give_up_s = give_up_s

    def send(self, body: bytes) -> int:
        """How often the request had to be sent again."""
        deadline, again, wait = time.monotonic() + self._give_up_s, 0, 0.2
        while True:
            try:
                self._export(body, timeout=10)
                return again
            except grpc.RpcError as refused:
                if refused.code() not in _TEMPORARY or time.monotonic() > deadline:
                    raise
            again, wait = again + 1, min(wait * 2, 5.0)
            time.sleep(wait)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--otlp", required=True, help="host:port of OTLP/gRPC")
    parser.add_argument("--pods", type=int, default=20)
    parser.add_argument("--series", type=int, default=1000, help="per pod")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--repeat", type=int, default=50, help="every how many requests one is sent twice, 0 = never")
    parser.add_argument("--give-up-s", type=float, default=120)
    given = parser.parse_args()
    start_ns = time.time_ns() // 1_000_000_000 * 1_000_000_000
    pods = [Pod(number, given.series, start_ns) for number in range(given.pods)]
    sender = Sender(given.otlp, given.give_up_s)
    began, resent, late, repeated = time.monotonic(), 0, 0.0, 0
    print(json.dumps({"start_ns": start_ns}), flush=True)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for second in range(given.seconds):
            due = began + second
            time.sleep(max(0.0, due - time.monotonic()))
            late = max(late, time.monotonic() - due)
            bodies = [pod.at(second, start_ns + (second + 1) * 1_000_000_000) for pod in pods]
            number = second * given.pods
            twice = [body for idx, body in enumerate(bodies, number) if given.repeat and idx % given.repeat == 0]
            resent += sum(pool.map(sender.send, bodies + twice))
            repeated += len(twice) * given.series
    series = given.pods * given.series
    total = {"series": series, "seconds": given.seconds, "points": series * given.seconds}
    print(json.dumps({**total, "repeated": repeated, "resent": resent, "late_s": round(late, 2)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
