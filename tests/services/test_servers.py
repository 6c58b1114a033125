"""Which cluster has a server already, what two ways to write it have in common, what is not checked."""

from __future__ import annotations

import pytest

from onboarding.domain.credentials import SecretFacts, SecretPresence
from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import DecisionState
from onboarding.domain.servers import SERVER_TAG
from onboarding.models import Change, ClusterStatus, Fleet, Hub
from onboarding.services.servers import check, server_of
from tests.stage import Stage

SERVER = "https://0123.eks.example"
ARN = "arn:aws:eks:eu-west-1:123456789012:cluster/spoke-1"


def secret(tag: str = "") -> SecretFacts:
    tags = {SERVER_TAG: tag} if tag else {}
    return SecretFacts(SecretPresence.PRESENT, "fleet/spoke-1", "There.", tags=tags)


def seen(stage: Stage, name: str, server: str, hub: Hub | None = None) -> None:
    now = stage.clock.now()
    ClusterStatus.objects.create(
        hub=hub or stage.hub, name=name, server=server, first_seen_at=now, seen_at=now
    )


def asked(stage: Stage, cluster: str, server: str, **values: object) -> Change:
    given = {
        "fleet": stage.fleet,
        "kind": Change.Kind.REGISTER,
        "state": DecisionState.SUBMITTED.value,
        "requester": stage.requester,
    }
    return Change.objects.create(**given | values, cluster_name=cluster, server=server)


def refusal(server: str, cluster: str = "spoke-1") -> str:
    with pytest.raises(Refused) as refused:
        check(server=server, cluster=cluster, except_change=None)
    (one,) = refused.value.refusals
    assert (one.field, one.code) == ("server", "duplicate_server")
    return one.message


def free(server: str, cluster: str = "spoke-1", change: Change | None = None) -> bool:
    return check(server=server, cluster=cluster, except_change=change) == ()


@pytest.mark.parametrize(
    ("tag", "entered", "server"),
    [
        ("", "", ""),
        ("", f"{SERVER}:443/", SERVER),
        (SERVER, "", SERVER),
        (f"{SERVER}/", SERVER.upper().replace("HTTPS", "https"), SERVER),
        ("not a server", SERVER, SERVER),
        ("not a server", "", ""),
        (SERVER, ARN, SERVER),
        (ARN, SERVER, ARN),
    ],
)
def test_it_takes_the_secrets_word_for_the_server_before_the_persons(
    tag: str, entered: str, server: str
) -> None:
    assert server_of(facts=secret(tag), entered=entered) == server


@pytest.mark.parametrize(
    ("tag", "entered", "code", "words"),
    [
        (SERVER, "https://other.example", "other_server", f"says {SERVER}. Enter that"),
        (ARN, f"{ARN}2", "other_server", f"says {ARN}. Enter that"),
        (SERVER, "http://plain.example", "invalid_server", "is an https address"),
    ],
)
def test_it_refuses_at_the_field_a_server_that_the_secret_is_not_for(
    tag: str, entered: str, code: str, words: str
) -> None:
    with pytest.raises(Refused, match=words) as refused:
        server_of(facts=secret(tag), entered=entered)
    assert (refused.value.refusals[0].field, refused.value.refusals[0].code) == ("server", code)


def test_it_names_the_cluster_and_the_hub_of_any_fleet_that_has_the_server(stage: Stage) -> None:
    far = Fleet.objects.create(name="fleet-b", repository_url="https://git.example.com/b.git")
    hub = Hub.objects.create(fleet=far, name="hub-b")
    seen(stage, "old", "https://0123.EKS.example:443/", hub)
    said = refusal(SERVER)
    assert f"The server {SERVER} is that of old on hub hub-b." in said
    assert "take that one out first" in said
    assert free(SERVER, cluster="old"), "a cluster may be asked for again"


@pytest.mark.parametrize(
    "other",
    [f"{SERVER}:6443", f"{SERVER}/k8s/clusters/c-1", "https://a.0123.eks.example", "0123.eks.example"],
)  # fmt: skip
def test_it_does_not_take_a_server_that_looks_alike_for_the_same(stage: Stage, other: str) -> None:
    seen(stage, "old", other)
    assert free(SERVER)


def test_it_names_the_open_registration_that_asked_for_the_server_first(stage: Stage) -> None:
    first = asked(stage, "spoke-2", SERVER)
    assert f"that of change #{first.pk} (spoke-2)." in refusal(SERVER)
    assert free(SERVER, cluster="spoke-2", change=first), "it does not stand in its own way"
    assert free("https://free.example")


@pytest.mark.parametrize("by", ["draft", "edit", "settled"])
def test_it_holds_no_server_for_what_does_not_register_a_cluster_now(stage: Stage, by: str) -> None:
    values: dict[str, dict[str, object]] = {
        "draft": {"state": DecisionState.DRAFT.value},
        "edit": {"kind": Change.Kind.EDIT},
        "settled": {"settled_at": stage.clock.now()},
    }
    asked(stage, "spoke-2", SERVER, **values[by])
    assert free(SERVER)


def test_it_says_what_is_not_checked(stage: Stage) -> None:
    seen(stage, "old", SERVER)
    (unknown,) = check(server="", cluster="spoke-1", except_change=None)
    assert unknown.code == "server_unchecked"
    assert f"has no tag {SERVER_TAG}" in unknown.message
    (arn,) = check(server=ARN, cluster="spoke-1", except_change=None)
    assert arn.code == "server_unchecked"
    assert "compared with the ARNs of open changes only" in arn.message
    asked(stage, "spoke-2", ARN)
    assert "(spoke-2)" in refusal(ARN)
