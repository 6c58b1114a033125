"""What a fleet person is told of a repository before it is adopted: counts, channels, and what is odd."""

from __future__ import annotations

import json

import pytest

from onboarding.domain.errors import Refused, Transient
from onboarding.domain.layout import TENANTS_LAYOUT, FleetLayout
from onboarding.services.surveying import Survey, survey
from tests.domain.test_layout_detection import (
    COMMON,
    LABELS,
    MEMBER,
    MEMBERS,
    REGISTRATION,
    TENANTS,
    VERSIONS,
    registration,
)
from tests.fakes import MemoryRemote, MemoryRepository

FLEET = COMMON | {
    REGISTRATION: registration(*TENANTS),
    "addons/tenants/tenant1/defaults/fleet/fleet-secret/values.yaml": LABELS,
}

WRAPPER = """\
components:
  cluster-info: {group: addons, flag: enable_cluster_info, source: {path: charts/cluster-info}}
  quotas: {group: resources, flag: enable_quotas, source: {path: charts/quotas}}
"""


def member(cluster: str, **changes: str) -> str:
    text = MEMBER.replace("spoke-a", cluster)
    for old, new in changes.items():
        text = text.replace(old, new)
    return text


def look(files: dict[str, str], layout: FleetLayout | None = None) -> Survey:
    remote = MemoryRemote(FLEET | files)
    before = remote.tip, set(remote.commits)
    found = survey(repository=MemoryRepository(remote), layout=layout)
    assert (remote.tip, set(remote.commits), remote.pushes) == (*before, 0)
    assert found.commit == remote.tip
    return found


def test_it_counts_the_members_by_what_their_files_say() -> None:
    found = look(
        {
            f"{MEMBERS}/hub-1/spoke-b.yaml": member("spoke-b", tenant1="team-b", dev="prod"),
            f"{MEMBERS}/hub-2/spoke-c.yaml": member("spoke-c", false="true"),
            f"{MEMBERS}/hub-2/README.md": "Not a member.\n",
        }
    )
    assert found.is_built_in
    assert found.layout == TENANTS_LAYOUT.to_data()
    assert found.members == 3
    assert found.hubs == {"hub-1": 2, "hub-2": 1}
    assert found.tenants == {"team-b": 1, "tenant1": 2}
    assert found.environments == {"dev": 2, "prod": 1}
    assert found.models == {"centralized": 2, "distributed": 1}
    assert (found.unreadable, found.problems) == (0, ())


def test_it_names_the_first_members_that_cannot_be_read_and_counts_them_all() -> None:
    broken = {f"{MEMBERS}/hub-2/broken-{number:02}.yaml": "tenant: [\n" for number in range(21)}
    found = look(broken)
    assert found.members == 22
    assert found.hubs == {"hub-1": 1, "hub-2": 21}
    assert found.tenants == {"tenant1": 1}
    assert found.unreadable == 21
    assert len(found.problems) == 20
    assert f"{MEMBERS}/hub-2/broken-00.yaml" in found.problems[0]


def test_it_shows_the_channels_and_how_many_components_the_first_one_offers() -> None:
    found = look(
        {
            VERSIONS: (
                "releases: {addons: [{type: default, version: 0.3.1,"
                " path: charts/application-sets}, {type: release1, version: 0.3.0}]}\n"
            ),
            "charts/application-sets/values.yaml": WRAPPER,
        }
    )
    assert found.channels == {"addons": ("default", "release1")}
    assert found.components == {"addons": 1}, "another group has no channel here"
    assert not [one for one in found.not_understood if one.part == "releases"]


def test_it_says_what_it_did_not_understand_of_the_channels_and_goes_on() -> None:
    found = look({VERSIONS: "releases: [a, list]\n"})
    said = [(one.part, one.place) for one in found.not_understood]
    assert ("releases", VERSIONS) in said
    assert found.channels == {}
    assert found.members == 1
    one = look({VERSIONS: "releases: {addons: [{type: default, version: 0.3.1}, 7]}\n"})
    assert one.channels == {"addons": ("default",)}
    assert any("entry 2 of addons is not a map" in each.sentence for each in one.not_understood)


def test_it_tells_how_far_it_is_from_none_to_all() -> None:
    files = {f"{MEMBERS}/hub-1/spoke-{number}.yaml": MEMBER for number in range(450)}
    told: list[tuple[int, int]] = []
    survey(
        repository=MemoryRepository(MemoryRemote(FLEET | files)),
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(0, 451), (200, 451), (400, 451), (451, 451)]


@pytest.mark.parametrize(
    ("files", "code", "words"),
    [
        (None, "empty", "no commit yet"),
        ({"README.md": "# Else\n"}, "no_fleet", "is not a fleet"),
        (COMMON, "no_layout", "layout was not understood"),
    ],
    ids=["empty", "no fleet", "unknown layout"],
)
def test_it_refuses_what_it_cannot_adopt_in_words(
    files: dict[str, str] | None, code: str, words: str
) -> None:
    with pytest.raises(Refused, match=words) as refused:
        survey(repository=MemoryRepository(MemoryRemote(files)))
    assert refused.value.refusals[0].code == code


def test_it_leaves_a_repository_that_is_away_for_later() -> None:
    remote = MemoryRemote(FLEET)
    remote.away = True
    with pytest.raises(Transient, match="tried again"):
        survey(repository=MemoryRepository(remote))


def test_it_is_the_same_after_it_was_kept_as_data() -> None:
    found = look({f"{MEMBERS}/hub-1/broken.yaml": "tenant: [\n", VERSIONS: "releases: [a]\n"})
    assert found.evidence
    assert found.not_understood
    assert Survey.from_data(json.loads(json.dumps(found.to_data()))) == found
