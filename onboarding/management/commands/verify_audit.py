"""`manage.py verify_audit`: is the audit trail whole?"""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from onboarding import wiring
from onboarding.models import Fleet
from onboarding.services import auditing

_MOST_COMMITS = 1000


class Command(BaseCommand):
    """Reads the whole trail and names the first event that does not fit."""

    help = (
        "Read every event of the audit trail and name the first that was changed or removed, also by "
        "the heads that the fleets' newest commits name. Exit code 1 where the trail is not whole."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whether Git is asked too, and how to answer."""
        parser.add_argument(
            "--without-git", action="store_true", help="do not hold it against the commits"
        )
        parser.add_argument("--json", action="store_true", help="as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify and tell."""
        heads = () if options["without_git"] else _heads_in_git()
        result = auditing.verify(heads_in_git=heads)
        if options["json"]:
            self.stdout.write(json.dumps(asdict(result), indent=2))
        if result.problem:
            raise CommandError(result.problem)
        if not options["json"]:
            head = result.head[:16] or "none"
            self.stdout.write(f"The trail is whole: {result.events} events, head {head}.")


def _heads_in_git() -> Iterator[tuple[str, str]]:
    for fleet in Fleet.objects.all():
        repository = wiring.current_repository(fleet, max_age=0)
        for commit in repository.history(["."], limit=_MOST_COMMITS):
            if "Change-Id" in commit.trailers:
                yield commit.sha, commit.trailers.get("Audit-Head", "")
