"""`manage.py offboard`: ask that a cluster leaves, or say where its way out stands; never approves."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError

from onboarding import wiring
from onboarding.domain.errors import FleetError
from onboarding.domain.lifecycle import DecisionState
from onboarding.models import Cluster, Hub, Offboarding
from onboarding.services import offboarding


class Command(BaseCommand):
    """Asks for an offboarding in somebody's name, or tells the newest one of a cluster."""

    help = (
        "Ask that a cluster leaves the fleet (--keep or --remove), or say where its offboarding "
        "stands. Exit code 1 where it is refused or there is none."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Hub and cluster; to ask, what becomes of the workloads, the name once more, and who asks."""
        parser.add_argument("hub")
        parser.add_argument("cluster")
        workloads = parser.add_mutually_exclusive_group()
        workloads.add_argument("--keep", action="store_true", help="workloads stay on the spoke")
        workloads.add_argument("--remove", action="store_true", help="workloads are taken away")
        parser.add_argument("--confirm", default="", help="the cluster's name once more")
        parser.add_argument("--as", dest="person", default="", help="in whose name it is asked for")
        parser.add_argument("--json", action="store_true", help="as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask, if that is wanted; then tell how it stands."""
        if options["keep"] or options["remove"]:
            try:
                self._ask(options)
            except FleetError as error:
                raise CommandError(str(error)) from error
        run = offboarding.newest(hub_name=options["hub"], cluster=options["cluster"])
        if run is None:
            raise CommandError(f"No offboarding of {options['cluster']} was ever asked for.")
        told = _told(run)
        if options["json"]:
            self.stdout.write(json.dumps(told, indent=2))
            return
        self.stdout.write(f"{run.cluster_name}: {told['state']}, change #{run.change_id}")
        for step in told["steps"]:
            mark = "x" if step["done_at"] else "!" if step["stuck"] else " "
            self.stdout.write(f"[{mark}] {step['title']}. {step['says']} {step['remedy']}".rstrip())

    def _ask(self, options: dict[str, Any]) -> None:
        cluster = Cluster.objects.filter(hub_name=options["hub"], name=options["cluster"]).first()
        hub = Hub.objects.filter(name=options["hub"]).first()
        person = User.objects.filter(username=options["person"]).first()
        if cluster is None or hub is None:
            raise CommandError(f"There is no cluster {options['cluster']} on {options['hub']}.")
        if person is None:
            raise CommandError("Say in whose name it is asked for: --as USER.")
        offboarding.request(
            cluster=cluster,
            keep=options["keep"],
            confirmed=options["confirm"],
            actor=person,
            repository=wiring.current_repository(cluster.fleet, max_age=0),
            credentials=wiring.credentials(hub),
            clock=wiring.clock(),
            renderer=wiring.renderer(),
        )


def _told(run: Offboarding) -> dict[str, Any]:
    """A run as plain data; before it is approved its decision, then what people want of it."""
    approved = run.change.state == DecisionState.APPROVED.value
    return {
        "cluster": run.cluster_name,
        "hub": run.hub.name,
        "change": run.change_id,
        "decision": run.change.state,
        "state": run.state if approved or run.ended_at else run.change.state,
        "workloads": "keep" if run.keep else "remove",
        "note": run.note,
        "steps": [
            {
                "step": one.step,
                "title": one.get_step_display(),
                "change": one.change_id,
                "says": one.says,
                "remedy": one.remedy,
                "stuck": one.stuck,
                "done_at": one.done_at.isoformat() if one.done_at else None,
            }
            for one in run.steps.all()
        ],
    }
