"""`manage.py token`: make, list and revoke the tokens of programs."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.views.decorators.debug import sensitive_variables

from onboarding import wiring
from onboarding.domain.errors import Refused
from onboarding.domain.tokens import Verb
from onboarding.models import Fleet, ServiceToken
from onboarding.services import service_tokens


class Command(BaseCommand):
    """Makes, lists and revokes tokens for whoever may run the product's commands on its server."""

    help = (
        "Make, list or revoke tokens of the API. A token's text is printed once, when it is made."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One of three acts."""
        acts = parser.add_subparsers(dest="act", required=True)
        make = acts.add_parser("make", help="make a token for a service, and print it")
        make.add_argument("service", help="who uses it, as terraform-prod")
        make.add_argument(
            "--may", required=True, nargs="+", choices=[verb.value for verb in Verb], metavar="VERB"
        )
        make.add_argument("--fleet", required=True, nargs="+", metavar="NAME")
        make.add_argument("--days", type=int, default=90, help="how long it lives (90)")
        listing = acts.add_parser("list", help="every token, without its text")
        listing.add_argument("--json", action="store_true", help="as JSON")
        revoke = acts.add_parser("revoke", help="end a token now")
        revoke.add_argument("prefix", help="as the list shows it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it, or say in one sentence why not."""
        acts = {"make": self._make, "list": self._list, "revoke": self._revoke}
        try:
            acts[options["act"]](options)
        except Refused as refused:
            raise CommandError(str(refused)) from refused

    @sensitive_variables("issued")
    def _make(self, options: dict[str, Any]) -> None:
        fleets = list(Fleet.objects.filter(name__in=options["fleet"]))
        if unknown := set(options["fleet"]) - {fleet.name for fleet in fleets}:
            raise CommandError(f"There is no fleet {', '.join(sorted(unknown))}.")
        issued = service_tokens.issue(
            name=options["service"],
            verbs=[Verb(verb) for verb in options["may"]],
            fleets=fleets,
            days=options["days"],
            actor=None,
            clock=wiring.clock(),
        )
        self.stdout.write(issued.text)
        self.stderr.write(
            f"It is shown this once. It expires on {issued.token.expires_at:%Y-%m-%d %H:%M} UTC."
        )

    def _list(self, options: dict[str, Any]) -> None:
        rows = ServiceToken.objects.select_related("account__user").prefetch_related("fleets")
        told = [_told(token) for token in rows]
        if options["json"]:
            self.stdout.write(json.dumps(told, indent=2))
            return
        for one in told:
            ends = f"revoked {one['revoked_at']}" if one["revoked_at"] else one["expires_at"]
            self.stdout.write(
                f"{one['prefix']}  {one['service']}  {','.join(one['may'])}  "
                f"{','.join(one['fleets'])}  until {ends}  last used {one['last_used_at'] or 'never'}"
            )

    def _revoke(self, options: dict[str, Any]) -> None:
        service_tokens.revoke(prefix=options["prefix"], actor=None, clock=wiring.clock())
        self.stdout.write(f"The token {options['prefix']} is revoked.")


def _told(token: ServiceToken) -> dict[str, Any]:
    times = ("created_at", "expires_at", "revoked_at", "last_used_at")
    return {
        "prefix": token.prefix,
        "service": str(token.account),
        "may": token.verbs,
        "fleets": [fleet.name for fleet in token.fleets.all()],
        **{name: at.isoformat() if (at := getattr(token, name)) else None for name in times},
    }
