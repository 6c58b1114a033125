"""The form that gives a role: to whom, which one, where and until when."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib.auth.models import Group, User

from onboarding.domain.errors import Refused
from onboarding.domain.roles import ALL, Role
from onboarding.forms.fields import LineField
from onboarding.forms.widgets import SuggestingInput
from onboarding.models import Cluster, Fleet

PERSON, GROUP = "person", "group"
PATTERNS = ("fleet", "tenant", "environment")
_MOST_SUGGESTED = 200


class RoleForm(forms.Form):
    """Gives one role. Names are suggested and not bound to what is there: a tenant may be still to come."""

    kind = forms.ChoiceField(
        label="To", choices=[(GROUP, "Group"), (PERSON, "Person")], initial=GROUP
    )
    name = LineField(
        max_length=150,
        help_text="A group as the identity provider calls it, or what the person signs in with.",
    )
    role = forms.ChoiceField(
        choices=[(role.value, f"{role.word}: {role.gives}") for role in Role],
        initial=Role.VIEWER.value,
    )
    fleet = forms.CharField(max_length=63, initial=ALL)
    tenant = forms.CharField(
        max_length=63,
        initial=ALL,
        help_text="A name, the beginning of names as team-*, or * for all.",
    )
    environment = forms.CharField(max_length=63, initial=ALL)
    until = forms.DateField(
        label="Until",
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="The last day (UTC) on which it counts. Empty: until it is taken away.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = User.objects.filter(is_active=True).order_by("username")
        names = [
            *Group.objects.order_by("name").values_list("name", flat=True)[:_MOST_SUGGESTED],
            *people.values_list("username", flat=True)[:_MOST_SUGGESTED],
        ]
        known = {"name": names, "fleet": [ALL, *Fleet.objects.values_list("name", flat=True)]}
        for column in ("tenant", "environment"):
            rows = Cluster.objects.exclude(**{column: ""}).order_by(column)
            found = rows.values_list(column, flat=True).distinct()[:_MOST_SUGGESTED]
            known[column] = [ALL, *found]
        for field, suggestions in known.items():
            self.fields[field].widget = SuggestingInput(suggestions)

    @property
    def values(self) -> dict[str, Any]:
        """What `grants.give` takes."""
        asked, day = self.cleaned_data, self.cleaned_data["until"]
        return {
            "role": Role(asked["role"]),
            "patterns": {name: asked[name] for name in PATTERNS},
            asked["kind"]: asked["name"].strip(),
            "until": datetime.combine(day + timedelta(days=1), time(), UTC) if day else None,
        }

    def refuse(self, refused: Refused) -> None:
        """Put each refusal at the field that it belongs to, or at the top."""
        for one in refused.refusals:
            self.add_error(one.field if one.field in self.fields else None, one.message)
