"""Which fleets the commands `stop` and `go` are about."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Mapping
from typing import Any

from onboarding.domain.errors import Refused
from onboarding.models import Fleet


def add_fleet(parser: ArgumentParser) -> None:
    """The option that names one fleet."""
    parser.add_argument("--fleet", default="", help="this fleet alone; else all")


def fleets_of(options: Mapping[str, Any], *, stopped: bool) -> list[Fleet]:
    """The fleets that are (not) stopped, of those asked for; `Refused` where there is none."""
    fleets = Fleet.objects.select_related("stop_switch")
    if options["fleet"]:
        fleets = fleets.filter(name=options["fleet"])
    every = list(fleets)
    if not every:
        raise Refused(
            f"There is no fleet {options['fleet']}." if options["fleet"] else "There is no fleet."
        )
    found = [one for one in every if _is_stopped(one) is stopped]
    if not found:
        raise Refused("It is stopped already." if not stopped else "Nothing is stopped.")
    return found


def _is_stopped(fleet: Fleet) -> bool:
    switch = getattr(fleet, "stop_switch", None)
    return switch is not None and switch.stopped_at is not None
