"""`python3 -m parts install [kafka|collector|python …]` installs; `python3 -m parts pytest …` runs the suite."""

import sys
import time

from . import collector, kafka, kubernetes, python_env

_INSTALLERS = {"python": python_env.install, "kafka": kafka.install, "collector": collector.install}


def main(arguments: list[str]) -> int:
    """The command line."""
    match arguments:
        case ["install", *names] if all(name in _INSTALLERS for name in names):
            for name in names or _INSTALLERS:
                started = time.monotonic()
                place = _INSTALLERS[name]()
                print(f"{name}: {place} ({time.monotonic() - started:.1f} s)", flush=True)
            return 0
        case ["install-cluster"]:
            print(f"collector: {collector.install(collector.CLUSTER)}\nkubernetes: {kubernetes.install()}", flush=True)
            return 0
        case ["pytest", *rest]:
            return python_env.main(["-m", "pytest", *rest])
        case _:
            print(__doc__, file=sys.stderr)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
