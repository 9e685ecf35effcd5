"""A Kubernetes API without nodes: etcd and the API server, on loopback, with one token that may do everything.

Promises: what the API server accepts, stores and tells its watchers is Kubernetes' own. There is no kubelet: the status of a pod is
what a test writes into it, as a kubelet would. The API server is built from its published Go modules; its own module refuses to
be installed by name because of its local replacements, so a module of ours names the published ones in their place.
"""

import json
import os
import re
import ssl
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from . import cache
from .process import Child, free_ports

VERSION = "1.37.2"
_TOKEN = "suite"
_TOOLS = '//go:build tools\n\npackage tools\n\nimport _ "k8s.io/kubernetes/cmd/kube-apiserver"\n'


def install() -> Path:
    """The API server's program; built once, which takes nine minutes of processor time."""
    name = f"kube-apiserver-{VERSION}-{cache.fingerprint(_TOOLS)}"
    return cache.installed(name, _build) / "kube-apiserver"


def _build(folder: Path) -> None:
    go = cache.program("go", "golang")
    log = folder / "install.log"
    env = {**os.environ, "GOFLAGS": "-buildvcs=false", "CGO_ENABLED": "0"}
    source = folder / "source"
    source.mkdir()
    (source / "tools.go").write_text(_TOOLS, encoding="utf-8")
    command = [go, "mod", "download", "-json", f"k8s.io/kubernetes@v{VERSION}"]
    told = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder, env=env)
    own = Path(json.loads(told.stdout)["GoMod"]).read_text(encoding="utf-8")
    (source / "go.mod").write_text(_module(own), encoding="utf-8")
    cache.run([go, "mod", "tidy", "-e"], log=log, env=env, cwd=source)
    version = f"-X k8s.io/component-base/version.gitVersion=v{VERSION}"
    flags = ["-trimpath", f"-ldflags=-s -w {version}"]
    cache.run([go, "build", *flags, "-o", str(folder), "k8s.io/kubernetes/cmd/kube-apiserver"], log=log, env=env, cwd=source)


def _module(own: str) -> str:
    """Our module, given Kubernetes' own: its parts by their published versions."""
    language = re.search(r"^go \S+$", own, re.MULTILINE).group(0)
    parts = re.findall(r"^\s*(k8s\.io/\S+) => \./staging", own, re.MULTILINE)
    published = "0." + VERSION.split(".", 1)[1]
    replaced = "\n".join(f"\t{part} => {part} v{published}" for part in parts)
    return f"module suite\n\n{language}\n\nrequire k8s.io/kubernetes v{VERSION}\n\nreplace (\n{replaced}\n)\n"


class Kubernetes:
    """A running API. `stop` ends both programs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port, self._store, self._peers = free_ports(3)
        self._children: list[Child] = []
        self._trust = ssl._create_unverified_context()  # its certificate is its own; both are on loopback

    def start(self) -> "Kubernetes":
        """Start both, wait until the API is ready."""
        self._folder.mkdir(parents=True, exist_ok=True)
        store, peers = f"http://127.0.0.1:{self._store}", f"http://127.0.0.1:{self._peers}"
        etcd = [cache.program("etcd", "etcd-server"), "--data-dir", str(self._folder / "etcd")]
        etcd += ["--listen-client-urls", store, "--advertise-client-urls", store, "--listen-peer-urls", peers]
        etcd += ["--initial-advertise-peer-urls", peers, "--initial-cluster", f"default={peers}"]
        self._children.append(Child("etcd", etcd, self._folder))
        api = Child("kube-apiserver", [str(install()), *self._flags(store)], self._folder)
        self._children.append(api)
        api.wait_until("it is ready", self._ready, seconds=180)
        return self

    def _flags(self, store: str) -> list[str]:
        key = self._folder / "accounts.key"
        command = ["openssl", "genrsa", "-out", str(key), "2048"]
        subprocess.run(command, check=True, capture_output=True)
        tokens = self._folder / "tokens.csv"
        tokens.write_text(f"{_TOKEN},suite,1,system:masters\n", encoding="utf-8")
        settings = {
            "etcd-servers": store,
            "secure-port": self._port,
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "cert-dir": self._folder / "certificates",
            "service-cluster-ip-range": "10.0.0.0/24",
            "service-account-issuer": "https://suite.invalid",
            "service-account-key-file": key,
            "service-account-signing-key-file": key,
            "token-auth-file": tokens,
            "authorization-mode": "RBAC",
            "disable-admission-plugins": "ServiceAccount,TaintNodesByCondition",
            "endpoint-reconciler-type": "none",
        }
        return [f"--{name}={value}" for name, value in settings.items()]

    def _ready(self) -> bool:
        try:
            return self._send("GET", "/readyz") == b"ok"
        except OSError:
            return False

    def _send(self, method: str, path: str, body: dict | None = None, kind: str = "application/json") -> bytes:
        request = urllib.request.Request(
            f"https://127.0.0.1:{self._port}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {_TOKEN}", "Content-Type": kind},
        )
        try:
            with urllib.request.urlopen(request, context=self._trust, timeout=30) as answer:
                return answer.read()
        except urllib.error.HTTPError as refused:
            if path == "/readyz":
                return b""
            raise RuntimeError(f"{method} {path}: {refused.code} {refused.read().decode()}") from refused

    def create(self, path: str, body: dict) -> dict:
        """Create an object below a path."""
        return json.loads(self._send("POST", path, body))

    def patch(self, path: str, body: dict) -> dict:
        """Merge into an object, or into its status."""
        return json.loads(self._send("PATCH", path, body, "application/merge-patch+json"))

    def kubeconfig(self) -> Path:
        """A file by which a client finds the API."""
        cluster = {"server": f"https://127.0.0.1:{self._port}", "insecure-skip-tls-verify": True}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "suite", "cluster": cluster}],
            "users": [{"name": "suite", "user": {"token": _TOKEN}}],
            "contexts": [{"name": "suite", "context": {"cluster": "suite", "user": "suite"}}],
            "current-context": "suite",
        }
        path = self._folder / "kubeconfig.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        return path

    def stop(self) -> None:
        """Stop the API first, then its store."""
        for child in reversed(self._children):
            child.stop(seconds=30)
