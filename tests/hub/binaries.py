"""The programs of the real hub, built from their published Go modules.

Each folder below ``build/`` is a Go module of our own that names what it builds; its ``go.sum``
pins every byte. A program is built once and kept outside the tree, in
``$FLEETUI_CACHE/bin/<hash>/`` (default ``~/.cache/fleetui``), where the hash is that of
everything that decides the result. ``python -m tests.hub.binaries`` builds what is missing.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
TESTS = HERE.parent
KUBERNETES_VERSION = "v1.34.4"
ARGOCD_VERSION = "3.2.11"
GITEA_VERSION = "1.25.1"
GO_VERSION = "1.26"


class GoMissing(Exception):
    """There is no Go to build with, or too old a one, and the program is not in the cache."""


class BuildFailed(Exception):
    """Go could not build a program; carries the end of what it printed."""


@dataclass(frozen=True)
class Recipe:
    """How one program is built.

    ``module`` is the folder of our Go module, ``package`` what Go builds in it, ``names`` the
    names the program is started under, ``manifests`` the files of ``source`` (a module) that
    belong to the program and are kept beside it.
    """

    module: Path
    package: str
    names: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    manifests: tuple[str, ...] = ()

    @property
    def linker_flags(self) -> str:
        """Without symbol tables (half the size); versions are set where clients read them."""
        return " ".join(
            ["-s", "-w", *(f"-X {name}={value}" for name, value in self.variables.items())]
        )

    @property
    def key(self) -> str:
        """The hash of everything that decides the result but the Go release."""
        text = hashlib.sha256()
        for file in sorted(self.module.iterdir()):
            if file.is_file():
                text.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
        text.update(
            repr(
                (self.package, self.names, self.linker_flags, self.source, self.manifests)
            ).encode()
        )
        return text.hexdigest()[:20]


_VERSION = {
    "k8s.io/component-base/version.gitVersion": KUBERNETES_VERSION,
    "k8s.io/component-base/version.gitMajor": "1",
    "k8s.io/component-base/version.gitMinor": "34",
}

RECIPES: Mapping[str, Recipe] = {
    "etcd": Recipe(HERE / "build/etcd", "go.etcd.io/etcd/server/v3", ("etcd",)),
    "external-secrets": Recipe(
        HERE / "build/external-secrets",
        ".",
        ("external-secrets",),
        source="github.com/external-secrets/external-secrets",
        manifests=("deploy/crds/bundle.yaml",),
    ),
    "kube-apiserver": Recipe(
        HERE / "build/kubernetes",
        "k8s.io/kubernetes/cmd/kube-apiserver",
        ("kube-apiserver",),
        _VERSION,
    ),
    "kube-controller-manager": Recipe(
        HERE / "build/kubernetes",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
        ("kube-controller-manager",),
        _VERSION,
    ),
    "argocd": Recipe(
        HERE / "build/argocd",
        "github.com/argoproj/argo-cd/v3/cmd",
        (
            "argocd",
            "argocd-server",
            "argocd-repo-server",
            "argocd-application-controller",
            "argocd-applicationset-controller",
        ),
        {"github.com/argoproj/argo-cd/v3/common.version": ARGOCD_VERSION},
        source="github.com/argoproj/argo-cd/v3",
        manifests=("manifests/crds/*.yaml", "manifests/base/config/*.yaml"),
    ),
    "gitea": Recipe(
        HERE / "build/gitea",
        ".",
        ("gitea",),
        {"main.Version": GITEA_VERSION},
        source="code.gitea.io/gitea",
        # What a page, a repository and a message are made of; without them it does not start.
        manifests=("templates/**/*.*", "options/**/*", "public/assets/img/*.svg"),
    ),
    "helm": Recipe(
        TESTS / "tools/helm",
        "helm.sh/helm/v3/cmd/helm",
        ("helm",),
        {"helm.sh/helm/v3/internal/version.version": "v3.18.4"},
    ),
}

# All but the forge, which takes as long to build as all others together.
OF_A_HUB = tuple(name for name in RECIPES if name != "gitea")


def cache_root() -> Path:
    """Where built programs are kept: ``FLEETUI_CACHE``, or the user's cache folder."""
    return Path(os.environ.get("FLEETUI_CACHE") or Path.home() / ".cache/fleetui")


