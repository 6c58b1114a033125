"""Every service that acts for somebody, asked by everybody: yes or no, as docs/access.md says."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import transaction

from onboarding import services
from onboarding.domain.bulk_csv import Line, Table
from onboarding.domain.errors import FleetError, Refused, Transient
from onboarding.domain.policy import Rule
from onboarding.domain.roles import Role
from onboarding.domain.rollout_waves import SplitBy, WaveAsk
from onboarding.domain.tokens import Verb
from onboarding.models import (
    Adoption,
    Bulk,
    BulkRow,
    Change,
    Cluster,
    ClusterPause,
    Delivery,
    Grant,
    Hub,
    Offboarding,
    PolicyRule,
    Rollout,
    RolloutRow,
    RolloutWave,
    ServiceAccount,
    ServiceToken,
    Webhook,
)
from onboarding.services import bulks, drafts, indexing, previews, rollouts
from onboarding.services.surveying import Survey
from tests.people import give
from tests.roles_table import PEOPLE, table
from tests.stage import Stage

pytestmark = pytest.mark.django_db

WHO = {"actor", "user", "person"}
# These read what somebody has or may, or write down who did something: they decide nothing by themselves.
READING = {
    "decisions",
    "rights",
    "scope",
    "places",
    "events",
    "repeats",
    "offers",
    "grants.seen_by",
    "policies.groups_of",
}
# Refusals that are about who asks, not about what is asked.
ABOUT_THEM = {"forbidden", "not_allowed", "not_yours", "not_a_draft", "own_change"}


def services_for_somebody() -> Iterator[tuple[str, Callable[..., Any]]]:
    """Each public function of the services that is given a person, by module and name."""
    for found in pkgutil.walk_packages(services.__path__, "onboarding.services."):
        module = importlib.import_module(found.name)
        noun = found.name.removeprefix("onboarding.services.")
        for verb, function in vars(module).items():
            name = f"{noun}.{verb}"
            if verb.startswith("_") or not inspect.isfunction(function):
                continue
            if function.__module__ != module.__name__ or {noun, name} & READING:
                continue
            if WHO & set(inspect.signature(function).parameters):
                yield name, function


class Scene(Stage):
    """A stage on which all is there that services act on, all of it of team-a; and all kinds of people."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.people = {
            "none": User.objects.create_user("none"),
            "viewer": self.person("viewer", "viewer"),
            "requester": self.requester,
            "approver": self.person("approver", "removal_approver"),
            "administrator": self.person("administrator", "administrator"),
            "neighbour": give(
                User.objects.create_user("neighbour"),
                "requester",
                "removal_approver",
                tenant="team-b",
            ),
        }
        self.hub = Hub.objects.get(name="hub-a")
        self.approved("spoke-c")
        self.deliver()
        indexing.index(fleet=self.fleet, repository=self.repository, clock=self.clock)
        self.cluster = Cluster.objects.get(name="spoke-c")
        self.change, self.other = self.submitted("spoke-a"), self.submitted("spoke-b")
        self.draft = drafts.save(
            fleet=self.fleet, kind="register", form_data={}, actor=self.requester, clock=self.clock
        )
        self.found = Survey("c", is_built_in=True, layout={"name": "tenants"}, members=0)
        self._fill()

    def _fill(self) -> None:
        now = self.clock.now()
        about: dict[str, Any] = {"fleet": self.fleet, "created_at": now}
        mine: dict[str, Any] = {**about, "title": "x", "requester": self.requester}
        run = {**about, "hub": self.hub, "cluster_name": "spoke-a", "change": self.change}
        self.delivery = Delivery.objects.create(
            change=self.other,
            fleet=self.fleet,
            digest="sha256:1",
            state="failed",
            queued_at=now,
            due_at=now,
        )
        self.run = Offboarding.objects.create(**run)
        until = now + timedelta(days=1)
        self.pause = ClusterPause.objects.create(
            **run, owner=self.requester, reason="x", until=until
        )
        self.bulk = Bulk.objects.create(**mine, kind="register", state="proposed")
        BulkRow.objects.create(
            bulk=self.bulk, number=1, is_checked=True, due_at=now, change=self.change
        )
        self.rollout = Rollout.objects.create(**mine, label="addonsRelease")
        wave = RolloutWave.objects.create(rollout=self.rollout, number=1, name="One")
        RolloutRow.objects.create(
            wave=wave, hub=self.hub, cluster_name="spoke-a", change=self.change
        )
        service = ServiceAccount.objects.create(
            user=User.objects.create_user("terraform"), created_at=now
        )
        ServiceToken.objects.create(
            account=service, prefix="abcdef01", digest="x", created_at=now, expires_at=until
        )
        self.adoption = Adoption.objects.create(
            actor=self.requester,
            name="other",
            repository_url="x",
            branch="main",
            created_at=now,
            seen_at=now,
            state="found",
            report=self.found.to_data(),
        )
        self.webhook = Webhook.objects.create(name="chat", url="https://chat.example.com/x")
        self.rule = PolicyRule.objects.create(
            name="rule", rule=Rule("rule").to_data(), updated_at=now
        )

    def given(self) -> dict[str, Any]:
        """What services take, by the names of their parameters."""
        self.repository.real.fetch()
        wave = WaveAsk("One", ("dev",), timedelta())
        return {
            "adoption": self.adoption,
            "also": None,
            "answers": {},
            "argocd": _away,
            "asked": rollouts.Asked("addonsRelease", "default", "x", (wave,), SplitBy.ENVIRONMENT),
            "body": "Hello.",
            "bulk_id": self.bulk.pk,
            "change_id": self.change.pk,
            "change_ids": [self.change.pk],
            "changes": [self.change],
            "checks": {},
            "clock": self.clock,
            "cluster": self.cluster,
            "clusters": [self.cluster],
            "confirmed": "spoke-c",
            "connection": {"repository_url": "x", "branch": "main"},
            "credentials": self.secrets,
            "days": 3,
            "delivery_id": self.delivery.pk,
            "digest": self.change.plan_digest,
            "fleet": self.fleet,
            "fleets": [self.fleet],
            "form_data": {},
            "found": self.found,
            "grant_id": Grant.objects.get(user=self.people["neighbour"], role="requester").pk,
            "hub": self.hub,
            "intent": self.intent("spoke-n"),
            "keep": True,
            "keys": frozenset({"x"}),
            "kind": "register",
            "name": "fresh",
            "of": "clusters",
            "offboarding_id": self.run.pk,
            "patterns": {"fleet": "*", "tenant": "team-c", "environment": "*"},
            "pause_id": self.pause.pk,
            "person": "viewer",
            "pk": 0,
            "prefix": "abcdef01",
            "query": "",
            "queue": self.queue,
            "reader": _away,
            "reason": "Because.",
            "repository": self.repository,
            "role": Role.VIEWER,
            "rollout_id": self.rollout.pk,
            "row": self.rule,
            "rule": Rule("rule"),
            "table": Table(("cluster",), (Line(2, {"cluster": "spoke-z"}),)),
            "title": "x",
            "to_hub": "hub-b",
            "topics": [],
            "until": self.clock.now() + timedelta(hours=1),
            "values": {},
            "verbs": [Verb.READ],
            "webhook": self.webhook,
        }

    def special(self, name: str) -> dict[str, Any]:
        """What a service takes otherwise than all others."""
        first = self.intent("spoke-a")
        return {
            "bulks.approve": {"digest": bulks.digest_of(self.bulk)},
            "bulks.reject": {"digest": bulks.digest_of(self.bulk)},
            "drafts.discard": {"change_id": self.draft.pk},
            "changes.revise": {"intent": first},
            "changes.submit_planned": {"plan": self._plan()},
            "hub_moves.request": {"credentials": lambda hub: self.secrets},
            "rollout_decisions.approve": {"digest": rollouts.digest_of(self.rollout)},
            "rollout_decisions.reject": {"digest": rollouts.digest_of(self.rollout)},
            "service_tokens.issue": {"name": "pipeline"},
        }.get(name, {})

    def _plan(self) -> Any:
        return previews.preview(
            fleet=self.fleet,
            intent=self.intent("spoke-n"),
            snapshot=self.repository.snapshot(),
        )

    def answer(self, name: str, function: Callable[..., Any], who: User) -> str:
        """Whether a service does it for somebody, or refuses them; everything is then as it was."""
        cache.clear()
        given = {**self.given(), **self.special(name)}
        parameters = inspect.signature(function).parameters
        for_whom = next(one for one in ("actor", "user", "person") if one in parameters)
        taken = {key: given[key] for key in parameters if key in given and key != for_whom}
        taken[for_whom] = User.objects.get(pk=who.pk)
        with transaction.atomic():
            try:
                function(**taken)
                said = "yes"
            except Refused as refused:
                codes = {one.code for one in refused.refusals}
                said = "no" if codes & ABOUT_THEM else "yes"
            except FleetError:
                said = "yes"
            transaction.set_rollback(True)
        return said


def _away(hub: Hub) -> Any:
    raise Transient("The hub does not answer.")


def test_every_service_for_somebody_is_in_the_table() -> None:
    named = {name for (name,) in table("Services")}
    assert {name for name, _ in services_for_somebody()} == named


def test_it_does_for_everybody_what_the_table_says(tmp_path: Path) -> None:
    scene, expected = Scene(tmp_path), table("Services")
    found = {
        name: {who: scene.answer(name, function, scene.people[who]) for who in PEOPLE}
        for name, function in services_for_somebody()
    }
    wrong = {
        name: (answers, expected.get((name,)))
        for name, answers in found.items()
        if answers != expected.get((name,))
    }
    assert not wrong
    assert Change.objects.filter(pk=scene.change.pk, state="submitted").exists()
