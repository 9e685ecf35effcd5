"""Where installed components live, and how an installation happens once.

Promises: an interrupted installation is never mistaken for a finished one (it is built beside its place and
renamed), and two runs on one machine do not build the same thing twice (a lock file per installation).
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path


def root() -> Path:
    """The cache folder, outside the clone: `BELLWETHER_CACHE`, else the user's cache folder."""
    given = os.environ.get("BELLWETHER_CACHE")
    base = Path(given) if given else Path.home() / ".cache" / "bellwether"
    path = base / "parts"
    path.mkdir(parents=True, exist_ok=True)
    return path


def fingerprint(*texts: str) -> str:
    """Twelve hex digits that change whenever one of the texts does."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.encode())
        digest.update(b"\0")
    return digest.hexdigest()[:12]


@contextlib.contextmanager
def _locked(name: str) -> Iterator[None]:
    with open(root() / f"{name}.lock", "w", encoding="utf-8") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def installed(name: str, build: Callable[[Path], None]) -> Path:
    """The folder `name`; when it is not there yet, `build` fills a fresh folder that then takes its place."""
    place = root() / name
    with _locked(name):
        if place.is_dir():
            return place
        started = time.monotonic()
        fresh = root() / f"{name}.partial"
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
        build(fresh)
        fresh.rename(place)
        print(f"installed {name} in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return place


def program(name: str, debian_package: str) -> str:
    """The path of a program that the machine must have. On a CI machine the Debian package is installed for it."""
    found = shutil.which(name)
    if found is None and os.environ.get("CI") and os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-q"], check=True, stdout=sys.stderr)
        subprocess.run(["apt-get", "install", "-y", "-q", debian_package], check=True, stdout=sys.stderr)
        found = shutil.which(name)
    if found is None:
        raise RuntimeError(f"`{name}` is not on the PATH; install it (Debian: apt-get install {debian_package})")
    return found


def run(command: list[str], *, log: Path, **options: object) -> None:
    """Run a build step with its output in `log`; on failure the end of the log is in the error."""
    with open(log, "ab") as handle:
        done = subprocess.run(command, stdout=handle, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{tail(log)}")


def tail(path: Path, lines: int = 30) -> str:
    """The last lines of a text file, for error messages."""
    if not path.exists():
        return "(no output)"
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
