"""What an engine is given: whole charts with their neighbours, templates that it can evaluate, nothing from outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from onboarding.domain.errors import Refused
from onboarding.domain.rendering import chart_files, fill, needs_argo_cd
from tests.fakes import MemorySnapshot

CHART = """\
name: all
dependencies:
  - {name: part, version: 1.0.0, repository: "file://../part"}
  - {name: away, version: 1.0.0, repository: "https://charts.example"}
  - {name: up, version: 1.0.0, repository: "file://../../../../etc"}
"""


def test_it_takes_a_chart_with_the_dependencies_of_its_repository_and_no_other_file() -> None:
    snapshot = MemorySnapshot.of(
        {
            "charts/all/Chart.yaml": CHART,
            "charts/all/Chart.lock": "old: true\n",
            "charts/all/templates/a.yaml": "a: 1\n",
            "charts/all-more/Chart.yaml": "name: other\n",
            "charts/part/Chart.yaml": "name: part\n",
            "charts/part/values.yaml": "b: 2\n",
        }
    )
    assert chart_files(snapshot, "charts/all/") == {
        "Chart.yaml": CHART.encode(),
        "templates/a.yaml": b"a: 1\n",
        "charts/part-0/Chart.yaml": b"name: part\n",
        "charts/part-0/values.yaml": b"b: 2\n",
    }


def test_it_refuses_a_folder_that_is_no_chart_and_one_with_too_many_dependencies() -> None:
    many = "dependencies:\n" + '  - {name: a, repository: "file://../a"}\n' * 21
    snapshot = MemorySnapshot.of({"charts/many/Chart.yaml": many, "charts/none/values.yaml": ""})
    with pytest.raises(Refused, match="charts/none is no chart"):
        chart_files(snapshot, "charts/none")
    with pytest.raises(Refused, match="too many dependencies"):
        chart_files(snapshot, "charts/many")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("{{ normalize .name }}", "normalize"),
        ("{{- .branch | slugify 20 true -}}", "slugify"),
        ("{{ .name | lower }} normalize", ""),
        ("{{ .normalize }} {{ .x.slugify }}", ""),
        ("{{ .nameNormalized }}", ""),
        ("normalize {{ .name }}", ""),
    ],
)
def test_it_knows_what_only_argo_cd_evaluates(text: str, word: str) -> None:
    assert needs_argo_cd(text) == word


def test_it_asks_the_engine_only_for_templates_and_never_for_argo_cds_own() -> None:
    asked: list[Sequence[bytes]] = []

    def render(
        chart: Mapping[str, bytes], values: Sequence[bytes]
    ) -> tuple[Mapping[str, Any], ...]:
        asked.append(values)
        return ({"filled": '["a-1", "b"]'},)

    assert fill(render, ["a", "b"], {}) == ("a", "b")
    with pytest.raises(Refused, match="calls slugify, which only Argo CD has"):
        fill(render, ["{{ .name }}", "{{ slugify .name }}"], {"name": "x"})
    assert asked == []
    assert fill(render, ["a-{{ .n }}", "b"], {"n": 1}) == ("a-1", "b")
    assert asked == [[b'{"templates": ["a-{{ .n }}", "b"], "parameters": {"n": 1}}']]
