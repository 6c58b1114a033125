"""What the hub's sets plainly deploy, held against Git: versions, charts and the order of values files."""

from __future__ import annotations

from typing import Any

import pytest

from onboarding.domain.live_sets import Foretold, KnownSets, hear
from onboarding.domain.live_sources import Wanted, differences

DEFAULTS = "{base}/defaults/dns/values.yaml"
TENANT = "{base}/tenants/{tenant}/dns/values.yaml"
WANTED = Wanted("1.2.3", "dns", "https://charts.example", "release1", (DEFAULTS, TENANT))
LOWER = "$values/{{ template `text` .values.base }}/defaults/dns/values.yaml"
HIGHER = (
    "$values/{{ template `text` .values.base }}/tenants/"
    "{{ template `text` .metadata.labels.tenant }}/dns/values.yaml"
)


def source(version: str = "1.2.3", chart: str = "dns", *files: str) -> dict[str, Any]:
    found: dict[str, Any] = {"chart": chart, "targetRevision": version}
    return {**found, "helm": {"valueFiles": list(files)}} if files else found


def in_template(*sources: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"template": {"spec": {"sources": list(sources)}}}}


def in_patch(version: str, *files: str) -> dict[str, Any]:
    """As the fleet's own chart writes it: a branch for each release channel, its sources as JSON."""
    listed = ", ".join(f'"{one}"' for one in files)
    patch = f"""\
spec:
  {{{{- if eq .values.release `default` }}}} {{{{- /* application-sets 0.3.1 */}}}}
  destination: {{"namespace":"dns"}}
  sources:
    [{{"chart": "dns", "targetRevision": "0.9.9"}}]
  {{{{- else if eq .values.release `release1` }}}} {{{{- /* application-sets 0.4.0 */}}}}
  destination: {{"namespace":"dns"}}
  sources:
    [
      {{
        "chart": "dns",
        "helm": {{"valueFiles": [{listed}]}},
        "targetRevision": "{version}"
      }}
    ]
  {{{{- else }}}} {{{{- /* A release that nobody knows. */}}}}
  sources:
    []
  {{{{- end }}}}
"""
    return {"spec": {"templatePatch": patch}}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (in_template(source()), []),
        (in_template(source("1.3.0")), ["version 1.3.0 where this repository says 1.2.3"]),
        (in_template({"ref": "values"}, source("1.3.0")), ["version 1.3.0 where"]),
        (in_template(source("{{ .values.version }}")), []),
        (in_template(source("1.2.3", "dns", LOWER, HIGHER)), []),
        (in_template(source("1.2.3", "dns", HIGHER, LOWER)), ["its values files in another order"]),
        (in_template(source("1.2.3", "dns", LOWER)), ["other values files"]),
        (in_template(source("1.2.3", "dns", LOWER, "$values/{{ .x | upper }}")), []),
        (in_template(source("1.2.3", "dns", "values.yaml")), []),
        (in_patch("1.2.3", LOWER, HIGHER), []),
        (in_patch("1.2.4", LOWER, HIGHER), ["version 1.2.4 where this repository says 1.2.3"]),
        (in_patch("1.2.3", HIGHER, LOWER), ["its values files in another order"]),
        ({"spec": {"templatePatch": "spec:\n  sources: {{ .x }}\n"}}, []),
        ({"spec": {"templatePatch": "{{- if eq .values.release `release1` }}\nsources: ["}}, []),
        ({}, []),
        ({"spec": {"template": {"spec": {"source": source("9")}}}}, ["version 9 where"]),
    ],
)
def test_it_tells_what_a_set_plainly_deploys_otherwise(
    found: dict[str, Any], said: list[str]
) -> None:
    told = list(differences(found, WANTED))
    assert len(told) == len(said)
    assert all(one.startswith(part) for one, part in zip(told, said, strict=True))


def test_it_tells_of_a_chart_from_elsewhere_where_git_has_its_own() -> None:
    wanted = Wanted("1.0.0", "charts/dns", "", "release1", ())
    (told,) = differences(in_template(source("1.2.3")), wanted)
    assert told == "the chart dns where this repository says charts/dns"


def test_a_plan_warns_of_it_for_what_the_hub_is_to_deploy_alone() -> None:
    live = {
        "metadata": {"name": "dns"},
        "spec": {
            "generators": [{"clusters": {"selector": {"matchLabels": {"enable_dns": "true"}}}}],
            **in_template(source("1.3.0"))["spec"],
        },
    }

    def warnings(*deployed: str, enabled: str = "true") -> list[str]:
        foretold = Foretold("spoke-1", {"dns"}, {"enable_dns"}, {}, set(deployed), {"dns": WANTED})
        heard = hear(KnownSets([live]), None, {"enable_dns": enabled}, foretold)
        return [one.message for one in heard.warnings]

    assert warnings("dns") == [
        "The hub's ApplicationSet dns deploys version 1.3.0 where this repository says 1.2.3. The hub "
        "may not have read the latest commit, or somebody changed it."
    ]
    assert warnings(enabled="false") == []
