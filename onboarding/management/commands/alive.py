"""`manage.py alive PART`: whether a part without an address of its own still does its work."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from onboarding import wiring
from onboarding.models import Heartbeat, Hub, HubWatch

# Beat rings every 5 seconds; a minute without a completed sweep is no longer a busy worker.
_SWEEP_SECONDS = 60


class Command(BaseCommand):
    """The health check of beat and watcher: exit code 0, or a sentence that says what is wrong."""

    help = "Say whether beat (with broker and a worker behind it) or the watcher is at work."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which part."""
        parser.add_argument("part", choices=["beat", "watcher"])

    def handle(self, *args: Any, **options: Any) -> None:
        """Read what the part itself wrote down last."""
        now = wiring.clock().now()
        if options["part"] == "beat":
            earliest = now - timedelta(seconds=_SWEEP_SECONDS)
            if not Heartbeat.objects.filter(part="sweep", at__gt=earliest).exists():
                raise CommandError(
                    f"No sweep was completed in the last {_SWEEP_SECONDS} seconds: beat, the "
                    "broker or every worker is away."
                )
        elif Hub.objects.exists() and not HubWatch.objects.filter(until__gt=now).exists():
            raise CommandError("There are hubs, and no watcher observes any of them.")
        self.stdout.write(f"The {options['part']} is at work.")
