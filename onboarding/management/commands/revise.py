"""`manage.py revise`: edit a change that waits for approval; it never approves."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from onboarding.automation import asking
from onboarding.management.family import (
    FamilyCommand,
    add_person,
    add_waiting,
    answers_of,
    change_numbered,
    person_of,
    read_map,
    revision_of,
)


class Command(FamilyCommand):
    """Edits a change in somebody's name, and waits where that is wanted."""

    help = (
        "Edit a change that waits for approval, as the form and the API do; what the file does not say "
        "stays. Exit codes: 0 done, 1 refused, 2 called wrongly, 3 try again later, 4 waited in vain, "
        "5 it will never be."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The change, the file, who edits, and how long to wait for what."""
        parser.add_argument("change", type=int, help="the number of a change")
        parser.add_argument(
            "file",
            help="YAML or JSON (- is standard input): what shall change, as for register; with revision, "
            "that of the change that you have seen, any other is refused",
        )
        add_person(parser)
        add_waiting(parser)
        super().add_arguments(parser)

    def act(self, options: dict[str, Any]) -> None:
        """Edit, then tell where the change stands."""
        person = person_of(options)
        data = read_map(options["file"])
        seen = revision_of(data)
        change = asking.revise(
            change=change_numbered(options["change"]),
            seen=seen,
            answers=answers_of(data),
            actor=person,
        )
        self.tell_change(change, options)
