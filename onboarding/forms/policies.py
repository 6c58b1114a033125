"""The form of one approval rule, and the question which rules a change falls under."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth.models import Group

from onboarding.domain import freezes
from onboarding.domain.errors import Refused
from onboarding.domain.freezes import Freeze
from onboarding.domain.natural import natural_key
from onboarding.domain.policy import MOST_APPROVERS, Destroys, Rule, Subject
from onboarding.models import Change, Fleet, PolicyRule

KIND = "kind_"
MOST_WINDOWS = 50
_PATTERN = re.compile(r"[A-Za-z0-9._*?-]{1,63}")
_DESTROYS = (
    (Destroys.ANY.value, "Whether or not something goes away"),
    (Destroys.YES.value, "Only where something that runs goes away"),
    (Destroys.NO.value, "Only where nothing goes away"),
)
_HOW = "Names with commas between them; * and ? stand for others. Empty: all."


class RuleForm(forms.Form):
    """What a rule matches, and what it demands of that."""

    name = forms.CharField(
        max_length=80, help_text="What people read where it applies, for example Production."
    )
    fleets = forms.CharField(required=False, max_length=1000, help_text=_HOW)
    tenants = forms.CharField(required=False, max_length=1000, help_text=_HOW)
    environments = forms.CharField(
        required=False,
        max_length=1000,
        help_text=f"{_HOW} A layer that all environments share falls under each.",
    )
    destroys = forms.ChoiceField(label="What goes away", choices=_DESTROYS)
    approvers = forms.IntegerField(
        label="Approvals",
        min_value=1,
        max_value=MOST_APPROVERS,
        initial=1,
        help_text="From so many different people, none of whom asked for the change or edited it.",
    )
    groups = forms.CharField(
        label="Groups",
        required=False,
        max_length=1000,
        help_text="Of each of these, somebody has to be among the approvers.",
    )
    hours = forms.IntegerField(
        label="An approval counts for (hours)",
        required=False,
        min_value=1,
        max_value=24 * 365,
        help_text="Then it has to be given again if the change is not in Git by then. Empty: for ever.",
    )
    freezes = forms.CharField(
        label="Nothing is written",
        required=False,
        max_length=8000,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
        help_text="One window a line: “Fri 16:00 - Mon 08:00 Europe/Berlin” for every week, or "
        "“2026-12-20 00:00 - 2027-01-04 08:00 UTC” for once. What is approved waits for its end.",
    )

    def __init__(self, *args: Any, row: PolicyRule | None = None, **kwargs: Any) -> None:
        self._row = row
        rule = Rule.from_data(row.name, row.rule) if row else None
        kwargs["initial"] = _initial(rule)
        super().__init__(*args, **kwargs)
        for kind in Change.Kind:
            self.fields[KIND + kind.value] = forms.BooleanField(
                label=kind.label, required=False, initial=bool(rule and kind.value in rule.kinds)
            )

    def clean_name(self) -> str:
        """One rule of a name."""
        name = " ".join(self.cleaned_data["name"].split())
        others = PolicyRule.objects.filter(name=name)
        if self._row is not None:
            others = others.exclude(pk=self._row.pk)
        if not name.isprintable():
            raise forms.ValidationError("Leave control characters out.")
        if others.exists():
            raise forms.ValidationError("There is a rule of this name already.")
        return name

    def clean_fleets(self) -> tuple[str, ...]:
        """Patterns."""
        return _patterns(self.cleaned_data["fleets"])

    def clean_tenants(self) -> tuple[str, ...]:
        """Patterns."""
        return _patterns(self.cleaned_data["tenants"])

    def clean_environments(self) -> tuple[str, ...]:
        """Patterns."""
        return _patterns(self.cleaned_data["environments"])

    def clean_groups(self) -> tuple[str, ...]:
        """Groups that are there: of one that is not, nobody could ever approve."""
        names = _split(self.cleaned_data["groups"])
        known = set(Group.objects.filter(name__in=names).values_list("name", flat=True))
        missing = [name for name in names if name not in known]
        if missing:
            raise forms.ValidationError(
                f"There is no group {', '.join(missing)}. Administrators make them under People and rights."
            )
        return tuple(sorted(names, key=natural_key))

    def clean_freezes(self) -> tuple[Freeze, ...]:
        """A window a line; every line that is none is said."""
        lines = [line for line in self.cleaned_data["freezes"].splitlines() if line.strip()]
        if len(lines) > MOST_WINDOWS:
            raise forms.ValidationError(f"A rule has at most {MOST_WINDOWS} windows.")
        found, problems = [], []
        for line in lines:
            try:
                found.append(freezes.parse(line))
            except Refused as refused:
                problems.append(str(refused))
        if problems:
            raise forms.ValidationError(problems)
        return tuple(found)

    @property
    def rule(self) -> Rule:
        """The rule as it was entered."""
        said = self.cleaned_data
        return Rule(
            name=said["name"],
            fleets=said["fleets"],
            tenants=said["tenants"],
            environments=said["environments"],
            kinds=tuple(kind.value for kind in Change.Kind if said.get(KIND + kind.value)),
            destroys=Destroys(said["destroys"]),
            approvers=said["approvers"],
            groups=said["groups"],
            expires_after=timedelta(hours=said["hours"]) if said["hours"] else None,
            freezes=said["freezes"],
        )


class TryForm(forms.Form):
    """A change that nobody asked for: which rules would it fall under?"""

    fleet = forms.ModelChoiceField(Fleet.objects.all(), to_field_name="name", empty_label=None)
    tenant = forms.CharField(required=False, max_length=63)
    environment = forms.CharField(required=False, max_length=63)
    kind = forms.ChoiceField(choices=Change.Kind.choices)
    destructive = forms.BooleanField(label="Something goes away", required=False)

    @property
    def subject(self) -> Subject:
        """What the rules are asked about."""
        said = self.cleaned_data
        return Subject(
            fleet=said["fleet"].name,
            kind=said["kind"],
            tenant=said["tenant"].strip(),
            environment=said["environment"].strip(),
            destructive=said["destructive"],
        )


def _initial(rule: Rule | None) -> dict[str, Any]:
    if rule is None:
        return {}
    hours = rule.expires_after and int(rule.expires_after.total_seconds() // 3600)
    return {
        "name": rule.name,
        "fleets": ", ".join(rule.fleets),
        "tenants": ", ".join(rule.tenants),
        "environments": ", ".join(rule.environments),
        "destroys": rule.destroys.value,
        "approvers": rule.approvers,
        "groups": ", ".join(rule.groups),
        "hours": hours,
        "freezes": "\n".join(str(one) for one in rule.freezes),
    }


def _split(text: str) -> list[str]:
    return list(dict.fromkeys(one for part in text.split(",") if (one := part.strip())))


def _patterns(text: str) -> tuple[str, ...]:
    found = _split(text)
    wrong = [one for one in found if not _PATTERN.fullmatch(one)]
    if wrong:
        raise forms.ValidationError(f"{wrong[0]!r:.80} is no name or pattern. {_HOW}")
    return tuple(found)
