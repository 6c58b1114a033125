"""The drift of one cluster as its page shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.urls import reverse

from onboarding.domain.drift import Aspect, Cause, Difference
from onboarding.domain.errors import FleetError
from onboarding.models import Cluster
from onboarding.ports import FleetRepository
from onboarding.services.observing.drift import Drift, drift_of
from onboarding.views.application_rows import HUB_SILENT
from onboarding.views.pages import DriftPart, DriftRow

# What passes by itself is blue, what somebody has to decide on amber.
_TONES: Mapping[Cause, str] = {
    Cause.NOT_READ: "blue",
    Cause.NOT_APPLIED: "red",
    Cause.FOLLOWS: "grey",
}


def drift_part(
    cluster: Cluster,
    *,
    repository: Callable[[], FleetRepository],
    may_ask: bool,
    is_silent: bool,
) -> DriftPart:
    """Git, the live cluster secret and the Applications held against each other."""
    here = [cluster.hub_name, cluster.name]
    try:
        git = repository()
        found = drift_of(cluster=cluster, repository=git, snapshot=git.snapshot())
    except FleetError as error:
        return DriftPart(rows=(), problem=str(error))
    rows = tuple(_row(one) for one in found.differences)
    return DriftPart(
        rows=rows,
        is_registered=found.is_registered,
        commit=found.commit,
        is_silent=is_silent,
        note=_note(found, is_silent=is_silent),
        adopt_url=reverse("drift-adopt", args=here) if may_ask else "",
        reassert_url=reverse("drift-reassert", args=here) if may_ask and rows else "",
        denied="" if may_ask else "Your account may not request changes.",
    )


def _row(one: Difference) -> DriftRow:
    return DriftRow(
        what="Label" if one.aspect is Aspect.LABEL else one.aspect.value.capitalize(),
        subject=one.subject,
        git=one.git,
        hub=one.hub,
        cause=one.cause.words,
        tone=_TONES.get(one.cause, "amber"),
        who=one.who,
        key=one.subject if one.adoptable else "",
        refusal=one.refusal,
    )


def _note(found: Drift, *, is_silent: bool) -> str:
    notes = [HUB_SILENT] if is_silent else []
    if found.unread:
        notes.append(
            f"The components of {found.unread} are described in another repository, so Applications "
            "that only they would explain are not counted as drift."
        )
    return " ".join(notes)
