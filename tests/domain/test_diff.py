"""One plan, three views: diff, commit message and digest, each with a known answer."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onboarding.domain.diff import commit_message, digest, digest_data, unified
from onboarding.domain.errors import Refused
from onboarding.domain.hierarchy import Origin
from onboarding.domain.labels import ClusterLabels, Label
from onboarding.domain.plans import (
    ApplicationForecast,
    FileEdit,
    Impact,
    Plan,
    PlanWarning,
    ReadSet,
    blob_id,
    canonical_json,
    sha256,
)
from tests.domain.fleet_files import edit, register

CALM = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
ORIGIN = Origin("tenant", "a.yaml", 3)
APPLICATION = ApplicationForecast(
    name="metrics-server-spoke-1",
    component="metrics-server",
    group="addons",
    version="3.12.1",
    destination="spoke-1",
    namespace="kube-system",
    cause="because",
    chart="metrics-server",
    repo_url="https://charts.example/metrics",
    values_digest="sha256:00",
)
NEWER = replace(APPLICATION, version="3.13.0")


def file_edit(path: str, before: str | None, after: str) -> FileEdit:
    return FileEdit(
        path,
        "" if before is None else blob_id(before.encode()),
        blob_id(after.encode()),
        before,
        after,
    )


EDITS = (file_edit("b/new.yaml", None, "a: 1\n"), file_edit("a/old.yaml", "a: 1\nb: 2\n", "a: 1\n"))
PLAN = Plan(
    commit="c" * 40,
    intent=register(),
    edits=EDITS,
    labels_before=ClusterLabels((), ()),
    labels_after=ClusterLabels(
        (Label("tenant", "team-a", ORIGIN, ()),), (Label("note", "x", ORIGIN, ()),)
    ),
    impact=Impact(appear=(APPLICATION,)),
)
WHO: dict[str, Any] = {
    "fleet": "main",
    "hub": "hub-1",
    "change_id": "7f3f",
    "revision": 1,
    "requester": "ada",
    "editors": ["grace", "edsger"],
    "policy_version": "1",
}


def test_it_hashes_exactly_the_documented_data() -> None:
    expected = {
        "format": 1,
        "fleet": "main",
        "hub": "hub-1",
        "change": "7f3f",
        "revision": 1,
        "requester": "ada",
        "editors": ["edsger", "grace"],
        "policy": "1",
        "edits": [
            {
                "path": "a/old.yaml",
                "before": blob_id(b"a: 1\nb: 2\n"),
                "after": blob_id(b"a: 1\n"),
            },
            {"path": "b/new.yaml", "before": None, "after": blob_id(b"a: 1\n")},
        ],
        "labels": {"tenant": "team-a"},
        "annotations": {"note": "x"},
        "applications": {
            "appear": [
                {
                    "name": "metrics-server-spoke-1",
                    "component": "metrics-server",
                    "version": "3.12.1",
                    "destination": "spoke-1",
                    "namespace": "kube-system",
                    "chart": "metrics-server",
                    "repository": "https://charts.example/metrics",
                    "deployed_by": "hub",
                    "values": "sha256:00",
                    "deletes_resources": False,
                }
            ],
            "change": [],
            "disappear": [],
        },
        "applications_complete": True,
    }
    assert digest_data(PLAN, **WHO) == expected
    text = json.dumps(expected, sort_keys=True, separators=(",", ":"))
    assert digest(PLAN, **WHO) == f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def test_it_gives_the_known_digest() -> None:
    # A change of this value is a change of the format: raise DIGEST_FORMAT with it.
    assert (
        digest(PLAN, **WHO)
        == "sha256:264b6c13818448690f2707f1082404432465e22425cdcfd1e31a26b3c12105b1"
    )


CHANGES: list[tuple[str, Callable[[Plan], Plan]]] = [
    ("an edit more", lambda plan: replace(plan, edits=(*EDITS, file_edit("c.yaml", None, "x")))),
    ("other content", lambda plan: replace(plan, edits=(file_edit("b/new.yaml", None, "a: 2\n"),))),
    (
        "another file before",
        lambda plan: replace(plan, edits=(file_edit("b/new.yaml", "", "a: 1\n"), EDITS[1])),
    ),
    ("no label", lambda plan: replace(plan, labels_after=ClusterLabels((), ()))),
    ("an Application changes", lambda p: replace(p, impact=Impact(change=((APPLICATION, NEWER),)))),
    ("an Application goes", lambda plan: replace(plan, impact=Impact(disappear=(APPLICATION,)))),
    ("another version", lambda plan: replace(plan, impact=Impact(appear=(NEWER,)))),
    (
        "other values",
        lambda p: replace(p, impact=Impact(appear=(replace(APPLICATION, values_digest="x"),))),
    ),
    (
        "resources deleted",
        lambda p: replace(p, impact=Impact(appear=(replace(APPLICATION, deletes_resources=True),))),
    ),
    ("not complete", lambda p: replace(p, impact=replace(p.impact, complete=False))),
]


@pytest.mark.parametrize("change", [one for _, one in CHANGES], ids=[name for name, _ in CHANGES])
def test_it_gives_another_digest_for_another_plan(change: Callable[[Plan], Plan]) -> None:
    assert digest(change(PLAN), **WHO) != digest(PLAN, **WHO)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("fleet", "other"),
        ("hub", "hub-2"),
        ("change_id", "7f40"),
        ("revision", 2),
        ("requester", "grace"),
        ("editors", ["grace"]),
        ("policy_version", "2"),
    ],
)
def test_it_gives_another_digest_for_other_people_and_rules(key: str, value: object) -> None:
    assert digest(PLAN, **{**WHO, key: value}) != digest(PLAN, **WHO)


SAME: list[tuple[str, Callable[[Plan], Plan]]] = [
    ("another commit", lambda plan: replace(plan, commit="d" * 40)),
    ("another order", lambda plan: replace(plan, edits=EDITS[::-1])),
    ("warnings", lambda plan: replace(plan, warnings=(PlanWarning("x", "y"),))),
    ("reads", lambda plan: replace(plan, reads=ReadSet(files={"a": "b"}))),
    ("other words", lambda p: replace(p, impact=Impact(appear=(replace(APPLICATION, cause="z"),)))),
    (
        "what the hub told",
        lambda plan: replace(
            plan, impact=replace(plan.impact, disappear=(replace(APPLICATION, from_hub=True),))
        ),
    ),
]


@pytest.mark.parametrize("change", [one for _, one in SAME], ids=[name for name, _ in SAME])
def test_it_keeps_the_digest_where_nothing_of_substance_differs(
    change: Callable[[Plan], Plan],
) -> None:
    assert digest(change(PLAN), **WHO) == digest(PLAN, **WHO)
    editors = {**WHO, "editors": ["edsger", "grace", "edsger"]}
    assert digest(PLAN, **editors) == digest(PLAN, **WHO)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"b": 1, "a": [True, None, "ä"]}, '{"a":[true,null,"ä"],"b":1}'),
        ({}, "{}"),
        ("a\nb", '"a\\nb"'),
    ],
)
def test_it_writes_canonical_json(data: object, expected: str) -> None:
    assert canonical_json(data) == expected.encode()
    assert sha256(data) == f"sha256:{hashlib.sha256(expected.encode()).hexdigest()}"


def test_it_has_no_json_for_what_is_no_number() -> None:
    with pytest.raises(ValueError, match="JSON"):
        canonical_json(float("nan"))


@CALM
@given(st.dictionaries(st.text(max_size=4), st.one_of(st.integers(), st.text(max_size=4))))
def test_it_hashes_equal_maps_alike(data: dict[str, object]) -> None:
    assert sha256(dict(reversed(data.items()))) == sha256(data)
    assert json.loads(canonical_json(data)) == data


def test_it_shows_a_new_and_a_changed_file() -> None:
    assert unified(PLAN) == (
        "--- /dev/null\n+++ b/b/new.yaml\n@@ -0,0 +1 @@\n+a: 1\n"
        "--- a/a/old.yaml\n+++ b/a/old.yaml\n@@ -1,2 +1 @@\n a: 1\n-b: 2\n"
    )


def test_it_shows_line_ends_and_a_missing_last_one() -> None:
    shown = unified(file_edit("x", "a\r\nb", "a\nb\n"))
    assert shown == (
        "--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n-a\r\n-b\n\\ No newline at end of file\n+a\n+b\n"
    )
    assert unified(file_edit("x", "same\n", "same\n")) == ""


@settings(deadline=None, max_examples=15, suppress_health_check=list(HealthCheck))
@given(
    st.text(alphabet="ab\n\r", max_size=12),
    st.text(alphabet="ab\n\r", max_size=12),
)
def test_it_writes_diffs_that_git_applies(tmp_path: Path, before: str, after: str) -> None:
    if before == after:
        return
    target = tmp_path / "file"
    target.write_bytes(before.encode())
    run = subprocess.run(
        ["git", "apply", "-p1", "--unidiff-zero", "--whitespace=nowarn", "-"],
        input=unified(file_edit("file", before, after)).encode(),
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    left = target.read_bytes() if target.exists() else b""
    assert (run.returncode, left) == (0, after.encode()), run.stderr


def test_it_writes_the_commit_message() -> None:
    message = commit_message(
        replace(PLAN, impact=Impact(appear=(APPLICATION,), disappear=(NEWER,))),
        change_id="7f3f",
        requester="Ada <ada@fleet.example>",
        approvers=["grace", "edsger", "grace"],
        digest="sha256:ab",
        audit_head="e4d7",
    )
    assert message == (
        "Register cluster spoke-1 on hub hub-1\n"
        "\n"
        "Tenant team-a, environment dev, centralized model.\n"
        "Appears: metrics-server-spoke-1.\n"
        "Disappears: metrics-server-spoke-1.\n"
        "\n"
        "Change-Id: 7f3f\n"
        "Requested-by: Ada <ada@fleet.example>\n"
        "Approved-by: edsger\n"
        "Approved-by: grace\n"
        "Plan-Digest: sha256:ab\n"
        "Audit-Head: e4d7\n"
    )
    parsed = subprocess.run(
        ["git", "interpret-trailers", "--parse"],
        input=message.encode(),
        capture_output=True,
        check=True,
    )
    assert parsed.stdout.decode().splitlines()[0] == "Change-Id: 7f3f"
    assert len(parsed.stdout.decode().splitlines()) == 6


def test_it_calls_an_edit_an_edit() -> None:
    message = commit_message(
        replace(PLAN, intent=edit(), impact=Impact(change=((APPLICATION, NEWER),))),
        change_id="1",
        requester="ada",
        approvers=[],
        digest="d",
    )
    assert message.startswith("Edit cluster spoke-1 on hub hub-1\n")
    assert "Changes: metrics-server-spoke-1." in message
    assert "Approved-by" not in message
    assert "Audit-Head" not in message


@pytest.mark.parametrize("name", ["ada\nApproved-by: eve", "a\rb", "a\u2028b", "", " "])
def test_it_lets_nobody_write_a_trailer_of_their_own(name: str) -> None:
    with pytest.raises(Refused) as caught:
        commit_message(PLAN, change_id="1", requester=name, approvers=[], digest="d")
    assert caught.value.refusals[0].code == "invalid_trailer"
