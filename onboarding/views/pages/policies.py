"""Approval policies, the stop switch, and what a change has of its approvals."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from onboarding.views.pages.administration import AdminListPage
from onboarding.views.pages.registration import FormField


@dataclass(frozen=True, slots=True)
class PolicyTrial:
    """The question what would be demanded of a change, and the answer once it was asked."""

    fields: tuple[FormField, ...]
    action: str
    sentence: str = ""
    rules: tuple[str, ...] = ()
    is_asked: bool = False


@dataclass(frozen=True, slots=True)
class StopRow:
    """A fleet's stop switch; `sentence` is "" while it is off, `url` is where it is turned."""

    fleet: str
    sentence: str
    since: datetime | None
    url: str


@dataclass(frozen=True, slots=True)
class PolicyListPage(AdminListPage):
    """The rules, with the question which apply and every fleet's stop switch."""

    trial: PolicyTrial | None = None
    stops: tuple[StopRow, ...] = field(default=())
