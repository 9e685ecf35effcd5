"""A recording made on the spot: seven minutes of two services, one bad canary, written to Kafka with its own clock.

Everything follows from the seed, record timestamps included, so two recordings are the same bytes wherever and
whenever they are written. Records have no key and go round the partitions in turn, as the collector's do by default.
"""

import random
from collections.abc import Iterator

from confluent_kafka import Producer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

SECONDS = 420
BAD_FROM, BAD_UNTIL = 150, 210
RATE = 20
_START_MS = 1_790_000_000_000
# A collector's batch and the way to the broker.
_DELAY_MS = 1200


class Pod:
    """A pod of the service `checkout`; `share` of its requests fail."""

    def __init__(self, version: str, number: int, share: float) -> None:
        self.name = f"checkout-{version}-{number}"
        self.share = share
        self.attributes = [
            _text("service.name", "checkout"),
            _text("service.namespace", "shop"),
            _text("service.version", version),
            _text("service.instance.id", self.name),
            _text("deployment.environment.name", "test"),
            _text("k8s.cluster.name", "integration"),
            _text("k8s.namespace.name", "shop"),
            _text("k8s.deployment.name", "checkout"),
            _text("k8s.pod.name", self.name),
        ]


def _text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def records(seed: int = 1) -> Iterator[tuple[int, bytes]]:
    """(timestamp in ms, value) of every record, in the order of time."""
    rng = random.Random(seed)
    stable = [Pod("v1", number, 0.004) for number in range(4)]
    canary = [Pod("v2-bad", number, 0.4) for number in range(2)]
    for second in range(SECONDS):
        for pod in stable + (canary if BAD_FROM <= second < BAD_UNTIL else []):
            yield _START_MS + second * 1000 + 1000 + _DELAY_MS, request(rng, pod, _START_MS + second * 1000)


def request(rng: random.Random, pod: Pod, start_ms: int) -> bytes:
    """What a pod says of one second."""
    message = ExportTraceServiceRequest()
    resource = message.resource_spans.add()
    resource.resource.attributes.extend(pod.attributes)
    scope = resource.scope_spans.add()
    for idx in range(RATE):
        end = start_ms * 1_000_000 + idx * (1_000_000_000 // RATE)
        failed = rng.random() < pod.share
        span = scope.spans.add(
            trace_id=rng.randbytes(16),
            span_id=rng.randbytes(8),
            name="POST /checkout",
            kind=Span.SPAN_KIND_SERVER,
            start_time_unix_nano=end - int(rng.lognormvariate(-3.2, 0.5) * 1e9),
            end_time_unix_nano=end,
        )
        span.attributes.append(_text("http.route", "/checkout"))
        span.attributes.append(KeyValue(key="http.response.status_code", value=AnyValue(int_value=500 if failed else 200)))
        if failed:
            span.status.code = Status.STATUS_CODE_ERROR
    return message.SerializeToString(deterministic=True)


def write(bootstrap: str, topic: str, partitions: int) -> int:
    """Write the recording to a topic; the number of records."""
    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 50})
    count = 0
    for count, (timestamp, value) in enumerate(records(), 1):
        producer.produce(topic, value, partition=count % partitions, timestamp=timestamp)
        producer.poll(0)
    if producer.flush(60):
        raise RuntimeError(f"{topic}: not all records were confirmed")
    return count
