"""A child process that the suite owns: started, waited for by a condition, paused, stopped, never left behind.

A child lives in its own process group and is killed by the kernel when the suite's process dies, so even
`kill -9` of the suite leaves nothing running.
"""

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from . import cache

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


_running: "list[Child]" = []


def wait_for(what: str, condition: Callable[[], object], *, seconds: float, every: float = 0.1) -> object:
    """Poll `condition` until it is truthy and return its value; a TimeoutError names what did not happen.

    A child that fails meanwhile is an error at once: nobody would bring about what is waited for.
    """
    deadline = time.monotonic() + seconds
    while True:
        for child in list(_running):
            child.check(what)
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(every)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on right now; held together while choosing, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()


def listens(port: int) -> bool:
    """Whether something accepts connections on the loopback port."""
    with socket.socket() as sock:
        sock.settimeout(1)
        return sock.connect_ex(("127.0.0.1", port)) == 0


class Child:
    """One running program with its log file."""

    def __init__(self, name: str, command: list[str], folder: Path, env: dict[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.log = folder / f"{name}.log"
        self.out = folder / f"{name}.out"
        with open(self.log, "ab") as log, open(self.out, "ab") as out:
            self._process = subprocess.Popen(  # pylint: disable=consider-using-with
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                env={**os.environ, **(env or {})},
                cwd=folder,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        _running.append(self)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def check(self, before: str) -> None:
        """An error that shows the log, if the child has ended by itself and badly."""
        if not self.alive() and self in _running:
            self._let_go()
            if self._process.returncode != 0:
                raise RuntimeError(f"{self.name} ended with {self._process.returncode} before {before}:\n{self.tail()}")

    def _let_go(self) -> None:
        if self in _running:
            _running.remove(self)

    def wait_until(self, what: str, condition: Callable[[], object], *, seconds: float) -> None:
        """Wait for a condition; a child that ends meanwhile is an error that shows its log."""

        def check() -> object:
            if not self.alive():
                raise RuntimeError(f"{self.name} ended with {self._process.returncode} before {what}:\n{self.tail()}")
            return condition()

        try:
            wait_for(f"{self.name}: {what}", check, seconds=seconds)
        except TimeoutError as late:
            raise TimeoutError(f"{late}\n{self.tail()}") from late

    def said(self, text: str) -> bool:
        """Whether the text stands in the log or the output."""
        return any(text in p.read_text(encoding="utf-8", errors="replace") for p in (self.log, self.out))

    def tail(self) -> str:
        """The end of output and log."""
        return f"--- {self.out.name}\n{cache.tail(self.out)}\n--- {self.log.name}\n{cache.tail(self.log)}"

    def finish(self, *, seconds: float) -> int:
        """Wait for the program to end by itself and return its exit code."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired as late:
            raise TimeoutError(f"{self.name} did not end within {seconds:g} s\n{self.tail()}") from late

    def pause(self) -> None:
        """Freeze it where it stands: sockets stay open, nothing answers."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.killpg(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._let_go()
        if self.alive():
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()

    def stop(self, *, seconds: float = 60) -> int:
        """Ask it to end, insist after a while, and return the exit code (negative: by signal)."""
        self._let_go()
        if self.alive():
            os.killpg(self.pid, signal.SIGCONT)
            os.killpg(self.pid, signal.SIGTERM)
            try:
                self._process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.kill()
        return self._process.returncode

    def memory_mib(self) -> dict[str, float]:
        """Resident memory now and at its highest, in MiB."""
        found = {}
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith(("VmRSS", "VmHWM")):
                key, value = line.split(":")
                found[key] = int(value.split()[0]) / 1024
        return {"now": found["VmRSS"], "peak": found["VmHWM"]}


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
