"""`manage.py withdraw`: take back a change that is not on its way to Git."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from onboarding.automation import asking
from onboarding.management.family import FamilyCommand, add_person, change_numbered, person_of


class Command(FamilyCommand):
    """Withdraws a change in the name of one of its authors."""

    help = (
        "Take an open change back, as its page and the API do. Exit codes: 0 done, 1 refused, "
        "2 called wrongly, 3 try again later."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The change, and who takes it back."""
        parser.add_argument("change", type=int, help="the number of a change")
        add_person(parser)
        super().add_arguments(parser)

    def act(self, options: dict[str, Any]) -> None:
        """Withdraw, then tell where the change stands."""
        change = asking.withdraw(
            change=change_numbered(options["change"]), actor=person_of(options)
        )
        self.tell_change(change, options | {"wait": None})
