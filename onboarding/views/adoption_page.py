"""A repository that is being adopted, as its page shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.forms.models import model_to_dict
from django.urls import reverse

from onboarding.domain.layout_detection import OWN, Evidence
from onboarding.models import Adoption, Hub
from onboarding.services import adopting
from onboarding.services.surveying import Survey
from onboarding.views.numbers import number_in
from onboarding.views.pages import AdoptionPage, Fact, Link, Told

_State = Adoption.State
_STATES = {
    _State.ASKED: ("Waiting", "A worker reads the repository in a moment."),
    _State.LOOKING: ("Progressing", "The repository is being read. Nothing is written to it."),
    _State.WANTED: (
        "Waiting",
        "The fleet is configured. A worker indexes its members in a moment.",
    ),
    _State.INDEXING: ("Progressing", "The members are being indexed."),
    _State.REFUSED: ("Failed", "This did not work, and nothing was written to the repository."),
}
_COUNTS = ("hubs", "tenants", "environments", "models", "components")


def adoption_page(adoption: Adoption) -> AdoptionPage:
    """The page of one adoption, from its row alone."""
    state = _State(adoption.state)
    found = Survey.from_data(adoption.report) if adoption.report else None
    word, sentence = _STATES.get(state) or _settled(state, found)
    if adoption.due_at and state in (_State.ASKED, _State.WANTED):
        sentence = (
            f"The repository did not answer. It is asked again by itself, next at "
            f"{adoption.due_at:%H:%M:%S} UTC (try {adoption.tries + 1} of {adopting.MOST_TRIES})."
        )
    return AdoptionPage(
        title=f"Adopt {adoption.name}",
        state=word,
        sentence=sentence,
        facts=_facts(adoption, found),
        url=reverse("adoption-detail", args=[adoption.pk]),
        waits=state in (_State.ASKED, _State.LOOKING, _State.WANTED, _State.INDEXING),
        done=adoption.done,
        total=adoption.total,
        problem=adoption.problem,
        can_adopt=state == _State.FOUND,
        adopt_url=reverse("adoption-confirm", args=[adoption.pk]),
        again_url=f"{reverse('fleet-adopt')}?again={adoption.pk}",
        clusters_url=f"{reverse('cluster-list')}?fleet={adoption.name}"
        if state == _State.DONE
        else "",
        missing_hubs=_missing_hubs(found) if state == _State.DONE else (),
        crumbs=(Link("Fleets", reverse("fleet-list")),),
        **(_report(found) if found else {}),
    )


def again(pk: str) -> dict[str, Any]:
    """What somebody asked for before, to change it and look again."""
    number = number_in(pk)
    row = Adoption.objects.filter(pk=number).first() if number is not None else None
    if row is None:
        return {}
    data = model_to_dict(row)
    if row.layout_data:
        data |= {"layout": OWN, "layout_text": json.dumps(row.layout_data, indent=2)}
    return data


def _settled(state: Adoption.State, found: Survey | None) -> tuple[str, str]:
    members = found.members if found else 0
    if state == _State.DONE:
        return "Works", f"{members} members are indexed. Git is untouched."
    return "Waiting", f"A fleet with {members} members. Nothing is adopted yet."


def _facts(adoption: Adoption, found: Survey | None) -> tuple[Fact, ...]:
    facts = [
        Fact("Repository", adoption.repository_url),
        Fact("Branch", adoption.branch),
        Fact("Credential", adoption.credential_file or "none"),
    ]
    if found:
        kind = "built in" if found.is_built_in else "its own, described by what was found below"
        facts += [
            Fact("Commit", found.commit[:10]),
            Fact("Layout", f"{found.layout['title']} ({kind})"),
        ]
    return tuple(facts)


def _report(found: Survey) -> dict[str, Any]:
    return {
        "evidence": _told(found.evidence),
        "not_understood": _told(found.not_understood),
        "counts": (
            *((part.capitalize(), _numbers(getattr(found, part))) for part in _COUNTS),
            (
                "Release channels",
                tuple(Fact(group, ", ".join(types)) for group, types in found.channels.items()),
            ),
        ),
        "problems": found.problems,
        "unreadable": found.unreadable,
    }


def _numbers(counts: Mapping[str, int]) -> tuple[Fact, ...]:
    return tuple(Fact(name, str(count)) for name, count in counts.items())


def _told(told: tuple[Evidence, ...]) -> tuple[Told, ...]:
    return tuple(Told(one.part, one.sentence, one.place) for one in told)


def _missing_hubs(found: Survey | None) -> tuple[Link, ...]:
    hubs = list(found.hubs) if found else []
    known = set(Hub.objects.filter(name__in=hubs).values_list("name", flat=True))
    return tuple(Link(hub, f"{reverse('hub-add')}?name={hub}") for hub in hubs if hub not in known)
