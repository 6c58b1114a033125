"""A small chart repository on loopback.

The catalogue takes Argo CD and the External Secrets Operator of distributed spokes from public
chart repositories. Here the same two charts are packed from what the programs' own Go modules
carry: the operator's chart as it is published, with the definitions of its own kinds, and Argo CD's
manifests with the switches of its public chart that the fleet's values use. A third one stands for
all other public charts, in two versions.
"""

from __future__ import annotations

import functools
import hashlib
import http.server
import json
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.hub import binaries
from tests.hub.harness import load_manifests

ARGOCD_VERSIONS = ("9.1.0", "9.1.4")
EXTERNAL_SECRETS_VERSION = "0.18.2"
METRICS_SERVER_VERSIONS = ("3.12.2", "3.13.0")
USED = {"addons": ("metrics-server",), "fleet": ("argo-cd", "external-secrets")}
_ARGOCD_PARTS = (
    "base/application-controller",
    "base/application-controller-roles",
    "base/applicationset-controller",
    "base/config",
    "base/dex",
    "base/notification",
    "base/redis",
    "base/repo-server",
    "base/server",
    "cluster-rbac/application-controller",
    "cluster-rbac/applicationset-controller",
    "cluster-rbac/server",
)
_ARGOCD_VALUES = "dex: {enabled: true}\nnotifications: {enabled: true}\ncrds: {keep: true}\n"
# Files are taken as they are: braces in a manifest are no templates here.
_ARGOCD_TEMPLATE = """\
{{- range $path, $content := .Files.Glob "files/crds/*.yaml" }}
{{- $kind := $.Files.Get $path | fromYaml }}
{{- if $.Values.crds.keep }}
{{- $_ := set $kind.metadata "annotations" (dict "helm.sh/resource-policy" "keep") }}
{{- end }}
---
{{ toYaml $kind }}
{{- end }}
{{- range $path, $content := .Files.Glob "files/manifests/**.yaml" }}
{{- $part := base (dir $path) }}
{{- $dex := and (eq $part "dex") (not $.Values.dex.enabled) }}
{{- $notification := and (eq $part "notification") (not $.Values.notifications.enabled) }}
{{- if not (or $dex $notification) }}
---
{{ $.Files.Get $path }}
{{- end }}
{{- end }}
"""
# Of a component that has nothing to do with the fleet only the version matters here.
_METRICS_SERVER_TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: metrics-server}
data: {version: {{ .Chart.Version | quote }}, replicas: {{ .Values.replicas | quote }}}
"""
_KINDS_TEMPLATE = """\
{{- if .Values.installCRDs }}
{{ .Files.Get "files/bundle.yaml" }}
{{- end }}
"""


def repository() -> Path:
    """The folder of the chart repository; packed once and kept beside the programs."""
    modules = [binaries.HERE / "build" / name / "go.mod" for name in ("argocd", "external-secrets")]
    text = hashlib.sha256(Path(__file__).read_bytes())
    for file in modules:
        text.update(file.read_bytes())
    target = binaries.cache_root() / "charts" / text.hexdigest()[:20]
    with binaries.locked("charts"):
        if not target.is_dir():
            _pack(target)
    return target


def _pack(target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=".charts-", dir=target.parent))
    try:
        packages = scratch / "packages"
        packages.mkdir()
        for version in ARGOCD_VERSIONS:
            _helm("package", _argocd(scratch / version, version), "--destination", packages)
        for version in METRICS_SERVER_VERSIONS:
            _helm("package", _metrics_server(scratch / version, version), "--destination", packages)
        _helm("package", _external_secrets(scratch), "--destination", packages)
        _helm("repo", "index", packages)
        packages.chmod(0o755)
        packages.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _argocd(folder: Path, version: str) -> Path:
    chart = folder / "argo-cd"
    source = _source("argocd", "github.com/argoproj/argo-cd/v3") / "manifests"
    _write_chart(chart, {"apiVersion": "v2", "name": "argo-cd", "version": version})
    (chart / "values.yaml").write_text(_ARGOCD_VALUES)
    (chart / "templates/all.yaml").write_text(_ARGOCD_TEMPLATE)
    for part in (*_ARGOCD_PARTS, "crds"):
        for file in (source / part).glob("*.yaml"):
            if file.stem == "kustomization":
                continue
            kept = chart / "files" / (part if part == "crds" else f"manifests/{part}") / file.name
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_text(
                _without_words(file.read_text()) if part == "crds" else file.read_text()
            )
    return chart


def _external_secrets(folder: Path) -> Path:
    module = "github.com/external-secrets/external-secrets"
    source = _source("external-secrets", module) / "deploy"
    chart = folder / "external-secrets"
    shutil.copytree(source / "charts/external-secrets", chart, copy_function=shutil.copyfile)
    for path in (chart, *chart.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    # The one it depends on is off by default and cannot be reached here.
    del about["dependencies"]
    (chart / "Chart.lock").unlink()
    _write_chart(chart, {**about, "version": EXTERNAL_SECRETS_VERSION})
    # The publisher puts the definitions here when the chart is released. Those of generators (15,
    # which nothing here uses) would only cost the spoke's API server time.
    documents = (source / "crds/bundle.yaml").read_text().split("\n---\n")
    kept = [each for each in documents if "\n  group: external-secrets.io\n" in each]
    (chart / "files/bundle.yaml").write_text("\n---\n".join(map(_without_words, kept)))
    (chart / "templates/kinds.yaml").write_text(_KINDS_TEMPLATE)
    return chart


def _without_words(definition: str) -> str:
    """A definition of a kind without its descriptions: most of its bytes, and none of its meaning."""
    return yaml.safe_dump(_undescribed(load_manifests(definition)[0]))


def _undescribed(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _undescribed(each)
            for key, each in value.items()
            # A property may have that name too; it is a map then.
            if key != "description" or not isinstance(each, str)
        }
    return [_undescribed(each) for each in value] if isinstance(value, list) else value


def _metrics_server(folder: Path, version: str) -> Path:
    chart = folder / "metrics-server"
    _write_chart(chart, {"apiVersion": "v2", "name": "metrics-server", "version": version})
    (chart / "values.yaml").write_text("replicas: 1\n")
    (chart / "templates/settings.yaml").write_text(_METRICS_SERVER_TEMPLATE)
    return chart


def _write_chart(chart: Path, about: dict[str, Any]) -> None:
    (chart / "templates").mkdir(parents=True, exist_ok=True)
    (chart / "Chart.yaml").write_text(yaml.safe_dump(about))


def _source(program: str, module: str) -> Path:
    """The folder of a published Go module, as our module beside it pins it."""
    ours = binaries.HERE / "build" / program
    found = json.loads(binaries.run_go(ours, "mod", "download", "-json", module))
    return Path(found["Dir"])


def _helm(*arguments: str | Path) -> None:
    subprocess.run(
        [binaries.path("helm"), *arguments],
        check=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
    )


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing is printed for a request."""


def use(versions: str, url: str) -> str:
    """The versions file with channels that take these charts from here, and nothing else changed.

    A channel's own ``values`` change its catalogue; that is how a fleet uses a mirror.
    """
    found = yaml.safe_load(versions)
    for group, components in USED.items():
        for channel in found["releases"][group]:
            channel["values"] = {
                "components": {name: {"source": {"repoURL": url}} for name in components}
            }
    return yaml.safe_dump(found, sort_keys=False)


@contextmanager
def served() -> Iterator[str]:
    """Serves the chart repository and gives its URL."""
    handler = functools.partial(_Quiet, directory=str(repository()))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, name="charts", daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
