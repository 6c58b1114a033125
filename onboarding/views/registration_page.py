"""The registration form as a page: numbered steps, inherited values, the live preview."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from onboarding.domain.errors import Refusal
from onboarding.domain.layout import Placement
from onboarding.domain.member import DeploymentModel
from onboarding.forms.registration import HANDOVER, PIN, RARE_OPTIONS, RegistrationForm
from onboarding.services.offers import Channel, Flag, Inherited
from onboarding.views.pages import (
    Answer,
    AnswerGroup,
    AnswerOption,
    Card,
    Fact,
    FormField,
    FormSection,
    Notice,
    Plan,
    Preview,
)
from onboarding.views.standing_rows import GROUP_TITLES

_FIXED = "Fixed at registration: its files and its Application are named by it. To change it, register anew."
_SWITCHES = (("true", "On"), ("false", "Off"))


def sections(
    form: RegistrationForm, *, editing: Placement | None, check_url: str, problem: str = ""
) -> tuple[FormSection, ...]:
    """The numbered steps of the form."""
    facts = _facts(form, editing) if editing else ()
    first = (
        _section(
            "cluster",
            "Cluster",
            "Its name in the fleet",
            form,
            () if editing else ("cluster",),
            facts=facts,
        ),
        _section(
            "placement",
            "Placement",
            "Where it belongs",
            form,
            () if editing else ("hub", "tenant", "environment"),
        ),
        _credentials(form, editing, check_url),
    )
    rest = (
        _model(form),
        _answers(
            "channels", "Channels", "Which versions it gets", form, _channel_groups(form), problem
        ),
        _answers("components", "Components", "What runs on it", form, _flag_groups(form), problem),
        _section("options", "More settings", "Rarely needed", form, RARE_OPTIONS, optional=True),
    )
    return tuple(section for section in first if section.fields or section.facts) + rest


def preview(
    *,
    plan: Plan | None,
    refusals: Sequence[Refusal] = (),
    waits_for: str = "",
    as_of: datetime | None = None,
) -> Preview:
    """What the form as it stands would write, or why that is not known."""
    return Preview(
        plan=plan,
        waits_for=waits_for,
        refusals=tuple(
            Notice(
                message=refusal.message,
                tone="red",
                field_id=f"id_{refusal.field}" if refusal.field else "",
            )
            for refusal in refusals
        ),
        as_of=as_of,
    )


def _section(
    key: str,
    title: str,
    hint: str,
    form: RegistrationForm,
    names: Sequence[str],
    *,
    facts: tuple[Fact, ...] = (),
    optional: bool = False,
) -> FormSection:
    wrong = any(form[name].errors for name in names)
    done = form.is_bound and all(form[name].value() for name in names) and not wrong
    return FormSection(
        id=key,
        title=title,
        hint=hint,
        fields=tuple(
            FormField(bound=form[name], is_optional=not form.fields[name].required)
            for name in names
        ),
        facts=facts,
        status="wrong" if wrong else "done" if (done and not optional) or facts else "",
        is_optional=optional,
    )


def _facts(form: RegistrationForm, editing: Placement) -> tuple[Fact, ...]:
    values = (
        ("Cluster", editing.cluster),
        ("Hub", editing.hub),
        ("Tenant", editing.tenant),
        ("Environment", editing.environment),
    )
    return tuple(Fact(label=label, value=value, why=_FIXED) for label, value in values)


def _credentials(form: RegistrationForm, editing: Placement | None, check_url: str) -> FormSection:
    bound = form["secret_name"]
    facts: tuple[Fact, ...] = ()
    fields: tuple[FormField, ...] = (FormField(bound=bound, check_url=check_url),)
    wrong = any(form[name].errors for name in ("secret_name", "server") if name in form.fields)
    if "server" in form.fields:
        fields += (FormField(bound=form["server"], is_optional=True),)
    if editing:
        fields = ()
        facts = (
            Fact(
                label="Credentials secret",
                value=str(bound.value() or ""),
                why="Fixed: another secret may be another cluster. Rotate the secret's value instead.",
            ),
        )
    return FormSection(
        id="credentials",
        title="Credentials",
        hint="AWS Secrets Manager",
        text=""
        if editing
        else "Terraform stores the cluster's server and config in one secret. Only its name is needed here.",
        fields=fields,
        facts=facts,
        status="wrong" if wrong else "done" if bound.value() else "",
    )


def _model(form: RegistrationForm) -> FormSection:
    chosen = form["model"].value()
    cards = (
        Card(
            DeploymentModel.CENTRALIZED.value,
            "Centralized",
            "The hub's Argo CD deploys add-ons, resources and monitoring to this cluster.",
            is_chosen=chosen == DeploymentModel.CENTRALIZED.value,
        ),
        Card(
            DeploymentModel.DISTRIBUTED.value,
            "Distributed",
            "The hub gives the cluster its own Argo CD and External Secrets Operator. "
            "What is switched on below, the cluster then deploys by itself.",
            is_chosen=chosen == DeploymentModel.DISTRIBUTED.value,
        ),
    )
    handover = tuple(name for name in (HANDOVER,) if name in form.fields)
    names = ("model", "remote_addons", "remote_resources", *handover)
    wrong = any(form[name].errors for name in names)
    return FormSection(
        id="model",
        title="Model",
        hint="Who deploys",
        fields=(
            FormField(bound=form["model"], cards=cards),
            FormField(bound=form["remote_addons"], is_optional=True, is_switch=True),
            FormField(bound=form["remote_resources"], is_optional=True, is_switch=True),
            *(FormField(bound=form[name], is_optional=True) for name in handover),
        ),
        status="wrong" if wrong else "done" if chosen else "",
    )


def _answers(
    key: str,
    title: str,
    hint: str,
    form: RegistrationForm,
    groups: tuple[AnswerGroup, ...],
    problem: str,
) -> FormSection:
    wrong = any(answer.errors for group in groups for answer in group.answers)
    return FormSection(
        id=key,
        title=title,
        hint=hint,
        text="Inherit follows the layers below and moves with them; a pin stays in this cluster's own file.",
        groups=groups,
        problem="" if groups else problem or "Nothing is on offer for this place yet.",
        status="wrong" if wrong else "done" if groups and form.is_bound else "",
        is_optional=True,
    )


def _channel_groups(form: RegistrationForm) -> tuple[AnswerGroup, ...]:
    answers = tuple(_channel_answer(form, channel) for channel in form.offer.channels)
    return (AnswerGroup(title="Release channels", answers=answers),) if answers else ()


def _channel_answer(form: RegistrationForm, channel: Channel) -> Answer:
    options = tuple(
        AnswerOption(name, f"{name} · {channel.versions[name]}") for name in channel.types
    )
    chosen = str(form[PIN + channel.label].value() or "")
    return _answer(
        form,
        channel.label,
        channel.label,
        options,
        channel.inherited,
        note=_running(channel, chosen),
    )


def _running(channel: Channel, chosen: str) -> str:
    value = chosen or (channel.inherited.value if channel.inherited else "")
    if not value:
        return f"without it the cluster gets no {channel.group}"
    version = channel.versions.get(value)
    return f"version {version}" if version else f"{value} is not in the versions file"


def _flag_groups(form: RegistrationForm) -> tuple[AnswerGroup, ...]:
    return tuple(
        AnswerGroup(
            title=GROUP_TITLES.get(group.group, group.group),
            origin=group.origin,
            answers=tuple(_flag_answer(form, flag) for flag in group.flags),
        )
        for group in form.offer.flag_groups
    )


def _flag_answer(form: RegistrationForm, flag: Flag) -> Answer:
    options = tuple(AnswerOption(value, label) for value, label in _SWITCHES)
    note = " · ".join(part for part in (flag.version, flag.description) if part)
    return _answer(form, flag.label, flag.component, options, flag.inherited, note=note)


def _answer(
    form: RegistrationForm,
    key: str,
    label: str,
    options: tuple[AnswerOption, ...],
    inherited: Inherited | None,
    *,
    note: str,
) -> Answer:
    bound = form[PIN + key]
    words: Mapping[str, str] = dict(_SWITCHES)
    return Answer(
        name=bound.html_name,
        label=label,
        options=options,
        chosen=str(bound.value() or ""),
        now=words.get(inherited.value, inherited.value) if inherited else "",
        origin=inherited.path if inherited else "",
        is_place_known=form.offer.is_place_known,
        note=note,
        errors=tuple(str(error) for error in bound.errors),
    )
