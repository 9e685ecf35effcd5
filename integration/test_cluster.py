"""What the cluster says of pods: Kubernetes' API, the collector's cluster receiver, the engine. Built when asked for (`-m cluster`)."""

import sys

import pytest

from conftest import COLLECTOR_CONFIGS, ROOT, Stage
from parts import collector
from parts.kubernetes import Kubernetes
from parts.process import Child, wait_for
from parts.programs import Engine

pytestmark = pytest.mark.cluster
_POD = "worker-7d9f8b6c5d-x2v4q"
_PODS = "/api/v1/namespaces/shop/pods"
# Where the kernel would end it, and how it comes there in less than two minutes.
_LIMIT_MIB, _FROM_MIB, _MIB_PER_SECOND = 500, 150, 3.5


def test_the_shipped_configuration_is_accepted():
    """Scenario: the shipped configuration of the cluster's collector. Guarantees: the collector itself finds no fault in it."""
    collector.validate(COLLECTOR_CONFIGS / "cluster.yaml", {}, collector.CLUSTER)


def test_a_limit_is_learned_from_a_kill(stage: Stage):
    """Scenario: a worker without requests and without a memory limit leaks; the API says that its container was killed for want of
    memory and started anew; it leaks again. The receiver names the pod by its uid, and no workload.

    Guarantees: of the first run nothing is said; the second is warned of before it comes to where the first one ended, by
    words that say where the limit comes from; it is an alert.
    """
    kubernetes = Kubernetes(stage.folder / "kubernetes")
    stage.on_exit(kubernetes.stop)
    kubernetes.start()
    kubernetes.create("/api/v1/namespaces", {"metadata": {"name": "shop"}})
    container = {"name": "worker", "image": "registry.invalid/worker:1"}
    spec = {"nodeName": "node-1", "containers": [container]}
    uid = kubernetes.create(_PODS, {"metadata": {"name": _POD}, "spec": spec})["metadata"]["uid"]
    _tell(kubernetes, 0, {})
    engine = stage.program(Engine("engine-otlp.yaml", stage.folder / "engine"))
    gate = stage.collector("otlp.yaml", ENGINE_ADDRESS=f"127.0.0.1:{engine.grpc}")
    env = {"KUBE_AUTH_TYPE": "kubeConfig", "KUBECONFIG": str(kubernetes.kubeconfig()), "COLLECTION_INTERVAL": "1s"}
    folder = stage.folder / "cluster-collector"
    config = COLLECTOR_CONFIGS / "cluster.yaml"
    env["ENGINE_ADDRESS"] = f"127.0.0.1:{engine.grpc}"
    watcher = collector.Collector(config, folder, env, collector.CLUSTER)
    stage.on_exit(watcher.stop)
    watcher.start()

    seconds = (_LIMIT_MIB - _FROM_MIB) / _MIB_PER_SECOND
    first = _leak(stage, "first", gate.grpc, uid)
    assert not _until(lambda: _warnings(engine), seconds), "nothing can be known of the first run"
    first.kill()
    killed = {"exitCode": 137, "reason": "OOMKilled", "containerID": "containerd://" + 64 * "a"}
    _tell(kubernetes, 1, {"terminated": killed})
    second = _leak(stage, "second", gate.grpc, uid)
    events = _until(lambda: _warnings(engine), seconds)
    assert events, "the second run is warned of before it is where the first one ended"
    second.stop()
    told = events[0]["data"]
    assert (told["scope"]["service"], told["assessment"]["level"]) == ("worker", "alert")
    evidence = told["evidence"][0]
    assert "nobody reports the limit" in evidence["text"], evidence
    assert 0.9 < evidence["upper"] / 2**20 / _LIMIT_MIB < 1.1, evidence
    print(f"\n{evidence['text']}")


def _tell(kubernetes: Kubernetes, restarts: int, last: dict) -> None:
    """Say of the pod what a kubelet would."""
    run = "containerd://" + 64 * f"{restarts}"
    container = {"name": "worker", "image": "registry.invalid/worker:1", "imageID": "", "containerID": run}
    container |= {"ready": True, "started": True, "restartCount": restarts, "lastState": last}
    container["state"] = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    status = {"phase": "Running", "containerStatuses": [container]}
    kubernetes.patch(f"{_PODS}/{_POD}/status", {"status": status})


def _leak(stage: Stage, name: str, grpc: int, uid: str) -> Child:
    command = [sys.executable, str(ROOT / "sdk" / "leaker.py"), f"--otlp=127.0.0.1:{grpc}", f"--pod-uid={uid}"]
    command += [f"--from-mib={_FROM_MIB}", f"--mib-per-second={_MIB_PER_SECOND}"]
    child = Child(name, command, stage.folder / "worker")
    stage.on_exit(child.stop)
    child.wait_until("it runs", lambda: child.said('"running"'), seconds=60)
    return child


def _until(condition, seconds: float):
    """What the condition gives within the time; empty if it gives nothing."""
    try:
        return wait_for("a warning", condition, seconds=seconds, every=0.5)
    except TimeoutError:
        return []


def _warnings(engine: Engine) -> list[dict]:
    return [event for event in engine.events() if event["data"]["rule"]["name"] == "exhaustion"]
