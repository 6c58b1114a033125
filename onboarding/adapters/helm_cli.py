"""Helm on PATH, confined: it renders files that it is given, in a folder of its own, and nothing else.

The arguments are fixed; what comes from a repository is only ever the content of a file. Helm gets no
cluster, no configuration and no plugin of the account that the service runs under, and `helm template`
of a local chart asks no network (without `--enable-dns` not even for a name). Only a chart's schema could
name an address or a file of the machine, which Helm would read: so values are held against no schema.
"""

from __future__ import annotations

import hashlib
import os
import re
import resource
import selectors
import shutil
import signal
import subprocess
import tempfile
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import IO, Any, cast

from onboarding.domain.errors import Refused, Transient
from onboarding.domain.yaml.yamlread import load

SECONDS = 5.0
SCHEMA = "values.schema.json"
MOST_INPUT = 4 * 1024 * 1024
MOST_FILES = 1000
MOST_OUTPUT = 4 * 1024 * 1024
MOST_MEMORY = 1024 * 1024 * 1024
KEPT = 64
"""How many answers are kept; the same files always give the same."""

_LONGEST_SAID = 600
_SEPARATOR = re.compile(r"^---[ \t]*(?:#.*)?$", re.MULTILINE)

Objects = tuple[Mapping[str, Any], ...]


class HelmCli:
    """Charts rendered by the program that is called `helm`; see `onboarding.ports.ChartRenderer`."""

    def __init__(self, command: str = "helm", *, seconds: float = SECONDS) -> None:
        self._command = shutil.which(command) or ""
        self._seconds = seconds
        self._engine: str | None = None
        self._kept: OrderedDict[str, Objects | Refused] = OrderedDict()
        self._lock = Lock()

    def engine(self) -> str:
        """Helm's name and version; "" where it is not on PATH or does not say its version."""
        if self._engine is None:
            self._engine = self._asked() if self._command else ""
        return self._engine

    def render(self, chart: Mapping[str, bytes], values: Sequence[bytes]) -> Objects:
        """The objects that a chart makes of values files, lowest first; what was said is remembered."""
        if not self.engine():
            raise Refused(
                "No Helm is on PATH, so no chart can be rendered here.", code="no_renderer"
            )
        _check(chart, values)
        key = _key(chart, values)
        with self._lock:
            found = self._kept.get(key)
        if found is None:
            try:
                found = self._rendered(chart, values)
            except Refused as refused:
                found = refused
            with self._lock:
                self._kept[key] = found
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
        if isinstance(found, Refused):
            raise Refused.of(found.refusals)
        return found

    def _asked(self) -> str:
        with tempfile.TemporaryDirectory(prefix="fleetui-helm-") as place:
            try:
                status, output, _ = self._run(
                    Path(place), "version", "--template", "{{ .Version }}"
                )
            except (Refused, Transient):
                return ""
        version = output.decode("utf-8", "replace").strip()
        return f"Helm {version.removeprefix('v')}" if not status and version else ""

    def _rendered(self, chart: Mapping[str, bytes], values: Sequence[bytes]) -> Objects:
        with tempfile.TemporaryDirectory(prefix="fleetui-helm-") as place:
            folder = Path(place)
            for path, content in chart.items():
                _write(folder / "chart" / path, content)
            arguments = ["template", *_unschemed(chart)]
            for number, content in enumerate(values):
                _write(folder / f"values-{number}.yaml", content)
                arguments += ["--values", str(folder / f"values-{number}.yaml")]
            status, output, said = self._run(
                folder, *arguments, "--", "fleet", str(folder / "chart")
            )
        if status:
            raise Refused(f"Helm does not render it: {_clean(said, place)}", code="chart_fails")
        return _objects(output)

    def _run(self, folder: Path, *arguments: str) -> tuple[int, bytes, bytes]:
        """Helm's exit code, output and words; `Transient` where it takes too long, `Refused` too much."""
        try:
            process = subprocess.Popen(
                [self._command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=folder,
                env=_environment(folder),
                start_new_session=True,
            )
        except OSError as error:
            raise Transient("Helm could not be started on the machine of the service.") from error
        with process:
            try:
                _confine(process.pid)
                output, said = _read(process, time.monotonic() + self._seconds)
            except BaseException:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                raise
        return process.returncode, output, said


def _check(chart: Mapping[str, bytes], values: Sequence[bytes]) -> None:
    """Refuses what is too much, and a path that would leave the folder."""
    size = sum(map(len, chart.values())) + sum(map(len, values))
    if size > MOST_INPUT or len(chart) + len(values) > MOST_FILES:
        raise Refused(
            f"The chart is too large to be rendered here: {len(chart)} files of {size:,} bytes.",
            code="chart_fails",
        )
    for path in chart:
        parts = PurePosixPath(path).parts
        if not parts or path.startswith("/") or ".." in parts or "\0" in path:
            raise Refused(f"{path!r:.80} is no path in a chart.", code="chart_fails")


def _unschemed(chart: Mapping[str, bytes]) -> list[str]:
    """What keeps Helm from schemas, of this chart or of one packed in it; a Helm before 3.16 refuses it."""
    found = any(PurePosixPath(path).name == SCHEMA or path.endswith(".tgz") for path in chart)
    return ["--skip-schema-validation"] if found else []


def _key(chart: Mapping[str, bytes], values: Sequence[bytes]) -> str:
    found = hashlib.sha256()
    for name, content in (*sorted(chart.items()), *(("", one) for one in values)):
        for part in (name.encode("utf-8", "surrogatepass"), content):
            found.update(b"%d:" % len(part) + part)
    return found.hexdigest()


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)


