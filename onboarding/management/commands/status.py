"""`manage.py status`: how clusters stand, or one of them, or a change; and wait for it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from onboarding import wiring
from onboarding.automation import telling
from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import DecisionState
from onboarding.management.family import FamilyCommand, add_waiting, cluster_line
from onboarding.models import Change, Cluster, Standing


class Command(FamilyCommand):
    """Tells what the pages tell, without asking Git or a hub."""

    help = (
        "Say how all clusters stand, or one (HUB CLUSTER), or a change (--change), and wait for "
        "that one. Exit codes: 0 done or reached, 1 there is none, 2 called wrongly, 4 waited in "
        "vain, 5 it will never be."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What is asked about."""
        parser.add_argument("hub", nargs="?", default="")
        parser.add_argument("cluster", nargs="?", default="")
        parser.add_argument("--change", type=int, metavar="NUMBER", help="a change")
        add_waiting(parser)
        super().add_arguments(parser)

    def act(self, options: dict[str, Any]) -> None:
        """Tell it."""
        if bool(options["hub"]) != bool(options["cluster"]):
            raise CommandError("Name a hub and a cluster, or neither.", returncode=2)
        if options["change"]:
            self.tell_change(_change(options["change"]), options)
        elif options["wait"]:
            raise CommandError("What is waited for is a change: --change NUMBER.", returncode=2)
        else:
            self._clusters(options)

    def _clusters(self, options: dict[str, Any]) -> None:
        now = wiring.clock().now()
        one = {"hub_name": options["hub"], "name": options["cluster"]} if options["hub"] else {}
        rows = Standing.objects.filter(**one).select_related("fleet").order_by("name", "pk")
        told = [telling.cluster_told(row, now) for row in rows.iterator()]
        if one and not told:
            told = [
                telling.untold(each)
                for each in Cluster.objects.filter(**one).select_related("fleet")
            ]
        if one and not told:
            raise Refused("There is no such cluster, and nobody asks for one.", code="absent")
        if options["json"]:
            self.say({"clusters": told})
            return
        for each in told:
            self.stdout.write(cluster_line(each))


def _change(number: int) -> Change:
    change = (
        Change.objects.select_related("fleet", "hub", "requester")
        .exclude(state=DecisionState.DRAFT.value)
        .filter(pk=number)
        .first()
    )
    if change is None:
        raise Refused(f"There is no change #{number}.", code="absent")
    return change
