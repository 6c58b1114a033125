"""`manage.py adopt_fleet`: take an existing repository in, without writing to it."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from onboarding import wiring
from onboarding.domain.errors import FleetError, Refused
from onboarding.domain.layout import LAYOUTS, FleetLayout
from onboarding.domain.layout_detection import Evidence
from onboarding.domain.yaml.yamlread import load
from onboarding.forms.administration import FleetForm
from onboarding.management.git_options import add_credentials, connection_of, fleet_of
from onboarding.services import adopting, indexing
from onboarding.services.surveying import Survey, survey


class Command(BaseCommand):
    """Shows what a repository is, then configures the fleet and indexes every member."""

    help = (
        "Adopt an existing fleet repository: find its layout, show what was found and what was not "
        "understood, configure the fleet and index its members. Nothing is written to Git."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Where the repository is, what the fleet is called, and its layout where it must be said."""
        add = parser.add_argument
        add("repository", help="address of the repository")
        add("--name", required=True, help="how people call the fleet, for example platform")
        add("--branch", default="main", help="branch that the hubs follow (main)")
        add(
            "--layout",
            default="",
            choices=["", *LAYOUTS],
            help="a built-in layout, not to be found",
        )
        add("--layout-file", default="", help="JSON or YAML file that describes the layout")
        add("--dry-run", action="store_true", help="only show what is found")
        add_credentials(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Look, show, adopt; exit status 1 with the reason where that cannot be."""
        try:
            self._adopt(options)
        except FleetError as error:
            raise CommandError(str(error)) from error

    def _adopt(self, options: Mapping[str, Any]) -> None:
        url = options["repository"]
        connection = connection_of(options) | {"repository_url": url, "branch": options["branch"]}
        if not options["dry_run"]:
            _check(options["name"], connection)
        layout = _layout_of(options)
        self._say(f"Reading {url} …")
        with wiring.visit(fleet_of(options, url)) as repository:
            found = survey(repository=repository, layout=layout, progress=self._progress("Read"))
            self._show(found)
            if options["dry_run"]:
                self._say("\nNothing is adopted (--dry-run).")
                return
            clock = wiring.clock()
            fleet = adopting.adopt(
                name=options["name"], connection=connection, found=found, actor=None, clock=clock
            )
            report = indexing.index(
                fleet=fleet, repository=repository, clock=clock, progress=self._progress("Indexed")
            )
        self._say(
            f"\nThe fleet {fleet.name} is adopted: {report.read} members at commit "
            f"{report.commit[:10]}, {report.problems} of them with a problem. Git is untouched.\n"
            "Next: configure each hub in the pages (Administration, Hubs)."
        )

    def _show(self, found: Survey) -> None:
        what = (
            f"the built-in layout {found.layout['name']}"
            if found.is_built_in
            else "a layout of its own"
        )
        self._say(f"\nA fleet with {found.members} members, in {what}:")
        self._tell(found.evidence)
        for title, counts in (
            ("Members by hub", found.hubs),
            ("Tenants", found.tenants),
            ("Environments", found.environments),
            ("Models", found.models),
            ("Components", found.components),
        ):
            listed = ", ".join(f"{name} {count}" for name, count in counts.items())
            self._say(f"{title}: {listed or 'none'}")
        channels = "; ".join(
            f"{group} {', '.join(types)}" for group, types in found.channels.items()
        )
        self._say(f"Release channels: {channels or 'none'}")
        if found.unreadable:
            self._say(f"\n{found.unreadable} members cannot be read:")
            for problem in found.problems:
                self._say(f"  - {problem}")
        if found.not_understood:
            self._say("\nNot understood:")
            self._tell(found.not_understood)

    def _tell(self, told: Iterable[Evidence]) -> None:
        for one in told:
            self._say(f"  - {one.sentence}" + (f" [{one.place}]" if one.place else ""))

    def _progress(self, verb: str) -> indexing.Progress:
        def tell(done: int, total: int) -> None:
            if total > 1000 and (done % 1000 == 0 or done == total) and done:
                self._say(f"{verb} {done} of {total} members …")

        return tell

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _check(name: str, connection: Mapping[str, str]) -> None:
    """Refuse what the form would refuse, before the repository is read."""
    form = FleetForm({**connection, "name": name, "layout": "tenants"})
    # Whoever runs commands on the server may adopt a folder of it; the address is looked at again.
    wrong = {field: errors for field, errors in form.errors.items() if field != "repository_url"}
    if wrong:
        told = [f"{field}: {error}" for field, errors in wrong.items() for error in errors]
        raise Refused(*told)


def _layout_of(options: Mapping[str, Any]) -> FleetLayout | None:
    if not options["layout_file"]:
        return adopting.layout_named(options["layout"], None)
    path = Path(options["layout_file"])
    try:
        data = load(path.read_bytes(), path=str(path))
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}.") from error
    if not isinstance(data, dict):
        raise Refused(f"{path} must hold a map that describes a layout.")
    return FleetLayout.from_data(data)