def folder(name: str) -> Path:
    """The folder of one program, built or not."""
    return cache_root() / "bin" / RECIPES[name].key


def is_built(name: str) -> bool:
    """Whether the program is in the cache, whole (folders appear there by renaming only)."""
    return folder(name).is_dir()


def missing(*wanted: str) -> list[str]:
    """The programs that have still to be built: of all, or only of the wanted."""
    return [name for name in wanted or RECIPES if not is_built(name)]


def path(name: str) -> Path:
    """The program started under this name; raises KeyError for a name that no recipe has."""
    for recipe_name, recipe in RECIPES.items():
        if name in recipe.names:
            return folder(recipe_name) / name
    raise KeyError(name)


def manifests(name: str) -> Path:
    """The folder of manifests that came with a program: definitions of its kinds, ConfigMaps."""
    return folder(name) / "manifests"


def ensure(*wanted: str) -> dict[str, float]:
    """Builds what is missing, one program after the other, and returns the seconds each took;

    all, or only the wanted.

    Raises GoMissing where something is missing and there is no Go, BuildFailed where Go fails.
    Safe to call from several processes at once: the second waits for the first.
    """
    todo = missing(*wanted)
    if not todo:
        return {}
    if problem := go_problem():
        raise GoMissing(f"{problem} It builds what is missing: {', '.join(todo)}.")
    taken: dict[str, float] = {}
    for name in todo:
        with locked(name):
            if not is_built(name):
                started = time.monotonic()
                _build(name)
                taken[name] = round(time.monotonic() - started, 1)
    return taken


def go_problem() -> str:
    """Why there is nothing to build with, and what to do; "" where there is.

    Since 1.21 Go fetches the newer release that a module asks for by itself.
    """
    install = f"Install Go {GO_VERSION} or newer from https://go.dev/dl."
    if shutil.which("go") is None:
        return f"Go is not installed. {install}"
    said = subprocess.run(["go", "version"], capture_output=True, text=True).stdout
    found = re.search(r"go(\d+)\.(\d+)", said)
    if not found or (int(found[1]), int(found[2])) < (1, 21):
        return f"This Go is too old ({said.strip()}). {install}"
    return ""


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Nobody else on this machine builds what has this name meanwhile."""
    locks = cache_root() / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with open(locks / f"{name}.lock", "w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _build(name: str) -> None:
    recipe, target = RECIPES[name], folder(name)
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=target.parent))
    try:
        first, *others = recipe.names
        flags = ["-trimpath", "-buildvcs=false", "-mod=readonly", "-ldflags", recipe.linker_flags]
        run_go(recipe.module, "build", *flags, "-o", str(scratch / first), recipe.package)
        for other in others:
            (scratch / other).symlink_to(first)
        if recipe.source:
            _keep_manifests(recipe, scratch / "manifests")
        scratch.chmod(0o755)
        scratch.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _keep_manifests(recipe: Recipe, into: Path) -> None:
    source = Path(run_go(recipe.module, "list", "-m", "-f", "{{.Dir}}", recipe.source).strip())
    for pattern in recipe.manifests:
        for file in filter(Path.is_file, sorted(source.glob(pattern))):
            kept = into / file.relative_to(source)
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(file.read_bytes())


def run_go(module: Path, *arguments: str) -> str:
    """Runs Go in a module of ours, behind whatever else the machine is doing; raises BuildFailed."""
    environment = {**os.environ, "CGO_ENABLED": "0", "GOWORK": "off"}
    result = subprocess.run(
        ["nice", "-n", "10", "go", *arguments],
        cwd=module,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if result.returncode:
        raise BuildFailed(f"go {arguments[0]} failed in {module.name}:\n{result.stderr[-4000:]}")
    return result.stdout


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:  # can the hub be had here? Says why not.
        problem = go_problem() if missing() else ""
        print(problem)
        sys.exit(1 if problem else 0)
    for built, seconds in ensure().items():
        print(f"{built}: built in {seconds} s", flush=True)
    print(f"All programs of the real hub are in {cache_root() / 'bin'}.")
    sys.exit(0)
