"""Lint: what in the repository is not as it seems. For now: member files that cannot be used."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count as CountOf
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from onboarding.domain.lifecycle import Right
from onboarding.models import Cluster, Fleet
from onboarding.views import access
from onboarding.views.pages import Finding, LintPage


@require_GET
def lint(request: HttpRequest) -> HttpResponse:
    """The findings at the indexed commit."""
    access.user_with(request, Right.VIEW)
    fleet = access.fleet_for(request)
    if fleet is None:
        page = LintPage(findings=(), problem="No fleet is configured yet.")
    else:
        page = LintPage(
            findings=(
                *_broken(fleet),
                *_doubled(fleet, "name", "cluster name"),
                *_doubled(fleet, "secret_name", "secret"),
            ),
            commit=fleet.indexed_commit,
            files_read=Cluster.objects.filter(fleet=fleet).count(),
            as_of=fleet.indexed_at,
            problem=fleet.index_problem,
        )
    return render(request, "onboarding/lint/lint.html", {"page": page})


def _broken(fleet: Fleet) -> Iterator[Finding]:
    for cluster in Cluster.objects.filter(fleet=fleet).exclude(problem="").order_by("path"):
        yield Finding(
            severity="Error",
            title=cluster.problem,
            path=cluster.path,
            why="The hub cannot register this cluster, and the product cannot plan for it.",
            advice="Mend the file in Git; it is read again by itself.",
        )


def _doubled(fleet: Fleet, column: str, noun: str) -> Iterator[Finding]:
    """Values that two members claim; for Argo CD the second one breaks the first."""
    twice = (
        Cluster.objects.filter(fleet=fleet)
        .exclude(**{column: ""})
        .order_by()
        .values_list(column)
        .annotate(times=CountOf("pk"))
        .filter(times__gt=1)
    )
    for value, times in sorted(twice):
        for cluster in Cluster.objects.filter(fleet=fleet, **{column: value}).order_by("path"):
            yield Finding(
                severity="Error",
                title=f"The {noun} {value} is used by {times} members.",
                path=cluster.path,
                why="Argo CD drops Applications of both, or the two overwrite each other.",
                advice=f"Give each member its own {noun}.",
            )
