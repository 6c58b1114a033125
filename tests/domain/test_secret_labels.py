"""Labels that come from the secret are said to be nobody's to foresee; the shipped chart has none."""

from __future__ import annotations

import pytest

from onboarding.domain.secret_labels import from_secret
from onboarding.services.initializing import TEMPLATE
from tests.fakes import MemorySnapshot

PATH = "charts/fleet-secret/templates/externalSecret.yaml"


def said(text: str) -> list[str]:
    return [one.message for one in from_secret(MemorySnapshot.of({PATH: text}))]


def test_the_shipped_chart_takes_no_label_from_the_secret() -> None:
    files = {
        path.relative_to(TEMPLATE).as_posix(): path.read_bytes()
        for path in (TEMPLATE / "charts/fleet-secret").rglob("*")
        if path.is_file()
    }
    assert PATH in files
    assert list(from_secret(MemorySnapshot.of(files))) == []
    assert list(from_secret(MemorySnapshot.of({}))) == []


@pytest.mark.parametrize(
    "line",
    [
        """tenant: '{{ "{{ .tenant }}" }}'""",
        """tenant: {{ "{{ .tenant }}" | quote }}""",
        """tenant: "{{ `{{ .tenant }}` }}" """,
        """"tenant": '{{ "{{- .tenant | lower }}" }}'""",
        """tenant: '{{ "{{" }} .tenant {{ "}}" }}'""",
    ],
)
def test_it_names_the_label_that_comes_from_the_secret(line: str) -> None:
    (found,) = said(f"metadata:\n  labels:\n    {line}\n  data:\n    server: '{{{{ .server }}}}'\n")
    assert found == (
        f"tenant may be set by the secret ({PATH} takes it from there): only the hub can confirm."
    )


def test_it_says_so_of_a_chart_that_takes_everything() -> None:
    (found,) = said("spec:\n  dataFrom:\n    - extract:\n        key: x\n")
    assert found.startswith("Any label may be set by the secret")


@pytest.mark.parametrize(
    "line",
    [
        """server: '{{ "{{ .server }}" }}'""",
        """team: {{ .Values.team | quote }}""",
        """{{ $key | quote }}: {{ printf "{{ %q }}" $value | squote }}""",
        "# tenant: dataFrom would take everything",
    ],
)
def test_it_is_silent_about_what_the_repository_decides(line: str) -> None:
    assert said(f"    {line}\n") == []
