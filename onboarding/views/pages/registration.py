"""Registering a cluster and editing one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from django.forms import BaseForm, BoundField

from onboarding.views.pages.changes import Notice, Plan
from onboarding.views.pages.common import Fact, Hidden, Link


@dataclass(frozen=True, slots=True)
class Card:
    """One answer of a choice that needs a sentence to be understood."""

    value: str
    title: str
    text: str
    is_chosen: bool = False


@dataclass(frozen=True, slots=True)
class AnswerOption:
    """A value to pin to."""

    value: str
    label: str


@dataclass(frozen=True, slots=True)
class Answer:
    """Inherit or pin: the three answers for a release channel or an enable flag.

    `name` is the field's name in the form; "" is posted for inherit. `now` is what is inherited
    ("" when no layer sets it), `origin` the file that sets it, `note` a version or a description.
    """

    name: str
    label: str
    options: tuple[AnswerOption, ...]
    chosen: str = ""
    now: str = ""
    origin: str = ""
    note: str = ""
    errors: tuple[str, ...] = ()
    is_place_known: bool = True


@dataclass(frozen=True, slots=True)
class AnswerGroup:
    """Answers that belong together, and where the choice on offer was read."""

    title: str
    answers: tuple[Answer, ...]
    origin: str = ""


@dataclass(frozen=True, slots=True)
class FormField:
    """An input of the form. `cards` draws a choice as cards, `check_url` answers while typing."""

    bound: BoundField
    is_optional: bool = False
    cards: tuple[Card, ...] = ()
    check_url: str = ""
    is_switch: bool = False


@dataclass(frozen=True, slots=True)
class FormSection:
    """One numbered step: its inputs, its three-answer groups, and the facts that stay."""

    id: str
    title: str
    hint: str
    text: str = ""
    fields: tuple[FormField, ...] = ()
    groups: tuple[AnswerGroup, ...] = ()
    facts: tuple[Fact, ...] = ()
    problem: str = ""
    status: Literal["", "done", "wrong"] = ""
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Preview:
    """What the form, as it stands, would write. `plan` None: not yet, and `waits_for` says why."""

    plan: Plan | None = None
    waits_for: str = ""
    refusals: tuple[Notice, ...] = ()
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class FormPage:
    """Registering a cluster, or editing one. POST goes to `action`.

    `preview_url` and `draft_url` take the same POST. The preview answers htmx with its part and
    everybody else with the whole page; without a `draft_url` no draft is offered.
    """

    title: str
    lede: str
    action: str
    form: BaseForm
    sections: tuple[FormSection, ...]
    preview: Preview
    preview_url: str = ""
    draft_url: str = ""
    crumbs: tuple[Link, ...] = ()
    submit_label: str = "Request approval"
    cancel_url: str = ""
    draft_saved_at: datetime | None = None
    hidden: tuple[Hidden, ...] = ()
    problem: str = ""

    @property
    def rail(self) -> tuple[FormSection | Step, ...]:
        """The numbered steps: every section, then the review."""
        return (*self.sections, Step("review", "Review", "what will happen"))


@dataclass(frozen=True, slots=True)
class UnreadableFormPage:
    """A form whose member cannot be read now: the reason, and what was typed, kept for another try."""

    problem: str
    action: str
    show_url: str
    draft_url: str
    typed: tuple[Hidden, ...] = ()

    @property
    def preview(self) -> Preview:
        """Instead of what would be written: why that is not known."""
        return Preview(waits_for=self.problem)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the rail that has no inputs of its own."""

    id: str
    title: str
    hint: str
    status: Literal["", "done", "wrong"] = ""
