"""The form bypassed: what stands in a row of the database is refused by the planner, the worker and the writer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from onboarding import tasks
from onboarding.adapters.git import GitRemote, GitRepository
from onboarding.domain.errors import Refused
from onboarding.domain.intents import EditLayer, LayerEdit, intent_from_data
from onboarding.domain.layer_plan import plan_layer
from onboarding.domain.layout import TENANTS_LAYOUT
from onboarding.domain.planner import Neighbours, Plan, plan
from onboarding.models import Change
from onboarding.ports import CommitRequest, TreeEdit
from tests import repositories
from tests.abuse import corpus
from tests.domain.fleet_files import FILES, Repository, register
from tests.journey.conftest import Place
from tests.journey.test_api import approve

LABELS = "addons/tenants/team-a/defaults/fleet/fleet-secret/values.yaml"
VALUES = "addons/tenants/team-a/defaults/metrics-server/values.yaml"
SCALARS = ("hub", "cluster", "tenant", "environment", "secret_name", "model")


def planned(data: Mapping[str, Any]) -> Plan | None:
    """The plan of what a row says; None where it is refused, in words."""
    try:
        intent = intent_from_data(data)
        assert not isinstance(intent, EditLayer)
        return plan(intent, Repository(FILES), TENANTS_LAYOUT, Neighbours())
    except Refused:
        return None


def leaves(tree: Any) -> Iterator[str]:
    """Every key and every text of a document."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            yield str(key)
            yield from leaves(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from leaves(value)
    else:
        yield str(tree)


def check(found: Plan, text: str, where: str) -> None:
    """What was accepted is in the built YAML as the very string, once, and brought nothing along."""
    said = []
    for edit in found.edits:
        after = edit.after or ""
        assert "{{" not in after, where
        assert not {"..", "", "."} & set(edit.path.split("/")), where
        assert after.isascii(), where
        said += [*leaves(yaml.safe_load(after)), *edit.path.replace(".yaml", "").split("/")]
    if text:
        assert text in said, where


def rows(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """A row with the string at each place that a form would have looked at."""
    sound = register().to_data()
    for name in SCALARS:
        yield name, sound | {name: text}
    for option in ("addons_repo_basepath", "githubSecretName", "use_fleet_ack"):
        yield option, sound | {"options": {option: text}}
    yield "option", sound | {"options": {text: "true"}}
    yield "pin", sound | {"pins": {"enable_cert_manager": text}}
    yield "channel", sound | {"pins": {"addonsRelease": text}}
    yield "label", sound | {"pins": {"team": text}}
    yield "key", sound | {"pins": {text: "true"}}


def test_the_planner_refuses_rows_that_no_form_saw() -> None:
    accepted = refused = 0
    for text in corpus.ALL:
        for name, data in rows(text):
            found = planned(data)
            if found is None:
                refused += 1
                continue
            accepted += 1
            check(found, text, f"{name}: {corpus.shown(text)}")
    assert accepted
    assert refused > 5 * accepted


def test_reserved_labels_are_refused_whoever_asks() -> None:
    sound = register().to_data()
    for key in (
        "argocd.argoproj.io/secret-type", "argocd.argoproj.io/auto-label-cluster-info", "x.argoproj.io/y",
        "kubernetes.io/x", "app.kubernetes.io/instance", "k8s.io/x", "fleet/x", "fleet_member", "tenant",
        "environment", "addons_repo_url", "addons_repo_revision", "teamRepoURL", "chart_revision",
        "x.y/addons_repo_url",
    ):  # fmt: skip
        assert planned(sound | {"pins": {key: "x"}}) is None, key
        edit = EditLayer(LABELS, (LayerEdit(("externalSecret", "labels", key), "x"),))
        with pytest.raises(Refused):
            plan_layer(edit, Repository(FILES), TENANTS_LAYOUT)


def test_a_shared_layer_takes_no_more_than_a_form() -> None:
    accepted = 0
    for text in corpus.ALL:
        for where, edit in {
            "label": EditLayer(LABELS, (LayerEdit(("externalSecret", "labels", "team"), text),)),
            "key": EditLayer(LABELS, (LayerEdit(("externalSecret", "labels", text), "x"),)),
            "value": EditLayer(VALUES, (LayerEdit(("controller", "args"), text),)),
            "name": EditLayer(VALUES, (LayerEdit(("controller", text), "x"),)),
            "path": EditLayer(text, (LayerEdit(("controller", "args"), "x"),)),
        }.items():
            try:
                found = plan_layer(edit, Repository(FILES), TENANTS_LAYOUT)
            except Refused:
                continue
            assert where != "path", corpus.shown(text)
            accepted += 1
            check(found, text, f"{where}: {corpus.shown(text)}")
    assert accepted


def test_the_writer_builds_no_path_and_no_author_that_is_odd(tmp_path: Path) -> None:
    """The last of all: Git objects, made from whatever it is handed."""
    bare = repositories.bare_repository(tmp_path / "remote.git", {"a.yaml": "a: b\n"})
    remote = GitRemote(url=str(bare), branch="main", allow_local=True)
    writer = GitRepository(folder=tmp_path / "mirror", remote=remote)
    base = writer.fetch()
    when = datetime(2026, 3, 2, tzinfo=UTC)
    for text in (*corpus.GROUPS["paths"], *corpus.GROUPS["headers"], *corpus.GROUPS["unicode"]):
        request = CommitRequest((TreeEdit(f"x/{text}", "", b"x"),), "m", text, text, when)
        try:
            built = writer.build(base, request)
            writer.keep()
        except Refused:
            continue
        said = (
            repositories.git(tmp_path / "mirror" / "repository.git", "cat-file", "commit", built)
            if (tmp_path / "mirror" / "repository.git").exists()
            else ""
        )
        head = said.partition("\n\n")[0].splitlines()
        assert [line.split()[0] for line in head] in ([], ["tree", "parent", "author", "committer"])
        parts = text.split("/")
        assert not {"..", ".", "", ".git"} & set(parts), corpus.shown(text)
    assert repositories.tip(bare) == base


@pytest.mark.parametrize("text", ["{{ .config }}", "../../tenant2", "a\nApproved-by: arno"])
def test_the_worker_commits_what_was_approved_whatever_a_row_says_since(
    place: Place, text: str
) -> None:
    """What was asked for is changed in the row, behind every form: Git gets the approved files or none."""
    place.post("requester", "/clusters/register/", place.form())
    change = Change.objects.get()
    approve(place, change)
    approved = {edit["path"]: edit["after"] for edit in change.plan["edits"]}
    before = repositories.tree(place.bare)
    odd = change.intent | {"secret_name": text, "tenant": text, "options": {text: text}}
    Change.objects.filter(pk=change.pk).update(intent=odd)
    tasks.deliver(fleet_id=change.fleet_id)
    after = repositories.tree(place.bare)
    written = {path: content.decode() for path, content in after.items() if path not in before}
    assert written in ({}, approved)
    assert text not in "".join(repositories.log(place.bare))
