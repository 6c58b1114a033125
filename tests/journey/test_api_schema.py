"""The API asked what its description allows, and what it does not: no surprise, and every answer as described."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given, seed
from hypothesis import settings as bounded
from schemathesis import Case, GenerationMode
from schemathesis.checks import load_all_checks

from onboarding.api import mount
from onboarding.models import Approval, Change, Delivery
from tests.journey.conftest import HUB, Place
from tests.journey.test_api import REGISTRATIONS, Program, body, in_git, program, told

EXAMPLES = 25
OPERATIONS = sorted(
    operation["operationId"]
    for methods in mount.description()["paths"].values()
    for operation in methods.values()
)


@pytest.fixture
def layout() -> str:
    """One profile is enough here."""
    return "tenants"


@contextmanager
def one_session() -> Iterator[None]:
    """Keep the test's transaction open from request to request, as Django's own test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture
def description(db: None) -> Any:
    """The description, as a program would read it."""
    load_all_checks()
    with one_session():
        return schemathesis.openapi.from_wsgi("/api/v1/openapi.json", get_wsgi_application())


def with_real_things(case: Case, number: int, turn: int) -> None:
    """Every second time ask for what there is, so that the verbs get further than "absent"."""
    if case.path.endswith("/wait"):
        case.query = {**(case.query or {}), "timeout": 0}
    if turn % 2:
        return
    real = {"number": number, "hub": HUB, "name": "spoke-a"}
    for name in case.path_parameters or {}:
        case.path_parameters[name] = real[name]
    if isinstance(case.body, dict) and isinstance(case.body.get("hub"), str):
        case.body["hub"] = HUB
    if isinstance(case.body, dict) and "revision" in case.body:
        case.body["revision"] = Change.objects.get(pk=number).revision


@pytest.mark.parametrize("mode", GenerationMode, ids=lambda mode: mode.value)
@pytest.mark.parametrize("name", OPERATIONS)
def test_it_answers_as_it_is_described(
    place: Place, description: Any, name: str, mode: GenerationMode, settings: Any
) -> None:
    settings.API_REQUESTS_PER_MINUTE = 10_000
    in_git(place)
    caller: Program = program()
    number = told(caller.post(REGISTRATIONS, body(place, "spoke-b")), 201)["number"]
    operation = description.find_operation_by_id(name)
    turns = itertools.count()

    @seed(20261128)
    @bounded(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Case) -> None:
        turn = next(turns)
        if mode is GenerationMode.POSITIVE:  # else it could mend what is meant to be wrong
            with_real_things(case, number, turn)
        case.call_and_validate(
            headers=caller.headers(),
            excluded_checks=[
                # What is right of shape may be wrong of content, as in any form.
                schemathesis.checks.CHECKS.get_one("positive_data_acceptance"),
            ],
        )

    with one_session():
        ask()
    assert next(turns) > EXAMPLES // 2
    assert not Approval.objects.exists()
    assert not Delivery.objects.exists()
    assert not Change.objects.filter(state="approved").exists()


def test_it_describes_every_verb_and_no_decision(description: Any) -> None:
    assert OPERATIONS == [
        "change", "cluster", "clusters", "edit", "offboard", "plan", "plan_edit",
        "plan_offboarding", "plan_registration", "plan_revision", "register", "revise", "token",
        "wait", "withdraw",
    ]  # fmt: skip
    raw = mount.description()
    assert raw["components"]["securitySchemes"]["Bearer"]["scheme"] == "bearer"
    for methods in raw["paths"].values():
        for operation in methods.values():
            assert operation["security"]
            assert {401, 403, 404, 422, 429, 503} <= set(map(int, operation["responses"]))
