"""What is checked against all hubs and open changes before anything is asked of an approver."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from onboarding.domain.errors import Refused
from onboarding.domain.planner import EditCluster
from onboarding.domain.servers import parse_server
from onboarding.models import ApplicationStatus, Change, ClusterStatus, Hub
from onboarding.services import changes, previews
from tests.stage import Stage

ARN = "arn:aws:eks:eu-west-1:123456789012:cluster/spoke-1"


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("", ""),
        ("https://A.example", "https://a.example"),
        (" https://a.example:443/ ", "https://a.example"),
        ("https://a.example:6443", "https://a.example:6443"),
        ("https://10.0.0.1/k8s/clusters/c-1/", "https://10.0.0.1/k8s/clusters/c-1"),
        ("https://[FE80::1]:6443", "https://[fe80::1]:6443"),
        (ARN, ARN),
    ],
)
def test_it_reads_a_server_in_one_form(text: str, same: str) -> None:
    assert parse_server(text) == same


@pytest.mark.parametrize(
    "text",
    ["http://a.example", "a.example", "https://", "https://u:p@a.example", "https://a.example:x",
     "https://a.example/?q", "https://a b", "arn:aws:s3:::bucket", "https://" + "a" * 600],
)  # fmt: skip
def test_it_refuses_what_is_no_server(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_server(text)
    assert refused.value.refusals[0].field == "server"


@pytest.fixture
def stage(transactional_db: None, tmp_path: Path) -> Stage:
    found = Stage(tmp_path)
    found.repository.real.fetch()
    return found


def submit(stage: Stage, cluster: str, *, tag: str = "", entered: str = "") -> Change:
    intent = stage.intent(cluster)
    secret = f"fleet/{cluster}"
    tags = {"fleet/server": tag} if tag else {}
    stage.secrets.known[secret] = replace(stage.secrets.known[secret], tags=tags)
    return changes.submit(
        fleet=stage.fleet,
        intent=intent,
        form_data={"server": entered},
        actor=stage.requester,
        repository=stage.repository,
        credentials=stage.secrets,
        clock=stage.clock,
    )


def codes(change: Change) -> list[str]:
    return [one["code"] for one in change.plan["warnings"]]


def test_it_never_passes_an_unknown_server_silently(stage: Stage) -> None:
    assert "server_unchecked" in codes(submit(stage, "spoke-1"))
    assert "server_unchecked" not in codes(submit(stage, "spoke-2", tag="https://two.example"))
    assert "server_unchecked" not in codes(
        submit(stage, "spoke-3", entered="https://three.example")
    )
    assert "server_unchecked" in codes(submit(stage, "spoke-4", entered=ARN))


@pytest.mark.parametrize("by", ["tag", "entered"])
def test_it_refuses_a_server_that_another_cluster_has(stage: Stage, by: str) -> None:
    other = Hub.objects.create(fleet=stage.fleet, name="hub-b")
    now = stage.clock.now()
    ClusterStatus.objects.create(
        hub=other, name="old", server="https://Taken.example:443", first_seen_at=now, seen_at=now
    )
    with pytest.raises(Refused, match="old on hub hub-b") as refused:
        submit(stage, "spoke-1", **{by: "https://taken.example/"})
    assert refused.value.refusals[0].field == "server"
    assert not Change.objects.exists()
    submit(stage, "spoke-1", **{by: "https://free.example"})
    with pytest.raises(Refused, match="change #"):
        submit(stage, "spoke-2", **{by: "https://free.example"})


def test_it_refuses_a_server_that_is_not_the_secrets(stage: Stage) -> None:
    with pytest.raises(Refused, match=r"says https://real\.example"):
        submit(stage, "spoke-1", tag="https://real.example", entered="https://other.example")


def test_it_asks_about_the_server_again_at_delivery(stage: Stage) -> None:
    change = submit(stage, "spoke-1", tag="https://one.example")
    now = stage.clock.now()
    ClusterStatus.objects.create(
        hub=stage.hub, name="old", server="https://one.example", first_seen_at=now, seen_at=now
    )
    with pytest.raises(Refused, match="old on hub hub-a"):
        previews.preview_change(change=change, repository=stage.repository)


def test_it_writes_no_file_that_the_hub_does_not_read(stage: Stage) -> None:
    registered = stage.approved("spoke-1")
    stage.deliver()
    registered.refresh_from_db()
    path = "addons/tenants/team-a/clusters/spoke-1/fleet/fleet-secret/values.yaml"
    row = ApplicationStatus.objects.create(
        hub=stage.hub,
        uid="1",
        name="fleet-secret-spoke-1",
        facts={"value_files": ["$values/elsewhere/values.yaml"]},
        first_seen_at=stage.clock.now(),
        seen_at=stage.clock.now(),
    )
    with pytest.raises(Refused, match=f"Nobody reads {path}"):
        stage.submitted("spoke-1", EditCluster)
    row.facts = {"value_files": [f"$values/{path}"]}
    row.save()
    assert stage.submitted("spoke-1", EditCluster).plan["edits"][0]["path"] == path
