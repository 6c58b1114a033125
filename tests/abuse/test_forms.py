"""Every field of every form, with every string: refused at its field, or proved to be harmless."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from typing import Any

import yaml
from django import forms as django_forms

import onboarding.forms
from onboarding import wiring
from onboarding.domain import planner
from onboarding.domain.errors import Refused
from onboarding.domain.layout import LAYOUTS, Placement
from onboarding.domain.names import ClusterName, Environment, HubName, TenantName
from onboarding.domain.policy import Destroys
from onboarding.forms.administration import AdoptForm, FleetForm, HubForm
from onboarding.forms.bulk import CsvForm, SameForm
from onboarding.forms.notices import TopicsForm, WebhookForm
from onboarding.forms.policies import RuleForm, TryForm
from onboarding.forms.registration import RegistrationForm
from onboarding.forms.roles import RoleForm
from onboarding.forms.rollout import RolloutForm
from onboarding.forms.tokens import TokenForm
from onboarding.models import Fleet
from onboarding.services import offers
from tests.abuse import corpus, oracles
from tests.journey.conftest import HUB, Place

Made = Callable[[dict[str, Any]], django_forms.Form]

FLEET = {"name": "other", "repository_url": "https://git.example.com/fleet.git", "branch": "main",
         "layout": "tenants"}  # fmt: skip
HUB_DATA = {"name": "hub-b", "access": "in_cluster", "namespace": "argocd"}
WEBHOOK = {"name": "chat", "url": "https://chat.example.com/x", "format": "json",
           "topic_decision_needed": "on"}  # fmt: skip
ROLLOUT = {"label": "addonsRelease", "source": "default", "target": "release1", "by": "environment",
           "waves": "dev", "soak": "10", "patience": "15"}  # fmt: skip

ROLE = {
    "kind": "group",
    "name": "team-a",
    "role": "viewer",
    "fleet": "*",
    "tenant": "*",
    "environment": "*",
}

RULE = {"name": "Production", "destroys": next(iter(Destroys)).value, "approvers": "1"}
# What may come through each field of text; everything else offers choices, numbers or switches.
TEXTS: dict[type[django_forms.Form], dict[str, Callable[[str], bool]]] = {
    RegistrationForm: {
        "cluster": oracles.is_name, "tenant": oracles.is_name, "environment": oracles.is_hub_name,
        "secret_name": oracles.is_secret_name, "server": oracles.is_server,
        "addons_repo_basepath": oracles.is_folder, "resources_repo_basepath": oracles.is_folder,
        "githubSecretName": oracles.is_secret_name,
    },
    FleetForm: {
        "name": oracles.is_slug, "repository_url": oracles.is_repository, "branch": oracles.is_ref,
        "layout_text": oracles.is_layout, "username": oracles.is_word,
        "credential_file": oracles.is_file, "known_hosts_file": oracles.is_file,
        "ca_file": oracles.is_file, "forge_url": oracles.is_https,
        "forge_token_file": oracles.is_file, "webhook_secret_file": oracles.is_file,
        "signing_key_file": oracles.is_file, "committer_email": oracles.is_word,
    },
    HubForm: {
        "name": oracles.is_hub_name, "api_url": oracles.is_https, "api_token_file": oracles.is_file,
        "api_ca_file": oracles.is_file, "namespace": oracles.is_hub_name,
        "eks_cluster": oracles.is_word, "argocd_url": oracles.is_https,
        "argocd_token_file": oracles.is_file, "argocd_ca_file": oracles.is_file,
        "link_url": oracles.is_https, "aws_region": oracles.is_hub_name,
        "aws_role_arn": oracles.is_word, "aws_external_id": oracles.is_word,
        "aws_endpoint_url": oracles.is_https,
    },
    WebhookForm: {
        "name": oracles.is_slug, "url": oracles.is_https, "url_file": oracles.is_file,
        "secret_file": oracles.is_file,
    },
    TopicsForm: {},
    RolloutForm: {
        "source": oracles.is_compared, "target": oracles.is_compared, "key": oracles.is_compared,
        "waves": oracles.is_waves, "title": oracles.is_line,
    },
    RuleForm: {
        "name": oracles.is_line, "fleets": oracles.is_patterns, "tenants": oracles.is_patterns,
        "environments": oracles.is_patterns, "groups": oracles.is_patterns,
        "freezes": oracles.is_patterns,
    },
    TryForm: {"tenant": oracles.is_compared, "environment": oracles.is_compared},
    RoleForm: {
        "name": oracles.is_line, "fleet": oracles.is_compared, "tenant": oracles.is_compared,
        "environment": oracles.is_compared,
    },
    TokenForm: {"name": oracles.is_service},
    CsvForm: {"title": oracles.is_line, "file": oracles.is_csv, "text": oracles.is_csv},
    SameForm: {"title": oracles.is_line, "labels": oracles.is_labels},
}  # fmt: skip
TEXTS[AdoptForm] = {
    name: TEXTS[FleetForm][name]
    for name in ("name", "repository_url", "branch", "layout_text", "username", "credential_file",
                 "known_hosts_file")
}  # fmt: skip
# Whose rule is the service's, which every way in goes through: shown in test_posted.py.
BY_THE_SERVICE = {(TokenForm, "name")}
MEMBERS = f"fleet/fleet-bootstrap/fleet-members/{HUB}"
IN_GIT = {"cluster": "clusterName", "tenant": "tenant", "environment": "environment",
          "secret_name": "secretManagerSecretName", "githubSecretName": "githubSecretName",
          "addons_repo_basepath": "addons_repo_basepath",
          "resources_repo_basepath": "resources_repo_basepath"}  # fmt: skip


def every_form() -> set[type[django_forms.Form]]:
    found: set[type[django_forms.Form]] = set()
    for module in pkgutil.iter_modules(onboarding.forms.__path__, "onboarding.forms."):
        for one in vars(importlib.import_module(module.name)).values():
            if isinstance(one, type) and issubclass(one, django_forms.Form):
                found |= {one} - {django_forms.Form}
    return found


def makers(place: Place) -> dict[type[django_forms.Form], Made]:
    """How each form is made from what was sent, all its other fields sound."""
    fleet = Fleet.objects.get()
    snapshot = wiring.current_repository(fleet, max_age=0).snapshot()
    where = Placement(
        HubName(HUB), ClusterName("spoke-a"), TenantName("tenant1"), Environment("dev")
    )
    offer = offers.offer(
        fleet=fleet, snapshot=snapshot, placement=where, pins={}, renderer=wiring.renderer()
    )
    base = place.form()
    return {
        RegistrationForm: lambda sent: RegistrationForm(base | sent, offer=offer),
        FleetForm: lambda sent: FleetForm(FLEET | sent),
        AdoptForm: lambda sent: AdoptForm(FLEET | sent),
        HubForm: lambda sent: HubForm(HUB_DATA | {"fleet": str(fleet.pk)} | sent),
        WebhookForm: lambda sent: WebhookForm(
            WEBHOOK | ({"url": ""} if "url_file" in sent else {}) | sent
        ),
        TopicsForm: TopicsForm,
        RolloutForm: lambda sent: RolloutForm(ROLLOUT | sent, channels=("default", "release1")),
        RuleForm: lambda sent: RuleForm(RULE | sent),
        TryForm: lambda sent: TryForm({"fleet": "platform", "kind": "register"} | sent),
        RoleForm: lambda sent: RoleForm(ROLE | sent),
        TokenForm: lambda sent: TokenForm({"name": "terraform", "days": "30"} | sent),
        CsvForm: lambda sent: CsvForm({"text": "hub,cluster"} | sent),
        SameForm: lambda sent: SameForm(sent, offer=offer),
    }


def test_every_form_and_field_of_text_is_here(place: Place) -> None:
    made = makers(place)
    assert every_form() == set(made) == set(TEXTS)
    for kind, make in made.items():
        texts = {
            name
            for name, field in make({}).fields.items()
            if isinstance(field, django_forms.CharField | django_forms.FileField)
        }
        assert texts == set(TEXTS[kind]), f"say in TEXTS what may come through {kind.__name__}"


def taken_texts(make: Made, texts: set[str], text: str) -> dict[str, str]:
    """Field -> what came of the string where it was taken; all fields of text get it at once."""
    form = make(dict.fromkeys(texts, text))
    form.is_valid()
    return {
        name: str(form.cleaned_data[name])
        for name in texts - set(form.errors)
        if str(form.cleaned_data.get(name) or "").strip()
    }


def test_every_field_of_text_refuses_or_is_harmless(place: Place) -> None:
    wrong, asked, taken = [], 0, 0
    for kind, make in makers(place).items():
        # Each of the two ways to a webhook's address by itself: both at once are refused anyway.
        parts = (
            [set(TEXTS[kind])]
            if kind is not WebhookForm
            else [{"name", "url"}, {"url_file", "secret_file"}]
        )
        for texts in parts:
            for text in corpus.ALL:
                found = taken_texts(make, texts, text)
                asked, taken = asked + len(texts), taken + len(found)
                wrong += [
                    f"{kind.__name__}.{name} took {corpus.shown(text)}"
                    for name, value in found.items()
                    if (kind, name) not in BY_THE_SERVICE and not TEXTS[kind][name](value)
                ]
    assert not wrong, "\n".join(wrong)
    assert asked > 4 * taken > 0


def test_every_choice_and_number_refuses_what_is_none(place: Place) -> None:
    """One string of each kind is enough: what is offered is compared with, nothing is parsed."""
    offered = {"", "true", "false", "on"}
    for make in makers(place).values():
        fields = make({}).fields
        names = [
            name
            for name, field in fields.items()
            if isinstance(
                field,
                django_forms.ChoiceField
                | django_forms.IntegerField
                | django_forms.ModelChoiceField,
            )
        ]
        for text in corpus.sample(3):
            form = make(dict.fromkeys(names, text))
            form.is_valid()
            odd = {
                name for name in names if name not in form.errors and text.strip() not in offered
            }
            odd -= {name for name in names if isinstance(form.cleaned_data.get(name), int)}
            assert not odd, (type(form).__name__, odd, corpus.shown(text))


def test_what_the_registration_takes_is_the_same_text_in_git(place: Place) -> None:
    """The built YAML, read by a reader of YAML, says the very string, and nothing else moved."""
    make = makers(place)[RegistrationForm]
    fleet = Fleet.objects.get()
    snapshot = wiring.current_repository(fleet, max_age=0).snapshot()
    planned = 0
    for text in corpus.ALL:
        for name in sorted(taken_texts(make, set(IN_GIT), text)):
            form = make({name: text})
            assert form.is_valid()
            assert isinstance(form, RegistrationForm)
            try:
                plan = planner.plan(
                    form.intent(), snapshot, LAYOUTS[fleet.layout], planner.Neighbours()
                )
            except Refused:
                continue
            planned += 1
            member = next(one for one in plan.edits if "/fleet-members/" in one.path)
            written = yaml.safe_load(member.after or "")
            assert written[IN_GIT[name]] == text.strip(), corpus.shown(text)
            assert set(written.values()) <= {*map(str, form.cleaned_data.values()), "true", "false"}
            assert "{" not in (member.after or "")
            assert member.path == f"{MEMBERS}/{written['clusterName']}.yaml"
    assert planned > 20
