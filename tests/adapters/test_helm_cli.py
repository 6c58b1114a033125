"""Helm on PATH: it renders what it is given and nothing else, in time, within bounds, or says why not."""

from __future__ import annotations

import io
import json
import stat
import tarfile
import time
from pathlib import Path

import pytest

from onboarding.adapters import helm_cli
from onboarding.adapters.helm_cli import HelmCli
from onboarding.domain.errors import Refused, Transient
from tests.template.helm import HelmMissing, find_helm

CHART = {
    "Chart.yaml": b"apiVersion: v2\nname: any\nversion: 1.0.0\n",
    "values.yaml": b"a: low\nb: low\n",
    "templates/one.yaml": b"kind: One\na: {{ .Values.a }}\nb: {{ .Values.b | upper }}\n",
    "templates/two.yaml": b"---\nkind: Two\ntext: |\n  {{ .Release.Name }}\n",
}


@pytest.fixture(scope="module")
def real() -> HelmCli:
    """The Helm of these tests."""
    try:
        return HelmCli(str(find_helm()), seconds=60)
    except HelmMissing as problem:
        pytest.skip(str(problem))


def pretended(folder: Path, script: str, **more: float) -> HelmCli:
    """A program in Helm's place: it says its version, and then does what the script says."""
    command = folder / "helm"
    command.write_text(f'#!/bin/sh\n[ "$1" = version ] && {{ echo v3.0.0; exit; }}\n{script}\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    return HelmCli(str(command), **more)


def test_it_renders_a_chart_with_values_files_lowest_first(real: HelmCli) -> None:
    assert real.engine().startswith("Helm 3.")
    objects = real.render(CHART, [b"a: middle\nb: middle\n", b"b: high\n"])
    assert list(objects) == [
        {"kind": "One", "a": "middle", "b": "HIGH"},
        {"kind": "Two", "text": "fleet\n"},
    ]


def test_it_gives_no_chart_the_service_s_environment_files_or_names(
    real: HelmCli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "must-not-be-seen")
    asks = (
        b"env: {{ .Values.x | default (getHostByName `localhost`) | quote }}\n"
        b"file: {{ .Files.Get `/etc/passwd` | quote }}\n"
        b"up: {{ .Files.Get `../values-0.yaml` | quote }}\n"
        b"cluster: {{ lookup `v1` `Secret` `` `` | toJson | quote }}\n"
    )
    (found,) = real.render({**CHART, "templates/one.yaml": asks, "templates/two.yaml": b""}, [b""])
    assert found == {"env": "", "file": "", "up": "", "cluster": "{}"}
    with pytest.raises(Refused, match="env"):
        real.render({**CHART, "templates/one.yaml": b"a: {{ env `SECRET_KEY` }}\n"}, [])


@pytest.mark.parametrize("packed", [False, True])
def test_it_follows_no_address_that_a_schema_names(
    real: HelmCli, tmp_path: Path, packed: bool
) -> None:
    """A schema may refer to any address and any file of the machine: Helm would read them."""
    secret = tmp_path / "secret.json"
    secret.write_text('{"not": {}}')  # no values would pass, if it were read
    schema = json.dumps({"properties": {"a": {"$ref": secret.as_uri()}}}).encode()
    chart = {**CHART, "values.yaml": b"a: 1\nb: x\n", "values.schema.json": schema}
    if packed:
        with tarfile.open(tmp_path / "part.tgz", "w:gz") as archive:
            for path, content in chart.items():
                entry = tarfile.TarInfo(f"any/{path}")
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        chart = {**CHART, "charts/part.tgz": (tmp_path / "part.tgz").read_bytes()}
    assert real.render(chart, [b"a: 1\nb: x\n"])


def test_it_says_what_helm_said_without_the_folder(real: HelmCli) -> None:
    with pytest.raises(Refused) as refused:
        real.render({**CHART, "templates/one.yaml": b"a: {{ fail `no tenant` }}\n"}, [])
    assert refused.value.refusals[0].code == "chart_fails"
    assert "no tenant" in str(refused.value)
    assert "fleetui-helm-" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_it_refuses_paths_that_leave_the_chart_and_charts_that_are_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helm = pretended(tmp_path, "exit 0")
    for path in ("../x", "a/../../x", "/etc/x", ""):
        with pytest.raises(Refused, match="no path in a chart"):
            helm.render({path: b""}, [])
    monkeypatch.setattr(helm_cli, "MOST_INPUT", 10)
    with pytest.raises(Refused, match="too large"):
        helm.render(CHART, [])


def test_it_gives_fixed_arguments_and_an_environment_of_its_own(tmp_path: Path) -> None:
    helm = pretended(tmp_path, 'echo "all: $*"; echo "home: $HOME"; echo "secret: -$DJANGO_X-"')
    (found,) = helm.render({"--version": b"", "Chart.yaml": b""}, [b"a: 1\n"])
    assert str(found["all"]).startswith("template --values ")
    assert str(found["all"]).endswith("/chart")
    assert " -- fleet /" in str(found["all"])
    assert found["secret"] == "--"
    assert "fleetui-helm-" in str(found["home"])
    assert not Path(str(found["home"])).parent.exists()


def test_it_ends_a_helm_that_takes_too_long_with_its_children(tmp_path: Path) -> None:
    mark = tmp_path / "alive"
    helm = pretended(tmp_path, f"(sleep 2; touch {mark}) & sleep 30", seconds=0.3)
    started = time.monotonic()
    with pytest.raises(Transient, match="took too long"):
        helm.render(CHART, [])
    assert time.monotonic() - started < 20
    time.sleep(2.2)
    assert not mark.exists()


def test_it_ends_a_helm_that_prints_too_much(tmp_path: Path) -> None:
    helm = pretended(tmp_path, "yes a: b", seconds=30)
    with pytest.raises(Refused, match="renders more than"):
        helm.render(CHART, [])


def test_it_renders_the_same_files_once_and_remembers_what_was_refused(tmp_path: Path) -> None:
    count = tmp_path / "count"
    helm = pretended(tmp_path, f'echo x >> {count}; echo "a: 1"; [ ! -s "$3" ] || exit 3')
    for _ in range(2):
        assert helm.render(CHART, [b""]) == ({"a": 1},)
        with pytest.raises(Refused, match="does not render"):
            helm.render(CHART, [b"a: 1\n"])
    assert count.read_text() == "x\n" * 2


@pytest.mark.parametrize("command", ["", "no-such-program"])
def test_it_says_that_nothing_renders(command: str) -> None:
    helm = HelmCli(command)
    assert helm.engine() == ""
    with pytest.raises(Refused) as refused:
        helm.render(CHART, [])
    assert refused.value.refusals[0].code == "no_renderer"


def test_it_takes_a_program_that_fails_for_none(tmp_path: Path) -> None:
    command = tmp_path / "helm"
    command.write_text("#!/bin/sh\nexit 1\n")
    command.chmod(0o755)
    assert HelmCli(str(command)).engine() == ""
