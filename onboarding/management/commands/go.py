"""`manage.py go [--fleet NAME]`: deliveries that were stopped go on."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from onboarding import wiring
from onboarding.management.family import FamilyCommand
from onboarding.management.switched import add_fleet, fleets_of
from onboarding.services import stopping


class Command(FamilyCommand):
    """Turns the stop switch off."""

    help = "Let the deliveries of one fleet or of all that are stopped go on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which fleet."""
        super().add_arguments(parser)
        add_fleet(parser)

    def act(self, options: Mapping[str, Any]) -> None:
        """Let each go on."""
        found = []
        for fleet in fleets_of(options, stopped=True):
            waiting = stopping.go(
                fleet=fleet, actor=None, clock=wiring.clock(), queue=wiring.queue()
            )
            found.append({"fleet": fleet.name, "waiting": waiting})
            if not options["json"]:
                self.stdout.write(f"{fleet.name}: goes on; {waiting} were waiting.")
        if options["json"]:
            self.say({"goes_on": found})
