"""A new fleet repository: only into an empty branch, filled in whole, from values that were checked."""

from __future__ import annotations

import pytest
import yaml

from onboarding.domain.errors import Refused, Transient
from onboarding.services.initializing import BOOTSTRAP, NewFleet, files, initialize
from tests.fakes import START, FakeClock, MemoryRemote, MemoryRepository

ASKED = {
    "repository_url": "https://git.example.com/fleet.git",
    "revision": "main",
    "hub": "hub-a",
    "aws_region": "eu-west-1",
    "tenants": ["tenant1", "team-a"],
}


def new(**changes: object) -> NewFleet:
    return NewFleet.parse(**ASKED | changes)  # type: ignore[arg-type]


def begin(remote: MemoryRemote) -> str:
    return initialize(
        repository=MemoryRepository(remote),
        new=new(),
        author_name="Ada",
        author_email="ada@example.com",
        clock=FakeClock(),
    )


def written() -> dict[str, str]:
    return {edit.path: (edit.content or b"").decode() for edit in files(new())}


def test_it_begins_an_empty_branch_with_one_commit() -> None:
    remote = MemoryRemote()
    commit = remote.commits[begin(remote)]
    assert (remote.tip, commit.parent, commit.author_name, commit.when) == (
        commit.sha,
        "",
        "Ada",
        START,
    )
    assert commit.message.startswith("Begin the fleet of hub-a\n")
    assert set(commit.files) == set(written())


def test_it_writes_over_nobodys_commit() -> None:
    remote = MemoryRemote({"README.md": "Ours.\n"})
    before = remote.tip
    with pytest.raises(Refused, match="already has commits") as caught:
        begin(remote)
    assert caught.value.refusals[0].code == "not_empty"
    assert (remote.tip, remote.pushes) == (before, 0)


def test_it_says_when_the_commit_did_not_arrive() -> None:
    remote = MemoryRemote()
    remote.refusing = "protected branch"
    with pytest.raises(Transient, match=r"did not arrive.*protected branch"):
        begin(remote)
    assert remote.tip == ""


def test_it_believes_the_remote_and_not_the_answer() -> None:
    remote = MemoryRemote()
    remote.lost_answers = 1
    assert begin(remote) == remote.tip


def test_it_makes_a_folder_for_each_tenant_and_keeps_no_other() -> None:
    found = {path.split("/")[2] for path in written() if path.startswith("addons/tenants/")}
    assert found - {"defaults"} == {"tenant1", "team-a"}
    labels = written()["addons/tenants/team-a/defaults/fleet/fleet-secret/values.yaml"]
    assert yaml.safe_load(labels) == {"externalSecret": {"labels": {}}}


def test_it_fills_the_bootstrap_in_whole() -> None:
    text = written()[BOOTSTRAP]
    assert "${" not in text
    documents = [one for one in yaml.safe_load_all(text) if one]
    assert all(isinstance(one, dict) for one in documents)
    assert "https://git.example.com/fleet.git" in text
    assert text.count("team-a") >= 1


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("repository_url", "--upload-pack=evil", "invalid_address"),
        ("repository_url", "https://git/fleet\nkind: Secret", "invalid_address"),
        ("repository_url", "https://git/{{ x }}", "invalid_address"),
        ("repository_url", "", "invalid_address"),
        ("aws_region", "europe", "invalid_region"),
        ("aws_region", "eu-west-1\n", "invalid_region"),
        ("revision", "-f", None),
        ("hub", "Hub", "invalid_name"),
        ("tenants", [], "required"),
        ("tenants", ["../etc"], "invalid_name"),
    ],
)
def test_it_refuses_what_must_not_stand_in_its_file(
    field: str, value: object, code: str | None
) -> None:
    with pytest.raises(Refused) as caught:
        new(**{field: value})
    assert code in (None, caught.value.refusals[0].code)


def test_it_takes_a_tenant_once() -> None:
    assert new(tenants=["a", "b", "a"]).tenants == ("a", "b")
