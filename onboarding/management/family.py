"""What the commands that ask and tell have in common: who asks, how they end, how they wait.

Exit codes: 0 done or reached; 1 refused, or there is no such thing; 2 called wrongly (Django's own);
3 not possible now, worth another try; 4 waited in vain; 5 it will never come so far.
"""

from __future__ import annotations

import json
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from onboarding.automation import telling, waiting
from onboarding.automation.asking import MODEL, PLACE, Answers, said_at
from onboarding.automation.waiting import Until
from onboarding.domain.errors import FleetError, Refusal, Refused, Transient
from onboarding.domain.lifecycle import DecisionState
from onboarding.domain.yaml.yamlread import load
from onboarding.models import Change, Cluster, Fleet, Hub
from onboarding.services.rights import is_service

LOOKS_EVERY = 1.0
_MAPS = ("options", "pins", "labels")


class Exit(IntEnum):
    """How a command ends."""

    REFUSED = 1
    LATER = 3
    IN_VAIN = 4
    NEVER = 5


class FamilyCommand(BaseCommand):
    """A command that does one thing (`act`) and says errors as its siblings do."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Each of them speaks JSON, too."""
        parser.add_argument("--json", action="store_true", help="as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it; a refusal is printed with every reason and its field."""
        try:
            self.act(options)
        except Refused as refused:
            if options["json"]:
                self.say({"refused": _reasons(refused)})
            raise CommandError(_in_words(refused), returncode=Exit.REFUSED) from refused
        except Transient as error:
            raise CommandError(str(error), returncode=Exit.LATER) from error
        except FleetError as error:
            raise CommandError(str(error), returncode=Exit.LATER) from error

    def act(self, options: dict[str, Any]) -> None:
        """What this command does."""
        raise NotImplementedError

    def say(self, told: Mapping[str, Any]) -> None:
        """Print one JSON document."""
        self.stdout.write(json.dumps(told, indent=2, sort_keys=True))

    def tell_change(self, change: Change, options: dict[str, Any]) -> None:
        """Tell where a change stands, after the wait that was asked for; its end is the exit code."""
        if not options["wait"]:
            self._told(telling.change_told(change), options)
            return
        until = Until(options["wait"])
        if not waiting.possible(change, until):
            raise Refused(
                f"A change of this kind never ends as {until.value}. Wait for "
                f"{waiting.ends_as(change).value}.",
                code="impossible",
            )
        found = _waited(change.pk, until, options["timeout"])
        self._told(found.told | {"reached": found.reached, "over": found.over}, options)
        if found.over:
            raise CommandError(
                f"Change #{change.pk} will never be {until.value}.", returncode=Exit.NEVER
            )
        if not found.reached:
            raise CommandError(
                f"Change #{change.pk} is not {until.value} after {options['timeout']} seconds.",
                returncode=Exit.IN_VAIN,
            )

    def _told(self, told: Mapping[str, Any], options: dict[str, Any]) -> None:
        if options["json"]:
            self.say(told)
            return
        where = f"{told['cluster']} on {told['hub']}"
        self.stdout.write(f"#{told['number']} {told['kind']} {where}: {told['state']}")
        for line in (told["note"], told["waits_for"], told["page"]):
            if line:
                self.stdout.write(f"  {line}")
        if told["delivery"] and told["delivery"]["commit"]:
            self.stdout.write(f"  Commit {told['delivery']['commit']}")
        if cluster := told.get("cluster_state"):
            self.stdout.write(f"  {cluster_line(cluster)}")


def add_waiting(parser: ArgumentParser) -> None:
    """The two arguments of a command that can wait for a change."""
    parser.add_argument(
        "--wait", choices=[one.value for one in Until], help="until the change came so far"
    )
    parser.add_argument(
        "--timeout", type=int, default=1800, metavar="SECONDS", help="at most so long (1800)"
    )


def add_person(parser: ArgumentParser) -> None:
    """In whose name something is asked for."""
    parser.add_argument("--as", dest="person", default="", help="in whose name it is asked for")


def person_of(options: dict[str, Any]) -> User:
    """The person in whose name it is asked; raises `Refused` where there is none, and for a service."""
    person = User.objects.filter(username=options["person"], is_active=True).first()
    if person is None:
        raise Refused("Say in whose name it is asked for: --as USER.", code="no_person")
    if is_service(person):
        raise Refused("A service asks by its token, through the API.", code="service")
    return person


def change_numbered(number: int) -> Change:
    """The change of this number, but for people's drafts; raises `Refused` where there is none."""
    found = Change.objects.exclude(state=DecisionState.DRAFT.value).filter(pk=number)
    change = found.select_related("fleet", "hub", "requester").first()
    if change is None:
        raise Refused(f"There is no change #{number}.", code="absent")
    return change


def cluster_called(hub: str, name: str) -> Cluster:
    """The cluster of Git of this name on a hub; raises `Refused` where there is none."""
    found = Cluster.objects.filter(hub_name=hub, name=name).select_related("fleet")
    cluster = found.order_by("problem", "path").first()
    if cluster is None:
        raise Refused(f"There is no cluster {name} on {hub}.", field="cluster", code="absent")
    return cluster


def fleet_of_hub(name: str) -> Fleet:
    """The fleet whose hub this is; raises `Refused` at its field where there is none."""
    hub = Hub.objects.select_related("fleet").filter(name=name).first()
    if hub is None:
        raise Refused(f"There is no hub {name!r:.80}.", field="hub", code="no_hub")
    return hub.fleet


def fleet_called(name: str) -> Fleet:
    """The fleet of this name, or the only one there is."""
    fleets = Fleet.objects.filter(name=name) if name else Fleet.objects.all()
    if len(found := list(fleets[:2])) != 1:
        raise Refused("Name one fleet with --fleet.", code="no_fleet")
    return found[0]


def read_map(name: str) -> dict[str, Any]:
    """A file of YAML or JSON with one map; "-" is standard input. Raises `Refused` where it is none."""
    try:
        content = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise Refused(f"{name} cannot be read: {error.strerror}.", code="unreadable") from error
    data = load(content, path=name)
    if not isinstance(data, dict):
        raise Refused(f"{name} must be a map.", code="no_map")
    return {str(key): value for key, value in data.items()}


def revision_of(data: dict[str, Any]) -> int | None:
    """Take the revision out of what a file says; None where it says none, `Refused` where it is no number."""
    said = data.pop("revision", None)
    if said is None or (isinstance(said, int) and not isinstance(said, bool)):
        return said
    raise Refused("revision must be a number.", field="revision", code="no_number")


def answers_of(data: Mapping[str, Any]) -> Answers:
    """What a file says of a cluster, as the body of the API does; raises `Refused` for what is unknown."""
    parts: dict[str, dict[str, str | None]] = {}
    wrong = [
        Refusal(f"Nobody asks for {key!r:.80}.", key[:80], "unknown")
        for key in sorted(set(data) - {*PLACE, *MODEL, *_MAPS})
    ]
    for name in _MAPS:
        said = data.get(name) or {}
        if not isinstance(said, dict):
            wrong.append(Refusal(f"{name} must be a map.", name, "no_map"))
            continue
        parts[name] = {str(key): _text(value) for key, value in said.items()}
    fields: dict[str, str | bool | None] = {}
    for name in (*PLACE, *MODEL):
        value = data.get(name)
        fields[name] = value if isinstance(value, bool) else _text(value)
    if wrong:
        raise Refused.of(wrong)
    return Answers(fields=fields, **parts)


def cluster_line(told: Mapping[str, Any]) -> str:
    """One cluster in one line."""
    apps = told["applications"]
    says = f"  {told['says']}" if told["says"] else ""
    return (
        f"{told['cluster']} on {told['hub']}: {told['state']}, "
        f"{apps['healthy']} of {apps['total']} Applications healthy.{says}"
    )


def _text(value: object) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


def _waited(
    change_id: int, until: Until, timeout: float, sleep: Callable[[float], None] = time.sleep
) -> waiting.Look:
    ends = time.monotonic() + timeout
    while True:
        found = waiting.look(change_id, until)
        if found.reached or found.over or time.monotonic() >= ends:
            return found
        sleep(min(LOOKS_EVERY, max(0.0, ends - time.monotonic())))


def _reasons(refused: Refused) -> list[dict[str, str]]:
    return [
        {"field": said_at(one.field), "code": one.code, "message": one.message}
        for one in refused.refusals
    ]


def _in_words(refused: Refused) -> str:
    lines = [
        f"{said_at(one.field)}: {one.message}" if one.field else one.message
        for one in refused.refusals
    ]
    return "Refused:\n" + "\n".join(lines)