def _environment(folder: Path) -> dict[str, str]:
    home = folder / "home"
    return {
        "HOME": str(home),
        "HELM_CACHE_HOME": str(home / "cache"),
        "HELM_CONFIG_HOME": str(home / "config"),
        "HELM_DATA_HOME": str(home / "data"),
        "HELM_PLUGINS": str(home / "plugins"),
        "KUBECONFIG": os.devnull,
        "LC_ALL": "C",
        "GOMEMLIMIT": f"{MOST_MEMORY // 2}B",
    }


def _confine(pid: int) -> None:
    """A limit on memory, where the system has one that can be set from outside."""
    if hasattr(resource, "prlimit"):
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))


def _read(process: subprocess.Popen[bytes], until: float) -> tuple[bytes, bytes]:
    """What a process prints on both its outputs, up to a size and a time."""
    outputs = (cast(IO[bytes], process.stdout), cast(IO[bytes], process.stderr))
    found: dict[IO[bytes], list[bytes]] = {one: [] for one in outputs}
    left = MOST_OUTPUT
    with selectors.DefaultSelector() as waiting:
        for one in outputs:
            waiting.register(one, selectors.EVENT_READ)
        while waiting.get_map():
            ready = waiting.select(max(0.0, until - time.monotonic()))
            if not ready:
                raise Transient("Helm took too long to render a chart of this repository.")
            for key, _ in ready:
                output = cast(IO[bytes], key.fileobj)
                part = os.read(key.fd, 65536)
                left -= len(part)
                if left < 0:
                    raise Refused(
                        f"The chart renders more than {MOST_OUTPUT:,} bytes.", code="chart_fails"
                    )
                if part:
                    found[output].append(part)
                else:
                    waiting.unregister(output)
    try:
        process.wait(max(0.1, until - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise Transient("Helm did not end after it had rendered a chart.") from error
    return b"".join(found[outputs[0]]), b"".join(found[outputs[1]])


def _objects(output: bytes) -> Objects:
    text = output.decode("utf-8", "replace")
    documents = (
        load(one, path="the rendered chart", max_bytes=MOST_OUTPUT)
        for one in _SEPARATOR.split(text)
    )
    return tuple(one for one in documents if isinstance(one, dict))


def _clean(said: bytes, folder: str) -> str:
    """Helm's words for people: one line, without our folder."""
    text = said.decode("utf-8", "replace").replace(f"{folder}/", "")
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= _LONGEST_SAID else f"{text[:_LONGEST_SAID]} …"
