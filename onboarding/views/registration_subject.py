"""What a registration form is about, and what was typed of it: a new cluster, a member of Git, a change."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from django.http import HttpRequest, QueryDict
from django.shortcuts import get_object_or_404
from django.urls import reverse

from onboarding import wiring
from onboarding.domain.errors import Refused
from onboarding.domain.layout import Placement
from onboarding.domain.lifecycle import DecisionState, Right
from onboarding.models import Change, Cluster, Fleet
from onboarding.services import leaving_guard, member_forms
from onboarding.services.layouts import layout_of
from onboarding.views import access
from onboarding.views.numbers import number_in


@dataclass(frozen=True, slots=True)
class Subject:
    """What a form is about: a new cluster, a member of Git, or a change that is being written."""

    fleet: Fleet
    initial: dict[str, Any]
    editing: Placement | None = None
    change: Change | None = None
    cluster: Cluster | None = None
    base: str = ""
    files: dict[str, Any] = field(default_factory=dict)
    """Of a registered cluster: what its files say, and the commit that they were read at."""

    @property
    def action(self) -> str:
        """Where the form is sent to: this page itself."""
        if self.change:
            return reverse("change-edit", args=[self.change.pk])
        if self.cluster:
            return reverse("cluster-edit", args=[self.cluster.hub_name, self.cluster.name])
        return reverse("cluster-register")

    @property
    def is_draft(self) -> bool:
        """Whether an unfinished draft is continued."""
        return bool(self.change and self.change.state == DecisionState.DRAFT.value)


def subject_of_cluster(cluster: Cluster, *, max_age: float = wiring.PAGE_AGE) -> Subject:
    """A registered cluster, as its files say on a branch that is at most so many seconds old."""
    leaving_guard.refuse_edit(cluster=cluster)
    wiring.current_repository(cluster.fleet, max_age=max_age)
    return _read(cluster)


def subject_of_change(change: Change, *, max_age: float = wiring.PAGE_AGE) -> Subject:
    """What a draft or a change asks for; of an edit, over what the cluster's files say today.

    Raises `Refused` for an offboarding, which has no form, and for an edit of a cluster that leaves.
    """
    if change.kind == Change.Kind.OFFBOARD:
        raise Refused(
            "An offboarding is not edited. Withdraw it, and ask for it anew.", code="no_form"
        )
    if change.kind == Change.Kind.EDIT and change.hub:
        cluster = get_object_or_404(
            Cluster, fleet=change.fleet, hub_name=change.hub.name, name=change.cluster_name
        )
        subject = subject_of_cluster(cluster, max_age=max_age)
        return replace(resumed(subject, change.form_data), change=change)
    return Subject(fleet=change.fleet, initial=change.form_data, change=change)


def posted_subject(request: HttpRequest) -> Subject:
    """The subject that the form's hidden values name: a change, a cluster, or something new."""
    change, cluster = posted_about(request)
    if change:
        return subject_of_change(change)
    if cluster:
        return subject_of_cluster(cluster)
    return Subject(fleet=access.configured_fleet_for(request), initial={})


def posted_about(request: HttpRequest) -> tuple[Change | None, Cluster | None]:
    """The change and the cluster that the form's hidden values name; neither for something new."""
    change = cluster = None
    number = number_in(request.POST.get("change", ""))
    if number is not None:
        change = access.change_for(request, number, Right.REQUEST)
    if request.POST.get("editing_hub"):
        cluster = access.cluster_for(
            request,
            request.POST["editing_hub"],
            request.POST.get("editing_name", ""),
            Right.REQUEST,
        )
    return change, cluster


def resumed(subject: Subject, typed: dict[str, Any]) -> Subject:
    """The subject with what was typed over what is; a box that is not in it was unticked."""
    unticked = {key: value for key, value in subject.initial.items() if value is not True}
    return replace(subject, initial=unticked | brought_up(subject, typed))


def brought_up(subject: Subject, typed: dict[str, Any]) -> dict[str, Any]:
    """What was typed of a registered cluster, brought up to what others changed of it meanwhile."""
    if subject.cluster is None:
        return typed
    return member_forms.brought_up(
        cluster=subject.cluster,
        typed=typed,
        now=subject.files,
        commit=subject.base,
        repository=wiring.repository(subject.fleet),
        layout=layout_of(subject.fleet),
    )


def plain(posted: QueryDict) -> dict[str, Any]:
    """What was typed, as data that can be kept; without the token and the form's own bookkeeping."""
    left_out = {"csrfmiddlewaretoken", "change", "seen", "editing_hub", "editing_name"}
    return {key: posted[key] for key in posted if key not in left_out}


def age_of_branch(request: HttpRequest) -> float:
    """How old the branch may be for a form: what is sent is held against the branch as it is now."""
    return 0 if request.method == "POST" else wiring.PAGE_AGE


def _read(cluster: Cluster) -> Subject:
    """A registered cluster as its files say at the last fetched tip."""
    snapshot = wiring.repository(cluster.fleet).snapshot()
    placement, initial = member_forms.form_data_of(
        cluster=cluster, snapshot=snapshot, layout=layout_of(cluster.fleet)
    )
    return Subject(
        fleet=cluster.fleet,
        initial=initial,
        editing=placement,
        cluster=cluster,
        base=snapshot.commit,
        files=initial,
    )
