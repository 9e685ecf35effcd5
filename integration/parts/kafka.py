"""Apache Kafka as it is: one KRaft node from the published jars, no container, no ZooKeeper.

The node listens on loopback only and keeps its data in the folder it is given, so a restart finds it again.
"""

import os
import subprocess
from pathlib import Path

from . import cache
from .process import Child, free_ports

VERSION = "4.4.0"
_LOGGING = "1.7.36"
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"

_POM = f"""<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>bellwether.integration</groupId>
  <artifactId>broker</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>{_LOGGING}</version></dependency>
  </dependencies>
</project>
"""

# One node plays both roles; every internal topic is kept small, because one test machine is all there is.
_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
num.partitions=3
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
num.network.threads=2
num.io.threads=2
log.segment.bytes=67108864
log.cleaner.dedupe.buffer.size=16777216
offsets.topic.num.partitions=4
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
"""


def install() -> Path:
    """The folder of jars; fetched once through Maven."""
    return cache.installed(f"kafka-{VERSION}-{cache.fingerprint(_POM)}", _fetch)


def _fetch(folder: Path) -> None:
    maven = cache.program("mvn", "maven")
    cache.program("java", "openjdk-17-jre-headless")
    pom = folder / "pom.xml"
    pom.write_text(_POM, encoding="utf-8")
    log = folder / "install.log"
    command = [maven, "-q", "-B", "-ntp", "-f", str(pom), _COPY, "-DincludeScope=runtime", f"-DoutputDirectory={folder / 'lib'}"]
    cache.run(command, log=log)


class Kafka:
    """A running broker. `bootstrap` is its address; the data outlives `stop` and `start`."""

    def __init__(self, folder: Path, heap: str = "384m") -> None:
        self._lib = f"{install() / 'lib'}/*"
        self._folder = folder
        self._heap = heap
        folder.mkdir(parents=True, exist_ok=True)
        self.port, self._controller = free_ports(2)
        self._settings = folder / "server.properties"
        self._child: Child | None = None

    @property
    def bootstrap(self) -> str:
        """host:port for clients."""
        return f"127.0.0.1:{self.port}"

    @property
    def child(self) -> Child:
        """The broker's process."""
        if self._child is None:
            raise RuntimeError("the broker was not started")
        return self._child

    def start(self) -> "Kafka":
        """Start it and wait until it serves. Another program may have taken a port meanwhile: then others are tried."""
        for attempt in range(3):
            try:
                self._start_once()
                return self
            except RuntimeError as failed:
                taken = self._child is not None and self._child.said("Address already in use")
                if not taken or attempt == 2 or self._formatted():
                    raise RuntimeError(f"kafka did not start: {failed}") from failed
                self.port, self._controller = free_ports(2)
        raise AssertionError("unreachable")

    def _formatted(self) -> bool:
        return (self._folder / "served").exists()

    def _start_once(self) -> None:
        data = self._folder / "data"
        text = _SETTINGS.format(port=self.port, controller=self._controller, data=data)
        self._settings.write_text(text, encoding="utf-8")
        if not (data / "meta.properties").exists():
            cluster = self._tool("kafka.tools.StorageTool", "random-uuid").strip()
            self._tool("kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(self._settings), "--ignore-formatted")
        # The small compiler and the serial collector keep the broker's share of two cores low.
        options = [f"-Xms{self._heap}", f"-Xmx{self._heap}", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=info"]
        name = f"kafka-{sum(1 for _ in self._folder.glob('kafka-*.log'))}"
        self._child = Child(name, [_java(), *options, "-cp", self._lib, "kafka.Kafka", str(self._settings)], self._folder)
        self._child.wait_until("it serves", lambda: self._child.said("Kafka Server started"), seconds=180)
        (self._folder / "served").touch()

    def stop(self) -> None:
        """Stop it in order."""
        if self._child is not None:
            self._child.stop(seconds=30)

    def _tool(self, *arguments: str) -> str:
        quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        command = [_java(), *quick, "-cp", self._lib, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(arguments)} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout


def _java() -> str:
    return cache.program("java", "openjdk-17-jre-headless")
