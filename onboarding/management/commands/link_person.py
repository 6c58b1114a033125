"""`manage.py link_person NAME SUBJECT`: an account that was made here goes on with the provider."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from onboarding import wiring
from onboarding.domain.errors import Refused
from onboarding.services import identities


class Command(BaseCommand):
    """Has a person of the identity provider sign in to an account of this installation."""

    help = "Link an account to a person of the identity provider; its password ends."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which account, and who at the provider."""
        parser.add_argument("name", help="the account's name")
        parser.add_argument("subject", help="what the provider says in the claim sub")

    def handle(self, *args: Any, **options: Any) -> None:
        """Link the two, or say in one sentence why not."""
        if settings.OPENID is None:
            raise CommandError("No identity provider is configured (OIDC_ISSUER).")
        try:
            identities.link(
                name=options["name"],
                subject=options["subject"],
                provider=settings.OPENID,
                clock=wiring.clock(),
            )
        except Refused as refused:
            raise CommandError(str(refused)) from refused
        self.stdout.write(f"{options['name']} signs in with {settings.OPENID.name} from now on.")
