"""Who sets a key and who overrides it: each place with file and line, and for how many it decides."""

from __future__ import annotations

import pytest

from onboarding.models import Cluster, Fleet
from onboarding.services.value_search import Found, Setting, reaches, search
from tests.fakes import MemorySnapshot
from tests.stage import VERSIONS

pytestmark = pytest.mark.django_db

WRAPPER = "charts/application-sets/values.yaml"
CHART = "charts/info/values.yaml"
SYSTEM = "addons/defaults/info/values.yaml"
TENANT = "addons/tenants/team-a/defaults/info/values.yaml"
PROD = "addons/tenants/team-a/environments/prod/info/values.yaml"
OWN = "addons/tenants/team-a/clusters/one/info/values.yaml"
OTHER = "addons/defaults/other/values.yaml"
FILES = {
    VERSIONS: "releases:\n  addons:\n    - {type: default, version: 0.3.1}\n",
    WRAPPER: (
        "components:\n  info:\n    group: addons\n    flag: enable_info\n"
        "    source: {path: charts/info}\n    values:\n      mode: catalogue\n"
    ),
    CHART: "image:\n  tag: v1\nmode: chart\n",
    SYSTEM: "# Ours.\nimage:\n  Tag: upper\n  tag: v2\n",
    TENANT: "image: {tag: v3}\n",
    OWN: "image:\n  tag: v4\n",
    OTHER: "sidecar:\n  image:\n    tag: v9\n  imagetag: no\n  tags: no\n",
    "docs/values.yaml": "image: {tag: nobody reads this}\n",
}


@pytest.fixture
def fleet() -> Fleet:
    """Three clusters: two of team-a, in dev and in prod, and one of team-b on another channel."""
    found = Fleet.objects.create(name="fleet-a")
    for name, tenant, environment, channel in (
        ("one", "team-a", "dev", "default"),
        ("two", "team-a", "prod", "default"),
        ("three", "team-b", "prod", "next"),
    ):
        Cluster.objects.create(
            fleet=found, path=f"{name}.yaml", hub_name="hub-a", name=name,
            tenant=tenant, environment=environment, addons_release=channel,
        )  # fmt: skip
    return found


def asked(fleet: Fleet, query: str, files: dict[str, str] | None = None) -> Found:
    snapshot = MemorySnapshot.of(FILES if files is None else files)
    return search(fleet=fleet, query=query, snapshot=snapshot)


def places(settings: tuple[Setting, ...]) -> list[tuple[str, str, object]]:
    return [(one.component, str(one.leaf.origin), one.leaf.value) for one in settings]


def test_it_lists_every_place_that_sets_a_key_by_component_the_lowest_layer_first(
    fleet: Fleet,
) -> None:
    found = asked(fleet, "image.tag")
    assert places(found.settings) == [
        ("info", f"{SYSTEM}:3", "upper"),
        ("info", f"{CHART}:2", "v1"),
        ("info", f"{SYSTEM}:4", "v2"),
        ("info", f"{TENANT}:1", "v3"),
        ("info", f"{OWN}:2", "v4"),
        ("other", f"{OTHER}:3", "v9"),
    ]
    assert found.is_complete
    assert (found.files, found.problems) == (4, ())


@pytest.mark.parametrize(
    ("query", "number"),
    [("TAG", 6), ("Image.TAG", 6), ("image", 6), ("sidecar.image", 1), ("ag", 0),
     ("tag.image", 0), ("image.tag.more", 0), ("", 0), ("..", 0)],
)  # fmt: skip
def test_it_takes_whole_parts_of_a_key_in_any_letter_case(
    fleet: Fleet, query: str, number: int
) -> None:
    assert len(asked(fleet, query).settings) == number


def test_it_counts_for_how_many_clusters_a_setting_decides_and_what_covers_the_others(
    fleet: Fleet,
) -> None:
    settings = asked(fleet, "image.tag", {**FILES, PROD: "image: {tag: v5}\n"}).settings
    shown = [one for one in settings if one.component == "info" and one.leaf.keys[1] == "tag"]
    told = {
        one.leaf.value: (reach.meant, reach.decides, [str(where) for where in reach.covered_by])
        for one, reach in zip(
            shown,
            reaches(clusters=Cluster.objects.filter(fleet=fleet), settings=settings, shown=shown),
            strict=True,
        )
    }
    own, prod, tenant = f"{OWN}:2", f"{PROD}:1", f"{TENANT}:1"
    assert told == {
        "v1": (2, 0, [f"{SYSTEM}:4", tenant, prod, own]),
        "v2": (3, 1, [tenant, prod, own]),
        "v3": (2, 0, [prod, own]),
        "v5": (1, 1, []),
        "v4": (1, 1, []),
    }


def test_it_reaches_no_cluster_whose_member_file_cannot_be_read(fleet: Fleet) -> None:
    Cluster.objects.filter(name="two").update(problem="two.yaml, line 1: not YAML.")
    settings = asked(fleet, "mode").settings
    assert places(settings) == [
        ("info", f"{CHART}:3", "chart"),
        ("info", f"{WRAPPER}:7", "catalogue"),
    ]
    chart, catalogue = reaches(
        clusters=Cluster.objects.filter(fleet=fleet), settings=settings, shown=settings
    )
    assert (chart.meant, chart.decides) == (1, 0)
    assert (catalogue.meant, catalogue.decides, catalogue.covered_by) == (1, 1, ())


def test_it_names_a_broken_file_and_finds_all_the_others(fleet: Fleet) -> None:
    whole = places(asked(fleet, "image.tag").settings)
    found = asked(fleet, "image.tag", {**FILES, TENANT: "image: {tag: v3}\nimage: {tag: v4}\n"})
    assert places(found.settings) == [one for one in whole if TENANT not in one[1]]
    assert found.is_complete
    (problem,) = found.problems
    assert f"{TENANT}, line 2" in problem


@pytest.mark.parametrize("broken", [VERSIONS, WRAPPER])
def test_it_searches_the_layers_though_the_catalogue_is_broken(fleet: Fleet, broken: str) -> None:
    whole = places(asked(fleet, "image.tag").settings)
    found = asked(fleet, "image.tag", {**FILES, broken: "a: 1\na: 2\n"})
    assert places(found.settings) == [one for one in whole if CHART not in one[1]]
    (problem,) = found.problems
    assert f"{broken}, line 2" in problem


def test_it_stops_after_its_seconds_and_says_how_far_it_came(fleet: Fleet) -> None:
    moments = iter([0.0, 1.0, 2.0, 2.1])
    snapshot = MemorySnapshot.of(FILES)
    found = search(fleet=fleet, query="image.tag", snapshot=snapshot, tick=lambda: next(moments))
    assert not found.is_complete
    assert (found.files, found.of) == (2, 4)
    assert f"{SYSTEM}:4" in [str(one.leaf.origin) for one in found.settings]


def test_it_takes_an_empty_map_for_no_setting(fleet: Fleet) -> None:
    found = asked(fleet, "image", {SYSTEM: "image: {}\n", TENANT: "image: {tag: v3}\n"})
    assert places(found.settings) == [("info", f"{TENANT}:1", "v3")]
