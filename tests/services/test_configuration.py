"""Configuration: by administrators alone, written down, and what was indexed is not believed longer."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User

from onboarding.domain.errors import Refused, Transient
from onboarding.models import Event, Fleet, Hub
from onboarding.services import configuration
from onboarding.services.configuration import CheckResult
from tests.fakes import START, FakeClock
from tests.people import give

pytestmark = pytest.mark.django_db

FLEET = {"name": "platform", "repository_url": "https://a", "branch": "main", "layout": "tenants"}
CLOCK = FakeClock()


def person(*rights: str) -> User:
    user = User.objects.create_user("ada")
    return give(user, *rights)


@pytest.fixture
def administrator() -> User:
    return person("administrator")


def save(actor: User, fleet: Fleet | None = None, **values: Any) -> Fleet:
    return configuration.save_fleet(
        values={**FLEET, **values}, actor=actor, clock=CLOCK, fleet=fleet
    )


def test_it_saves_a_fleet_and_says_who_did(administrator: User) -> None:
    fleet = save(administrator, credential_file="/run/secrets/token")
    assert Fleet.objects.get() == fleet
    event = Event.objects.get()
    assert (event.verb, event.actor, event.fleet, event.at) == (
        "fleet.configured",
        administrator,
        fleet,
        START,
    )
    assert event.detail["values"]["credential_file"] == "/run/secrets/token"


@pytest.mark.parametrize("name", ["repository_url", "branch", "layout"])
def test_it_forgets_what_was_indexed_of_another_place(administrator: User, name: str) -> None:
    fleet = save(administrator)
    Fleet.objects.update(indexed_commit="c" * 40, indexed_at=START)
    fleet.refresh_from_db()
    save(administrator, fleet, name="renamed")
    assert Fleet.objects.get().indexed_commit == "c" * 40
    save(administrator, fleet, **{name: "environments"})
    fleet.refresh_from_db()
    assert (fleet.indexed_commit, fleet.indexed_at) == ("", None)


def test_it_saves_a_hub(administrator: User) -> None:
    fleet = save(administrator)
    values = {"fleet": fleet, "name": "hub-a", "api_url": "https://hub"}
    hub = configuration.save_hub(values=values, actor=administrator, clock=CLOCK)
    configuration.save_hub(
        values={**values, "api_url": "https://other"}, actor=administrator, clock=CLOCK, hub=hub
    )
    assert Hub.objects.get().api_url == "https://other"
    assert Event.objects.filter(verb="hub.configured", fleet=fleet).count() == 2


@pytest.mark.parametrize("rights", [(), ("requester", "approver")])
def test_it_lets_nobody_else(rights: tuple[str, ...]) -> None:
    actor = person(*rights)
    asked: list[str] = []
    for act in (
        lambda: save(actor),
        lambda: configuration.save_hub(values={"name": "hub-a"}, actor=actor, clock=CLOCK),
        lambda: configuration.run_checks(
            actor=actor, checks={"Git": lambda: str(asked.append(""))}
        ),
    ):
        with pytest.raises(Refused, match="administrator"):
            act()
    assert (Fleet.objects.count(), Hub.objects.count(), Event.objects.count(), asked) == (
        0,
        0,
        0,
        [],
    )


def test_it_reports_each_check_by_itself(administrator: User) -> None:
    def away() -> str:
        raise Transient("The hub does not answer.")

    def denied() -> str:
        raise Refused("AccessDenied for secretsmanager:DescribeSecret.")

    checks = {"Hub": away, "AWS": denied, "Git": lambda: "main is at 1a2b3c4."}
    assert configuration.run_checks(actor=administrator, checks=checks) == (
        CheckResult("Hub", False, "The hub does not answer."),
        CheckResult("AWS", False, "AccessDenied for secretsmanager:DescribeSecret."),
        CheckResult("Git", True, "main is at 1a2b3c4."),
    )


def test_it_does_not_hide_a_fault_of_its_own(administrator: User) -> None:
    with pytest.raises(ZeroDivisionError):
        configuration.run_checks(actor=administrator, checks={"Git": lambda: str(1 / 0)})
