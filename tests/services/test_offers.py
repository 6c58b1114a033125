"""What a form may offer, as Git and the hub have it, each with where it was read."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from onboarding.domain.errors import Refused
from onboarding.models import Cluster, Fleet, Hub, HubObject
from onboarding.services import offers
from tests.domain.fleet_files import FILES, SYSTEM_LABELS, TENANT_LABELS, VERSIONS, placement
from tests.fakes import START, MemorySnapshot

pytestmark = pytest.mark.django_db

WRAPPER = "charts/application-sets/values.yaml"


@pytest.fixture
def fleet() -> Fleet:
    found = Fleet.objects.create(name="fleet-a", layout="tenants")
    Hub.objects.create(fleet=found, name="hub-1")
    return found


def offer(
    fleet: Fleet,
    files: Mapping[str, str] = FILES,
    *,
    is_placed: bool = True,
    **pins: str,
) -> offers.Offer:
    return offers.offer(
        fleet=fleet,
        snapshot=MemorySnapshot.of(files),
        placement=placement() if is_placed else None,
        pins=pins,
    )


def test_it_offers_the_channels_of_the_versions_file(fleet: Fleet) -> None:
    channels = {channel.label: channel for channel in offer(fleet).channels}
    assert list(channels) == [
        "addonsRelease",
        "resourcesRelease",
        "monitoringRelease",
        "fleetRelease",
    ]
    addons = channels["addonsRelease"]
    assert (addons.types, addons.versions) == (
        ("default", "release1"),
        {"default": "0.3.1", "release1": "0.4.0"},
    )
    assert channels["resourcesRelease"].types == ()


def test_it_says_what_is_inherited_and_from_which_line(fleet: Fleet) -> None:
    files = {**FILES, TENANT_LABELS: 'externalSecret:\n  labels:\n    addonsRelease: "release1"\n'}
    channels = {channel.label: channel.inherited for channel in offer(fleet, files).channels}
    addons, monitoring = channels["addonsRelease"], channels["monitoringRelease"]
    assert addons is not None
    assert (addons.value, addons.path, addons.line) == ("release1", TENANT_LABELS, 3)
    assert monitoring is not None
    assert (monitoring.value, monitoring.path) == ("default", SYSTEM_LABELS)
    assert channels["fleetRelease"] is None


def test_it_inherits_nothing_before_the_place_is_known(fleet: Fleet) -> None:
    found = offer(fleet, is_placed=False)
    assert not found.is_place_known
    assert {channel.inherited for channel in found.channels} == {None}
    assert found.flags


def test_it_offers_the_flags_of_the_wrapper_grouped(fleet: Fleet) -> None:
    groups = offer(fleet).flag_groups
    assert {group.group: [flag.label for flag in group.flags] for group in groups} == {
        "addons": ["enable_metrics_server", "enable_cert_manager"],
        "monitoring": ["enable_prometheus"],
    }
    assert all(WRAPPER in group.origin for group in groups)
    metrics = next(flag for flag in groups[0].flags if flag.component == "metrics-server")
    assert metrics.version == "3.12.1"
    assert metrics.inherited is not None
    assert metrics.inherited.value == "true"


def test_it_reads_the_catalogue_at_the_channel_that_is_chosen(fleet: Fleet) -> None:
    flags = {flag.component: flag for flag in offer(fleet, addonsRelease="release1").flags}
    assert flags["metrics-server"].version == "3.13.0"


def test_it_offers_a_flag_as_soon_as_git_has_its_component(fleet: Fleet) -> None:
    more = "  falco:\n    group: addons\n    flag: enable_falco\n    namespace: falco\n"
    more += '    source: {repoURL: "https://charts.example/f", chart: falco, version: "4.0.0"}\n'
    assert "enable_falco" not in {flag.label for flag in offer(fleet).flags}
    files = {**FILES, WRAPPER: FILES[WRAPPER] + more}
    assert "enable_falco" in {flag.label for flag in offer(fleet, files).flags}


def test_it_asks_the_hubs_live_sets_where_git_has_no_catalogue(fleet: Fleet) -> None:
    selector = {"matchLabels": {"enable_falco": "true", "addonsRelease": "default"}}
    HubObject.objects.create(
        hub=Hub.objects.get(),
        uid="1",
        kind="applicationsets",
        name="falco",
        seen_at=START,
        facts={
            "metadata": {"name": "falco"},
            "spec": {"generators": [{"clusters": {"selector": selector}}]},
        },
    )
    elsewhere = (
        "releases:\n  addons:\n    - {type: default, version: 1.0.0, "
        "repoURL: https://charts.example, chart: w}\n"
    )
    groups = offer(fleet, {**FILES, VERSIONS: elsewhere}).flag_groups
    addons = next(group for group in groups if group.group == "addons")
    assert [flag.label for flag in addons.flags] == ["enable_falco"]
    assert WRAPPER not in addons.origin


def test_it_offers_the_hubs_tenants_and_environments_that_are_known(fleet: Fleet) -> None:
    Hub.objects.create(fleet=Fleet.objects.create(name="other"), name="hub-x")
    for name, tenant, environment in (
        ("a", "team-z", "prod"),
        ("b", "team-z", "dev"),
        ("c", "", ""),
    ):
        Cluster.objects.create(
            fleet=fleet,
            path=name,
            hub_name="hub-1",
            name=name,
            tenant=tenant,
            environment=environment,
        )
    files = {
        **FILES,
        TENANT_LABELS: "a: 1\n",
        "addons/tenants/defaults/fleet/fleet-secret/values.yaml": "a: 1\n",
    }
    found = offer(fleet, files)
    assert (found.hubs, found.tenants, found.environments) == (
        ("hub-1",),
        ("team-a", "team-z"),
        ("dev", "prod"),
    )


def test_it_refuses_a_versions_file_that_cannot_be_read(fleet: Fleet) -> None:
    with pytest.raises(Refused, match=f"{VERSIONS}, line 2"):
        offer(fleet, {**FILES, VERSIONS: "a: b\n  c: [\n"})


def test_it_offers_only_hubs_while_the_repository_cannot_be_read(fleet: Fleet) -> None:
    found = offers.empty(fleet=fleet)
    assert (found.hubs, found.channels, found.flags, found.tenants) == (("hub-1",), (), (), ())
