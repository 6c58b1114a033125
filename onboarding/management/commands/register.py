"""`manage.py register`: ask that a cluster joins the fleet; it never approves."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from onboarding.automation import asking
from onboarding.management.family import (
    FamilyCommand,
    add_person,
    add_waiting,
    answers_of,
    fleet_of_hub,
    person_of,
    read_map,
)


class Command(FamilyCommand):
    """Asks for a registration in somebody's name, and waits where that is wanted."""

    help = (
        "Ask that a cluster joins the fleet, as the form and the API do. Exit codes: 0 done, "
        "1 refused, 2 called wrongly, 3 try again later, 4 waited in vain, 5 it will never be."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The file, who asks, and how long to wait for what."""
        parser.add_argument(
            "file",
            help="YAML or JSON (- is standard input): hub, cluster, tenant, environment, "
            "secret_name, and if wanted server, model, remote_addons, remote_resources, options, pins",
        )
        add_person(parser)
        add_waiting(parser)
        super().add_arguments(parser)

    def act(self, options: dict[str, Any]) -> None:
        """Ask, then tell where the change stands."""
        person = person_of(options)
        data = read_map(options["file"])
        fleet = fleet_of_hub(str(data.get("hub", "")))
        change = asking.register(fleet=fleet, answers=answers_of(data), actor=person)
        self.tell_change(change, options)
