"""`manage.py init_fleet`: a new fleet repository, in an empty remote or in a new folder."""

from __future__ import annotations

import re
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_slug

from onboarding import wiring
from onboarding.domain.errors import FleetError
from onboarding.domain.layout import TENANTS_LAYOUT
from onboarding.management.git_options import add_credentials, connection_of, fleet_of
from onboarding.models import Fleet
from onboarding.services import configuration
from onboarding.services.initializing import BOOTSTRAP, NewFleet, first_commit, initialize

_AUTHOR = re.compile(r"([^<>\n]+) <([^<>@\s]+@[^<>\s]+)>")


class Command(BaseCommand):
    """Writes the shipped fleet repository, filled in for one hub and its tenants."""

    help = (
        "Write a new fleet repository, as the first commit of an empty remote repository or into a "
        "new folder. Nothing that exists is written over."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where to, for which hub and tenants, and what Argo CD has to know."""
        add = parser.add_argument
        add("target", help="address of an empty Git repository, or a new or empty folder")
        add("--hub", required=True, help="name of the hub cluster")
        add("--tenants", required=True, help="names of the tenants, with commas between them")
        add("--region", required=True, help="AWS region of Secrets Manager, such as eu-west-1")
        add("--branch", default="main", help="branch that the hub follows (main)")
        add(
            "--repository-url",
            default="",
            help="address from which Argo CD reads the repository (the target, if it is one)",
        )
        add("--author", default="Fleet UI <fleet-ui@localhost>", help='"Name <address>"')
        add("--fleet", default="", help="also configure the fleet under this name")
        add_credentials(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the repository and say what comes next."""
        try:
            self._begin(options)
        except FleetError as error:
            raise CommandError(str(error)) from error

    def _begin(self, options: dict[str, Any]) -> None:
        target = _resolved(options["target"])
        url = options["repository_url"] or (target if _is_address(target) else "")
        if not url:
            raise CommandError("Say with --repository-url from where Argo CD will read the folder.")
        new = NewFleet.parse(
            repository_url=url,
            revision=options["branch"],
            hub=options["hub"],
            aws_region=options["region"],
            tenants=[name.strip() for name in options["tenants"].split(",") if name.strip()],
        )
        author = _AUTHOR.fullmatch(options["author"])
        if author is None:
            raise CommandError('--author is "Name <address>", such as "Ana <ana@example.com>".')
        self._check_name(options["fleet"])
        if _is_address(target):
            commit = self._push(new, target, author, options)
        else:
            commit = self._fill(new, Path(target), author)
        self._say(f"The first commit is in {target}, branch {new.revision} ({commit[:10]}).")
        if options["fleet"]:
            self._configure(new, target, options)
        self._explain(new, target)

    def _push(
        self, new: NewFleet, target: str, author: re.Match[str], options: dict[str, Any]
    ) -> str:
        self._say(f"Looking whether {target} is empty …")
        fleet = fleet_of(options, target)
        with wiring.visit(fleet, allow_local=True) as repository:
            return initialize(
                repository=repository,
                new=new,
                author_name=author[1],
                author_email=author[2],
                clock=wiring.clock(),
            )

    def _fill(self, new: NewFleet, folder: Path, author: re.Match[str]) -> str:
        self._say(f"Filling {folder} …")
        request = first_commit(
            new, author_name=author[1], author_email=author[2], clock=wiring.clock()
        )
        return wiring.begin_repository(
            folder, branch=new.revision, url=new.repository_url, request=request
        )

    def _check_name(self, name: str) -> None:
        """Refuse a name for the fleet before anything is written."""
        try:
            if name:
                validate_slug(name)
        except ValidationError as error:
            raise CommandError(f"--fleet: {error.messages[0]}") from error
        if name and Fleet.objects.filter(name=name).exists():
            raise CommandError(f"There is a fleet {name} already. Choose another name for --fleet.")

    def _configure(self, new: NewFleet, target: str, options: dict[str, Any]) -> None:
        values = {
            **connection_of(options),
            "name": options["fleet"],
            "repository_url": target if _is_address(target) else new.repository_url,
            "branch": new.revision,
            "layout": TENANTS_LAYOUT.name,
            "layout_data": None,
        }
        configuration.save_fleet(values=values, actor=None, clock=wiring.clock())
        self._say(f"The fleet {options['fleet']} is configured.")

    def _explain(self, new: NewFleet, target: str) -> None:
        folder = target if not _is_address(target) else ""
        steps = [
            f"git -C {folder} push --set-upstream origin {new.revision}"
            if folder
            else f"git clone --branch {new.revision} {target}",
            "Give Argo CD credentials for the repository, if it is private.",
            f"kubectl --context {new.hub} apply -f {folder + '/' if folder else ''}{BOOTSTRAP}",
            "Register clusters, in the pages or as README.md says.",
        ]
        self._say("\nNext:")
        for number, step in enumerate(steps, start=1):
            self._say(f"  {number}. {step}")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _resolved(target: str) -> str:
    """The target, a bare repository's folder by its full path."""
    return str(Path(target).resolve()) if _is_bare(target) else target


def _is_address(target: str) -> bool:
    """Whether the target is a repository to push to, and no folder to fill."""
    return "://" in target or bool(re.match(r"[\w.-]+@[\w.-]+:", target)) or _is_bare(target)


def _is_bare(target: str) -> bool:
    """Whether a folder is a bare Git repository."""
    return (Path(target) / "objects").is_dir() and (Path(target) / "HEAD").is_file()
