"""Roles as the administration shows them: who may what, where."""

from __future__ import annotations

from datetime import datetime

from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from onboarding.domain.roles import ALL, Role
from onboarding.forms.roles import RoleForm
from onboarding.models import Grant
from onboarding.services import grants
from onboarding.views import listing
from onboarding.views.administration_page import form_sections
from onboarding.views.pages import (
    AdminFormPage,
    Fact,
    Link,
    RoleRow,
    RolesPage,
    Sight,
    SightRow,
)

_SECTIONS = (
    ("whom", "To whom", "A group, better than a person", ("kind", "name", "role")),
    ("where", "Where", "All three have to match", ("fleet", "tenant", "environment")),
    ("until", "For how long", "", ("until",)),
)
_MOST_NAMED = 12


def roles_page(request: HttpRequest, *, now: datetime) -> RolesPage:
    """One page of what was granted; ?who= asks what somebody sees."""
    rows = Grant.objects.select_related("user", "group", "granted_by").order_by(
        "group__name", "user__username", "role", "fleet", "tenant", "environment"
    )
    query = listing.query_of(request)
    if query:
        rows = rows.filter(group__name__icontains=query) | rows.filter(
            user__username__icontains=query
        )
    pages, found = listing.paginate(request, rows)
    return RolesPage(
        rows=tuple(_row(grant, now) for grant in found),
        pages=pages,
        query=query,
        who=_who(request),
        sight=_sight(_who(request)),
        add_url=reverse("role-add"),
        list_url=reverse("role-list"),
        roles=tuple(Fact(role.word, role.gives) for role in Role),
    )


def role_form_page(form: RoleForm) -> AdminFormPage:
    """The form that gives a role."""
    return AdminFormPage(
        title="Give a role",
        lede="It counts from now on, and adds to what somebody has already.",
        action=reverse("role-add"),
        form=form,
        sections=form_sections(form, _SECTIONS),
        crumbs=(Link("Roles", reverse("role-list")),),
        submit_label="Give it",
        cancel_url=reverse("role-list"),
    )


def _row(grant: Grant, now: datetime) -> RoleRow:
    person = grant.user.get_username() if grant.user else ""
    over = grant.expires_at is not None and grant.expires_at <= now
    return RoleRow(
        name=person or str(grant.group),
        is_group=grant.group is not None,
        sight_url=f"{reverse('role-list')}?{urlencode({'who': person})}" if person else "",
        role=Role(grant.role).word,
        fleet=_pattern(grant.fleet, "all fleets"),
        tenant=_pattern(grant.tenant, "all tenants"),
        environment=_pattern(grant.environment, "all environments"),
        given_by=grant.granted_by.get_username() if grant.granted_by else "Fleet UI",
        given_at=grant.granted_at,
        until=grant.expires_at,
        is_over=over,
        remove_url=reverse("role-remove", args=[grant.pk]),
    )


def _pattern(pattern: str, everything: str) -> str:
    return everything if pattern == ALL else pattern


def _who(request: HttpRequest) -> str:
    return request.GET.get("who", "").replace(listing.NUL, "").strip()[: listing.LONGEST_QUERY]


def _sight(who: str) -> Sight | None:
    """What a person sees; None where nobody was named."""
    if not who:
        return None
    person = User.objects.filter(username=who).first()
    if person is None:
        return Sight(name=who, problem="Nobody of this name has signed in yet.")
    rows = tuple(
        SightRow(
            may=seen.right.value.capitalize(),
            clusters=seen.clusters,
            tenants=seen.tenants[:_MOST_NAMED],
            more=max(0, len(seen.tenants) - _MOST_NAMED),
            fleets=seen.fleets,
        )
        for seen in grants.seen_by(person)
    )
    problem = "" if rows else "Nothing: they see a page that says whom to ask for a role."
    return Sight(
        name=who,
        groups=tuple(person.groups.order_by("name").values_list("name", flat=True)),
        rows=rows,
        is_superuser=person.is_superuser,
        problem=problem if person.is_active else "Nothing: the account is not active.",
    )
