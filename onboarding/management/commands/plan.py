"""`manage.py plan`: what a change would do, as text or JSON; nothing is written."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from onboarding import wiring
from onboarding.domain.errors import Refused
from onboarding.domain.fleet_plan import FleetPlan
from onboarding.domain.fleet_plan_text import fleet_plan_text
from onboarding.domain.intents import FORMAT, intent_from_data
from onboarding.domain.plan_text import plan_text
from onboarding.domain.plans import Plan
from onboarding.management.family import FamilyCommand, fleet_called, read_map
from onboarding.models import Change
from onboarding.services import fleet_plans, plan_records, previews


class Command(FamilyCommand):
    """Plans a change, or an intent from a file, on the branch as it is now."""

    help = (
        "Show what a change would do: files, labels, Applications. Exit codes: 0 done, 1 refused, "
        "2 called wrongly, 3 try again later."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """A change's number, or a file with an intent."""
        parser.add_argument("change", nargs="?", type=int, help="the number of a change")
        parser.add_argument(
            "--file",
            help="an intent in YAML: kind (register or edit), hub, cluster, tenant, environment, "
            "secret_name, model, and if wanted remote_addons, remote_resources, options, pins",
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
        if len(asked) != 1:
            raise CommandError(
                "Give the number of a change, --file with an intent, --commit, or --files.",
                returncode=2,
            )
        if asked[0] in ("commit", "files"):
            self._tell_fleet(self._of_fleet(options), as_json=options["json"])
            return
        if options["change"]:
            plan, digest = self._of_change(options["change"])
        else:
            plan, digest = self._of_file(options["file"], options["fleet"]), ""
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

    def _of_file(self, name: str, fleet_name: str) -> Plan:
        fleet = fleet_called(fleet_name)
        data = read_map(name)
        usual: dict[str, Any] = {"format": FORMAT, "kind": "register", "model": "centralized"}
        usual |= {"remote_addons": False, "remote_resources": False, "options": {}, "pins": {}}
        return previews.preview(
            fleet=fleet,
            intent=intent_from_data({**usual, **data}),
            snapshot=wiring.current_repository(fleet, max_age=0).snapshot(),
            server=str(data.get("server", "")),
            renderer=wiring.renderer(),
        )
