"""`manage.py grant NAME [GROUP…]`: who may sign in, and what they may do."""

from __future__ import annotations

import getpass
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Group, User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from onboarding.services.rights import is_service


class Command(BaseCommand):
    """Puts a person into exactly these groups, and creates the person where they are new."""

    help = (
        "Give a person exactly these groups (none: may see nothing). A new person gets a password."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whom, which groups, and where a password comes from."""
        parser.add_argument("name", help="what the person signs in with")
        parser.add_argument(
            "groups", nargs="*", metavar="GROUP", help="Viewers, Requesters, Approvers, …"
        )
        parser.add_argument("--email", default="", help="for the author of commits")
        parser.add_argument("--password-file", type=Path, help="else it is asked for")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it whole, or say in one sentence why not."""
        groups = list(Group.objects.filter(name__in=options["groups"]))
        if unknown := set(options["groups"]) - {group.name for group in groups}:
            known = ", ".join(Group.objects.order_by("name").values_list("name", flat=True))
            raise CommandError(
                f"There is no group {', '.join(sorted(unknown))}. Choose of: {known}."
            )
        _check(options["name"], options["email"])
        with transaction.atomic():
            person, is_new = User.objects.get_or_create(username=options["name"])
            if is_service(person):
                raise CommandError(
                    f"{person.username} is a service: its tokens say what it may, no group does."
                )
            if options["password_file"] and hasattr(person, "external_identity"):
                raise CommandError(f"{person.username} signs in with the identity provider.")
            if options["email"]:
                person.email = options["email"]
            if is_new or options["password_file"]:
                person.set_password(_password(person, options["password_file"]))
            person.save()
            person.groups.set(groups)
        rights = ", ".join(sorted(group.name for group in groups)) or "no group"
        self.stdout.write(f"{'New: ' if is_new else ''}{person.username} ({rights}).")


def _check(name: str, email: str) -> None:
    """Refuse what no page would take: both stand in commits and in their trailers."""
    try:
        User(username=name, email=email).clean_fields(exclude=["password"])
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from error


def _password(person: User, file: Path | None) -> str:
    """A password that the rules allow, from a file or typed twice without being shown."""
    try:
        password = file.read_text().strip() if file else getpass.getpass("Password: ")
        if not file and getpass.getpass("Once more: ") != password:
            raise CommandError("The two were not the same. Nothing was changed.")
        validate_password(password, person)
    except OSError as error:
        raise CommandError(f"The password file cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise CommandError(f"{' '.join(error.messages)} Nothing was changed.") from error
    return password
