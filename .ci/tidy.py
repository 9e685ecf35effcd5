"""Tracked files must not depend on one machine: no absolute path of a work place, no address of a package registry.

The lock file names its registry by necessity and is left out. Prints each place and ends with 1 if there is one.
"""

import re
import subprocess
import sys
from pathlib import Path

# Written in pieces, so that this file passes its own check.
_HOSTS = [
    ("crates", "io"),
    ("docs", "rs"),
    ("pypi", "org"),
    ("pythonhosted", "org"),
    ("proxy", "golang", "org"),
    ("sum", "golang", "org"),
    ("npmjs", "org"),
    ("repo1", "maven", "org"),
    ("repo", "maven", "apache", "org"),
    ("deb", "debian", "org"),
]
_FOLDERS = ["work", "tmp", "root", "home"]
_EXEMPT = {"Cargo.lock", "LICENSE"}


def _pattern() -> re.Pattern[str]:
    hosts = "|".join(r"\.".join(parts) for parts in _HOSTS)
    folders = "|".join(_FOLDERS)
    return re.compile(rf"\b(?:{hosts})\b|(?<![\w.\-~}}$)/\]>])/(?:{folders})(?=[/\"'\s`),;:]|$)")


def main() -> int:
    """Check every tracked text file."""
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, check=True, text=True).stdout
    pattern, found = _pattern(), 0
    for name in filter(None, listed.split("\0")):
        path = Path(name)
        if path.name in _EXEMPT or not path.is_file():
            continue
        data = path.read_bytes()
        if b"\0" in data[:8192]:
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            if hit := pattern.search(line):
                print(f"{name}:{number}: `{hit.group()}` belongs to one machine or registry; name it by role")
                found += 1
    print(f"tidy: {found} places")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
