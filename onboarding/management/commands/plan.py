"""`manage.py plan`: what a change would do, as text or JSON; nothing is written."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from onboarding import wiring
from onboarding.automation import asking
from onboarding.domain.errors import Refused
from onboarding.domain.fleet_plan import FleetPlan
from onboarding.domain.fleet_plan_text import fleet_plan_text
from onboarding.domain.intents import EditCluster, LeaveFleet, RegisterCluster
from onboarding.domain.plan_text import plan_text
from onboarding.domain.plans import Plan
from onboarding.management.family import (
    FamilyCommand,
    answers_of,
    change_numbered,
    cluster_called,
    fleet_called,
    fleet_of_hub,
    read_map,
    revision_of,
)
from onboarding.models import Change
from onboarding.services import fleet_plans, plan_records, previews


class Command(FamilyCommand):
    """Plans a change, or what a file asks for, on the branch as it is now."""

    help = (
        "Show what a change would do: files, labels, Applications. Exit codes: 0 done, 1 refused, "
        "2 called wrongly, 3 try again later."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """A change, a file, a branch or a folder."""
        parser.add_argument("change", nargs="?", type=int, help="the number of a change")
        parser.add_argument(
            "--file",
            help="what would be asked for, YAML or JSON (- is standard input): as for register; with "
            "kind: edit of hub and cluster only what would change, with kind: offboard, workloads (keep "
            "or remove). Beside the number of a change: what would be edited of it",
        )
        parser.add_argument(
            "--commit",
            metavar="REV",
            help="what merging a branch or commit of the fleet repository would do, to every cluster",
        )
        parser.add_argument(
            "--files",
            metavar="FOLDER",
            help="what the files below a folder would do, each in the place of its path, to every cluster",
        )
        parser.add_argument("--fleet", default="", help="the fleet's name, where there are several")
        super().add_arguments(parser)

    def act(self, options: dict[str, Any]) -> None:
        """Plan and print."""
        asked = [name for name in ("change", "file", "commit", "files") if options[name]]
        if len(asked) != 1 and asked != ["change", "file"]:
            raise CommandError(
                "Give the number of a change, --file with what would be asked for (with a change: what "
                "would be edited of it), --commit, or --files.",
                returncode=2,
            )
        if asked[0] in ("commit", "files"):
            self._tell_fleet(self._of_fleet(options), as_json=options["json"])
            return
        if options["file"]:
            plan, digest = _of_file(read_map(options["file"]), options["change"]), ""
        else:
            plan, digest = self._of_change(options["change"])
        if options["json"]:
            self.say(plan_records.record(plan) | {"digest": digest or None})
        else:
            self.stdout.write(plan_text(plan, digest=digest), ending="")

    def _of_change(self, number: int) -> tuple[Plan, str]:
        change = Change.objects.select_related("fleet", "requester").filter(pk=number).first()
        if change is None or not change.intent:
            raise Refused(f"There is no change #{number} that could be planned.", code="absent")
        repository = wiring.current_repository(change.fleet, max_age=0)
        seen = previews.preview_change(
            change=change, repository=repository, renderer=wiring.renderer()
        )
        return seen.plan, seen.digest

    def _of_fleet(self, options: dict[str, Any]) -> FleetPlan:
        fleet = fleet_called(options["fleet"])
        repository = wiring.current_repository(fleet, max_age=0)
        if rev := options["commit"]:
            return fleet_plans.plan_revision(
                fleet=fleet, repository=repository, rev=rev, renderer=wiring.renderer()
            )
        files = wiring.folder(Path(options["files"]))
        return fleet_plans.plan_files(
            fleet=fleet, repository=repository, files=files, renderer=wiring.renderer()
        )

    def _tell_fleet(self, plan: FleetPlan, *, as_json: bool) -> None:
        if as_json:
            self.say(plan_records.record_of_fleet(plan))
        else:
            self.stdout.write(fleet_plan_text(plan), ending="")


def _of_file(data: dict[str, Any], change: int | None) -> Plan:
    """A dry run of what a file asks for, as `register`, `revise` and `offboard` would ask."""
    if change is not None:
        seen = revision_of(data)
        return asking.plan_revision(
            change=change_numbered(change), seen=seen, answers=answers_of(data)
        )
    kind = data.pop("kind", RegisterCluster.kind)
    hub = str(data.get("hub", ""))
    if kind == RegisterCluster.kind:
        return asking.plan_registration(fleet=fleet_of_hub(hub), answers=answers_of(data))
    if kind not in (EditCluster.kind, LeaveFleet.kind):
        raise Refused("Choose register, edit or offboard.", field="kind", code="invalid_choice")
    cluster = cluster_called(hub, str(data.get("cluster", "")))
    del data["hub"], data["cluster"]
    if kind == EditCluster.kind:
        return asking.plan_edit(cluster=cluster, answers=answers_of(data))
    if set(data) != {"workloads"} or data["workloads"] not in ("keep", "remove"):
        raise Refused(
            "Say of workloads keep or remove, and nothing else.",
            field="workloads",
            code="invalid_choice",
        )
    return asking.plan_offboarding(cluster=cluster, keep=data["workloads"] == "keep")
