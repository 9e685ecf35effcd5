"""A virtual environment with the OpenTelemetry SDK, a Kafka client and pytest, at the versions in requirements.txt."""

import subprocess
import sys
from pathlib import Path

from . import cache

REQUIREMENTS = Path(__file__).resolve().parent.parent / "requirements.txt"


def install() -> Path:
    """The environment's interpreter; made once per content of requirements.txt and Python version."""
    text = REQUIREMENTS.read_text(encoding="utf-8")
    name = f"python-{cache.fingerprint(text, sys.version)}"
    place = cache.root() / name

    def build(folder: Path) -> None:
        # A virtual environment knows its own place: it is made there, and the stamp folder says that it is whole.
        log = folder / "install.log"
        cache.run([sys.executable, "-m", "venv", "--clear", f"{place}-venv"], log=log)
        pip = [f"{place}-venv/bin/python", "-m", "pip", "install", "--no-input", "--quiet", "--only-binary=:all:", "-r"]
        cache.run([*pip, str(REQUIREMENTS)], log=log)

    cache.installed(name, build)
    return Path(f"{place}-venv/bin/python")


def main(arguments: list[str]) -> int:
    """Run the environment's Python with these arguments."""
    return subprocess.run([str(install()), *arguments], check=False).returncode
