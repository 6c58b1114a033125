"""`manage.py offboard`: ask that a cluster leaves, or say where its way out stands; never approves."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from onboarding.automation import asking, telling
from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import DecisionState
from onboarding.management.family import FamilyCommand, add_person, cluster_called, person_of
from onboarding.models import Offboarding
from onboarding.services import offboarding


class Command(FamilyCommand):
    """Asks for an offboarding in somebody's name, or tells the newest one of a cluster."""

    help = (
        "Ask that a cluster leaves the fleet (--keep or --remove), or say where its offboarding "
        "stands. Exit codes: 0 done, 1 refused or there is none, 2 called wrongly, 3 try again later."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Hub and cluster; to ask, what becomes of the workloads, the name once more, and who asks."""
        parser.add_argument("hub")
        parser.add_argument("cluster")
        workloads = parser.add_mutually_exclusive_group()
        workloads.add_argument("--keep", action="store_true", help="workloads stay on the spoke")
        workloads.add_argument("--remove", action="store_true", help="workloads are taken away")
        parser.add_argument("--confirm", default="", help="the cluster's name once more")
        add_person(parser)
        super().add_arguments(parser)

    def act(self, options: dict[str, Any]) -> None:
        """Ask, if that is wanted; then tell how it stands."""
        if options["keep"] or options["remove"]:
            _ask(options)
        run = offboarding.newest(hub_name=options["hub"], cluster=options["cluster"])
        if run is None:
            raise Refused(
                f"No offboarding of {options['cluster']} was ever asked for.", code="absent"
            )
        told = _told(run)
        if options["json"]:
            self.say(told)
            return
        self.stdout.write(f"{run.cluster_name}: {told['state']}, change #{run.change_id}")
        for step in told["steps"]:
            mark = "x" if step["done_at"] else "!" if step["stuck"] else " "
            self.stdout.write(f"[{mark}] {step['title']}. {step['says']} {step['remedy']}".rstrip())


def _ask(options: dict[str, Any]) -> None:
    asking.offboard(
        cluster=cluster_called(options["hub"], options["cluster"]),
        keep=options["keep"],
        confirmed=options["confirm"],
        actor=person_of(options),
    )


def _told(run: Offboarding) -> dict[str, Any]:
    """A run as plain data; before it is approved its decision, then what people want of it."""
    approved = run.change.state == DecisionState.APPROVED.value
    return telling.run_told(run) | {
        "cluster": run.cluster_name,
        "hub": run.hub.name,
        "change": run.change_id,
        "decision": run.change.state,
        "state": run.state if approved or run.ended_at else run.change.state,
    }
