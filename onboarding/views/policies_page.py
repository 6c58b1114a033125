"""Approval policies as pages: the rules, one rule's form, the question which apply, the stop switch."""

from __future__ import annotations

from datetime import datetime

from django.urls import reverse

from onboarding.domain.policy import Demand, Destroys, Rule, demand_on, span_words
from onboarding.forms.policies import KIND, RuleForm, TryForm
from onboarding.models import Change, Fleet, PolicyRule, StopSwitch
from onboarding.services import policies, stopping
from onboarding.views.administration_page import form_sections
from onboarding.views.pages import (
    AdminFormPage,
    AdminRow,
    Fact,
    FormField,
    Link,
    PolicyListPage,
    PolicyTrial,
    StopRow,
)
from onboarding.views.policy_part import ALWAYS, demand_words

_KINDS = tuple(KIND + kind.value for kind in Change.Kind)
_SECTIONS = (
    ("rule", "Rule", "", ("name",)),
    ("match", "What falls under it", "", ("fleets", "tenants", "environments", "destroys")),
    ("kinds", "Kinds of changes; none: all", "", _KINDS),
    ("demand", "What it demands", "", ("approvers", "groups", "hours")),
    ("freeze", "Freeze", "", ("freezes",)),
)
_DESTROYS = {
    Destroys.ANY: "",
    Destroys.YES: "where something goes away",
    Destroys.NO: "where nothing goes away",
}


def policies_page(trial: TryForm, *, now: datetime) -> PolicyListPage:
    """Every rule, what would apply to a change, and the stop switch of each fleet."""
    rows = list(PolicyRule.objects.select_related("updated_by"))
    return PolicyListPage(
        title="Approval policies",
        lede=f"Several rules that match add up to the strictest of them. Without one, a change needs one "
        f"approval. {ALWAYS}",
        noun="rule",
        rows=tuple(_row(one, now) for one in rows),
        add_url=reverse("policy-add"),
        add_label="Add a rule",
        icon="scale",
        empty_text=f"A change needs one approval. {ALWAYS} A rule can demand more of what it matches.",
        trial=_trial(trial, now),
        stops=tuple(_stop(one) for one in Fleet.objects.select_related("stop_switch")),
    )


def rule_form_page(form: RuleForm, row: PolicyRule | None) -> AdminFormPage:
    """The form of one rule."""
    return AdminFormPage(
        title=f"Rule {row.name}" if row else "Add a rule",
        lede="It holds at once, also for what is approved and not in Git yet. What a change was asked for "
        "stays asked for where a rule is loosened.",
        action=reverse("policy-edit", args=[row.pk]) if row else reverse("policy-add"),
        form=form,
        sections=form_sections(form, _SECTIONS),
        crumbs=(Link("Approval policies", reverse("policy-list")),),
        cancel_url=reverse("policy-list"),
    )


def _row(row: PolicyRule, now: datetime) -> AdminRow:
    rule = Rule.from_data(row.name, row.rule)
    until = Demand(freezes=rule.freezes).frozen_until(now)
    facts = (
        Fact("Falls under it", _matched(rule)),
        Fact("Approvals", str(rule.approvers)),
        Fact("One from each of", ", ".join(rule.groups)),
        Fact(
            "An approval counts for", span_words(rule.expires_after) if rule.expires_after else ""
        ),
        Fact("Nothing is written", "; ".join(str(one) for one in rule.freezes)),
        Fact(
            "Saved",
            f"{row.updated_at:%Y-%m-%d %H:%M} UTC"
            f"{f' by {row.updated_by.get_username()}' if row.updated_by else ''}",
        ),
    )
    return AdminRow(
        name=row.name,
        facts=tuple(fact for fact in facts if fact.value),
        state="Frozen" if until else "",
        reason=f"Until {until:%a %Y-%m-%d %H:%M} UTC." if until else "",
        edit_url=reverse("policy-edit", args=[row.pk]),
        remove_url=reverse("policy-remove", args=[row.pk]),
        key=str(row.pk),
    )


def _matched(rule: Rule) -> str:
    kinds = ", ".join(str(Change.Kind(one).label).lower() for one in rule.kinds)
    parts = (
        ("fleet", ", ".join(rule.fleets)),
        ("tenant", ", ".join(rule.tenants)),
        ("environment", ", ".join(rule.environments)),
        ("to", kinds),
        ("", _DESTROYS[rule.destroys]),
    )
    said = "; ".join(f"{name} {value}".strip() for name, value in parts if value)
    return said or "every change"


def _trial(form: TryForm, now: datetime) -> PolicyTrial:
    found: Demand | None = None
    if form.is_bound and form.is_valid():
        found = demand_on(form.subject, policies.rules())
    return PolicyTrial(
        fields=tuple(
            FormField(bound=form[name], is_switch=name == "destructive") for name in form.fields
        ),
        action=reverse("policy-list"),
        sentence=demand_words(found, now) if found else "",
        rules=found.rules if found else (),
        is_asked=found is not None,
    )


def _stop(fleet: Fleet) -> StopRow:
    switch: StopSwitch | None = getattr(fleet, "stop_switch", None)
    is_on = switch is not None and switch.stopped_at is not None
    return StopRow(
        fleet=fleet.name,
        sentence=stopping.sentence(switch) if switch and is_on else "",
        since=switch.stopped_at if switch and is_on else None,
        url=reverse("fleet-go" if is_on else "fleet-stop", args=[fleet.name]),
    )
