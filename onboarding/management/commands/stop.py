"""`manage.py stop [--fleet NAME] REASON`: nothing more is written to Git until `manage.py go`."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from onboarding import wiring
from onboarding.management.family import FamilyCommand
from onboarding.management.switched import add_fleet, fleets_of
from onboarding.services import stopping


class Command(FamilyCommand):
    """Turns the stop switch on."""

    help = "Stop every delivery to one fleet or to all of them; what is approved waits."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which fleet, and why."""
        super().add_arguments(parser)
        add_fleet(parser)
        parser.add_argument("reason", help="why: shown on every page, and kept in the audit trail")

    def act(self, options: Mapping[str, Any]) -> None:
        """Stop each; a fleet that is stopped already is left as it is."""
        found = []
        for fleet in fleets_of(options, stopped=False):
            under_way = stopping.stop(
                fleet=fleet, reason=options["reason"], actor=None, clock=wiring.clock()
            )
            found.append({"fleet": fleet.name, "being_pushed": under_way})
            if not options["json"]:
                late = f"; {under_way} being pushed may still arrive" if under_way else ""
                self.stdout.write(f"{fleet.name}: stopped{late}.")
        if options["json"]:
            self.say({"stopped": found})
