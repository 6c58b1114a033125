"""The two families of errors: what the user can act on, and what is worth another try.

Everything that the domain, the services and the adapters raise on purpose is one of these.
Vendors' exceptions are converted in the adapter that talks to the vendor.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason why something is not done, fit to be shown to the person who asked.

    `field` names the form field it belongs to ("" for the whole), `message` says what is wrong
    and what to do, `code` is stable for tests and for the API.
    """

    message: str
    field: str = ""
    code: str = "refused"


class FleetError(Exception):
    """An error that was foreseen. Its text is fit for the user: no secret, no stack trace."""


class Refused(FleetError):
    """What was asked cannot be done as asked; the user can act on each refusal."""

    def __init__(self, *refusals: Refusal | str, field: str = "", code: str = "refused") -> None:
        self.refusals: tuple[Refusal, ...] = tuple(
            refusal if isinstance(refusal, Refusal) else Refusal(refusal, field, code)
            for refusal in refusals
        )
        super().__init__(" ".join(refusal.message for refusal in self.refusals))

    @classmethod
    def of(cls, refusals: Iterable[Refusal]) -> Refused:
        """Gather many refusals into one error."""
        return cls(*refusals)


class Transient(FleetError):
    """It did not work this time and may work later (a remote is away, a lock is held).

    `retry_after` is the number of seconds that the other side asked to wait, where it said so.
    """

    def __init__(self, message: str = "", *, retry_after: float | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class TooLarge(Transient):
    """The other side's answer is larger than is read at once; less of it may be asked for."""
