"""A bare git repository with the desired state, and a clone of it in which people commit."""

import os
import subprocess
from pathlib import Path

MANIFEST = "apps/checkout/deployment.yaml"

_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: shop
spec:
  replicas: 4
  selector:
    matchLabels: {{app: {name}}}
  template:
    metadata:
      labels: {{app: {name}}}
    spec:
      containers:
      - name: {name}
        image: registry.example/{name}:{version}
"""


class Repository:
    """`bare` is what the actuator pushes to; everything else here is a developer at work."""

    def __init__(self, folder: Path, branch: str = "main") -> None:
        self.bare = folder / "desired.git"
        self.branch = branch
        self._clone = folder / "developer"
        folder.mkdir(parents=True, exist_ok=True)
        _git(folder, "init", "-q", "--bare", f"--initial-branch={branch}", str(self.bare))
        _git(folder, "clone", "-q", str(self.bare), str(self._clone))
        _git(self._clone, "checkout", "-q", "-B", branch)

    def deploy(self, name: str, version: str) -> str:
        """Commit and push a version of a service; the commit."""
        path = self._clone / f"apps/{name}/deployment.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_DEPLOYMENT.format(name=name, version=version), encoding="utf-8")
        return self.commit(f"Deploy {name} {version}")

    def commit(self, subject: str) -> str:
        """Commit whatever changed on top of what is on the branch, and push it."""
        _git(self._clone, "add", "-A")
        _git(self._clone, "commit", "-q", "-m", subject)
        if self.log():
            _git(self._clone, "pull", "-q", "--rebase", "origin", self.branch)
        _git(self._clone, "push", "-q", "origin", self.branch)
        return _git(self._clone, "rev-parse", "HEAD")

    def log(self) -> list[str]:
        """Commits of the branch, newest first."""
        known = _git(self.bare, "for-each-ref", "--format=%(refname:short)").splitlines()
        return _git(self.bare, "rev-list", self.branch).splitlines() if self.branch in known else []

    def message(self, commit: str) -> str:
        """The whole message of a commit."""
        return _git(self.bare, "log", "-1", "--format=%B", commit)

    def trailers(self, commit: str) -> dict[str, str]:
        """The trailers of a commit's message."""
        text = _git(self.bare, "log", "-1", "--format=%(trailers:only,unfold)", commit)
        return dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)

    def show(self, path: str, commit: str | None = None) -> str:
        """A file as it is on the branch, or at a commit."""
        return _git(self.bare, "show", f"{commit or self.branch}:{path}")

    def changed(self, commit: str) -> list[str]:
        """Paths that a commit changed."""
        return _git(self.bare, "show", "--name-only", "--format=", commit).split()

    def seconds(self, commit: str) -> float:
        """When a commit was made."""
        return float(_git(self.bare, "log", "-1", "--format=%ct", commit))


def _git(folder: Path, *arguments: str) -> str:
    name, mail = "A Developer", "developer@shop.example"
    who = {"GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": mail, "GIT_COMMITTER_NAME": name, "GIT_COMMITTER_EMAIL": mail}
    alone = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **who, **alone})
    if done.returncode != 0:
        raise RuntimeError(f"git {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    return done.stdout.strip()
