"""Asking for changes as a program: by the same form as people, with each error at its field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from django.forms import Form

from onboarding import wiring
from onboarding.domain.errors import Refusal, Refused
from onboarding.domain.intent_rules import check_label
from onboarding.domain.lifecycle import Right
from onboarding.domain.member import DeploymentModel
from onboarding.domain.releases import RELEASE_LABELS
from onboarding.domain.roles import Place
from onboarding.forms.registration import (
    HANDOVER,
    OPTIONS,
    PIN,
    RegistrationForm,
    typed_pins,
    typed_placement,
)
from onboarding.models import Change, Cluster, Fleet
from onboarding.services import (
    changes,
    leaving_guard,
    member_forms,
    offboarding,
    offers,
    places,
    rounds,
    withdrawals,
)
from onboarding.services.layouts import layout_of
from onboarding.services.rights import require

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from onboarding.domain.intents import Intent
    from onboarding.domain.layout import Placement
    from onboarding.domain.plans import Plan
    from onboarding.domain.snapshot import Snapshot
    from onboarding.ports import FleetRepository, SpokeCredentials

PLACE = ("hub", "cluster", "tenant", "environment", "secret_name", "server")
MODEL = ("model", "remote_addons", "remote_resources")
_CHANNELS = frozenset(RELEASE_LABELS.values())

Record = Callable[[Change], None]


@dataclass(frozen=True, slots=True)
class Answers:
    """What a program says of a cluster; None, and what is absent of the maps, is not said.

    `options` are the rare member keys (None takes one away), `pins` and `labels` label key -> value, or
    None to inherit it: of channels and flags, which are on offer, and of all others.
    """

    fields: Mapping[str, str | bool | None] = field(default_factory=dict)
    options: Mapping[str, str | None] = field(default_factory=dict)
    pins: Mapping[str, str | None] = field(default_factory=dict)
    labels: Mapping[str, str | None] = field(default_factory=dict)

    def typed(self, *, over: Mapping[str, Any] | None = None) -> dict[str, str]:
        """The same as a browser would send it, over what a form begins with."""
        said: dict[str, Any] = {
            key: value for key, value in self.fields.items() if value is not None
        }
        said |= self.options
        said |= {PIN + key: value for key, value in self.pins.items()}
        together = {**(over or {}), **said}
        return {
            key: "on" if value is True else str(value)
            for key, value in together.items()
            if value is not None and value is not False and value != ""
        }


def register(
    *,
    fleet: Fleet,
    answers: Answers,
    actor: User,
    also: Record | None = None,
    max_age: float = 0,
) -> Change:
    """Ask that a cluster joins the fleet. Raises `Refused` with every reason at its field.

    `max_age` is how many seconds old the branch may be that it is planned on.
    """
    return _submit(_registration(fleet, answers, actor, max_age), actor, also)


def plan_registration(*, fleet: Fleet, answers: Answers, actor: User | None = None) -> Plan:
    """The plan that `register` would keep now. Raises as it does; nothing is asked for.

    Without an actor it is for who runs the installation, who may read all; so are the following.
    """
    return _dry_run(_registration(fleet, answers, actor), actor)


def edit(
    *,
    cluster: Cluster,
    answers: Answers,
    actor: User,
    also: Record | None = None,
    max_age: float = 0,
) -> Change:
    """Ask that what is said of a registered cluster changes; all else stays as Git has it now.

    `max_age` is as for `register`. Raises `Refused` with every reason at its field, also where it is
    leaving.
    """
    return _submit(_edit(cluster, answers, actor, max_age), actor, also)


def plan_edit(*, cluster: Cluster, answers: Answers, actor: User | None = None) -> Plan:
    """The plan that `edit` would keep now. Raises as it does; nothing is asked for."""
    return _dry_run(_edit(cluster, answers, actor), actor)


def revise(
    *,
    change: Change,
    seen: int | None,
    answers: Answers,
    actor: User,
    also: Record | None = None,
) -> Change:
    """Edit a change that waits for approval; what is not said stays as the change has it.

    `seen` is the revision that was looked at, where that was said. Raises `Refused` as
    `changes.revise`, and with every reason at its field.
    """
    asked = _revision(change, answers, actor)
    return changes.revise(
        change_id=change.pk,
        seen=seen,
        intent=asked.intent,
        form_data=asked.typed,
        actor=actor,
        repository=asked.repository,
        credentials=asked.credentials,
        clock=wiring.clock(),
        renderer=wiring.renderer(),
        also=also,
    )


def plan_revision(
    *, change: Change, seen: int | None, answers: Answers, actor: User | None = None
) -> Plan:
    """The plan that `revise` would keep now. Raises as it does; nothing is asked for."""
    return _dry_run(_revision(change, answers, actor), actor, revises=change, seen=seen)


def offboard(
    *, cluster: Cluster, keep: bool, confirmed: str, actor: User, also: Record | None = None
) -> Change:
    """Ask that a cluster leaves; `keep`: what was deployed stays. Raises as `offboarding.request`."""
    return offboarding.request(
        cluster=cluster,
        keep=keep,
        confirmed=confirmed,
        actor=actor,
        repository=wiring.current_repository(cluster.fleet, max_age=0),
        credentials=_credentials(cluster.fleet, cluster.hub_name),
        clock=wiring.clock(),
        renderer=wiring.renderer(),
        also=also,
    )


def withdraw(*, change: Change, actor: User, also: Record | None = None) -> Change:
    """Take an open change back, as `withdrawals.withdraw`."""
    return withdrawals.withdraw(change_id=change.pk, actor=actor, clock=wiring.clock(), also=also)


def plan_offboarding(*, cluster: Cluster, keep: bool, actor: User | None = None) -> Plan:
    """The plan that `offboard` would keep now. Raises as it does; nothing is asked for."""
    return offboarding.dry_run(
        cluster=cluster,
        keep=keep,
        actor=actor,
        repository=wiring.current_repository(cluster.fleet, max_age=0),
        clock=wiring.clock(),
        renderer=wiring.renderer(),
    )


def said_at(name: str) -> str:
    """The name of a field as programs know it: of a form's field, or of the label that a plan refuses."""
    if name.startswith(PIN):
        return f"pins.{name.removeprefix(PIN)}"
    if name in OPTIONS:
        return f"options.{name}"
    if name in _CHANNELS or name.startswith("enable_"):
        return f"pins.{name}"
    return name


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is asked for, filled into the form and found right there."""

    fleet: Fleet
    intent: Intent
    typed: dict[str, str]
    repository: FleetRepository
    credentials: SpokeCredentials


def _registration(
    fleet: Fleet,
    answers: Answers,
    actor: User | None,
    max_age: float = 0,
    revises: Change | None = None,
) -> _Asked:
    beside = dict(revises.intent.get("pins", {})) if revises else {}
    usual = {"model": DeploymentModel.CENTRALIZED.value}
    typed = answers.typed(over=revises.form_data if revises else usual)
    if actor and (placement := typed_placement(typed)):
        place = Place.of(fleet.name, placement.tenant, placement.environment)
        require(actor, Right.REQUEST, place)  # before anything is told of what its layers say
    repository = _repository(fleet, max_age)
    form = _form(fleet, repository.snapshot(), typed, answers)
    intent = form.intent(beside=beside | dict(answers.labels))
    return _Asked(fleet, intent, typed, repository, _credentials(fleet, intent.placement.hub))


def _edit(
    cluster: Cluster,
    answers: Answers,
    actor: User | None,
    max_age: float = 0,
    revises: Change | None = None,
) -> _Asked:
    fleet, over = cluster.fleet, revises.form_data if revises else None
    beside = dict(revises.intent.get("pins", {})) if revises else {}
    if actor:
        require(actor, Right.REQUEST, places.place_of(cluster))
    leaving_guard.refuse_edit(cluster=cluster)
    repository = _repository(fleet, max_age)
    snapshot, layout = repository.snapshot(), layout_of(fleet)
    placement, files = member_forms.form_data_of(cluster=cluster, snapshot=snapshot, layout=layout)
    fixed = [name for name in PLACE if answers.fields.get(name) not in (None, files.get(name))]
    if fixed:
        raise Refused.of(
            [Refusal("A registered cluster keeps it.", name, "fixed") for name in fixed]
        )
    if over is not None:
        over = member_forms.brought_up(
            cluster=cluster,
            typed=over,
            now=files,
            commit=snapshot.commit,
            repository=repository,
            layout=layout,
        )
    typed = answers.typed(over=files if over is None else over)
    form = _form(fleet, snapshot, typed, answers, editing=placement, files=files)
    kept = typed | {member_forms.BASE: snapshot.commit}
    intent = form.intent(beside=beside | dict(answers.labels))
    return _Asked(fleet, intent, kept, repository, _credentials(fleet, cluster.hub_name))


def _revision(change: Change, answers: Answers, actor: User | None) -> _Asked:
    if change.kind == Change.Kind.REGISTER:
        return _registration(change.fleet, answers, actor, revises=change)
    if change.kind != Change.Kind.EDIT or change.hub is None:
        raise Refused("A change of this kind is not edited. Withdraw it.", code="no_form")
    cluster = Cluster.objects.filter(
        fleet=change.fleet, hub_name=change.hub.name, name=change.cluster_name
    ).first()
    if cluster is None:
        raise Refused("There is no such cluster in Git any more.", code="gone")
    return _edit(cluster, answers, actor, revises=change)


def _submit(asked: _Asked, actor: User, also: Record | None) -> Change:
    return changes.submit(
        fleet=asked.fleet,
        intent=asked.intent,
        form_data=asked.typed,
        actor=actor,
        repository=asked.repository,
        credentials=asked.credentials,
        clock=wiring.clock(),
        renderer=wiring.renderer(),
        also=also,
    )


def _dry_run(
    asked: _Asked,
    actor: User | None,
    *,
    revises: Change | None = None,
    seen: int | None = None,
) -> Plan:
    return changes.dry_run(
        fleet=asked.fleet,
        intent=asked.intent,
        form_data=asked.typed,
        actor=actor,
        repository=asked.repository,
        credentials=asked.credentials,
        clock=wiring.clock(),
        renderer=wiring.renderer(),
        revises=revises,
        seen=seen,
    )


def _repository(fleet: Fleet, max_age: float) -> FleetRepository:
    return rounds.repository(fleet.pk, lambda: wiring.current_repository(fleet, max_age=max_age))


def _credentials(fleet: Fleet, hub_name: str) -> SpokeCredentials:
    hub = changes.hub_of(fleet=fleet, name=hub_name)
    if hub is None:
        raise Refused(f"No hub called {hub_name} is configured here.", code="no_hub")
    return rounds.once(("credentials", hub.pk), lambda: wiring.credentials(hub))


def _form(
    fleet: Fleet,
    snapshot: Snapshot,
    typed: dict[str, str],
    answers: Answers,
    *,
    editing: Placement | None = None,
    files: Mapping[str, Any] | None = None,
) -> RegistrationForm:
    """The form that people fill in, filled in and found right; raises `Refused` where it is not."""
    offer = offers.offer(
        fleet=fleet,
        snapshot=snapshot,
        placement=editing or typed_placement(typed),
        pins=typed_pins(typed),
        renderer=wiring.renderer(),
    )
    form = RegistrationForm(typed, initial=files, offer=offer, editing=editing)
    wrong = _unknown(form, answers)
    for key, value in sorted(answers.labels.items()):
        wrong += [replace(one, field=f"labels.{key:.80}") for one in check_label(key, value)]
    if not form.is_valid():
        wrong += _errors(form)
    if wrong:
        raise Refused.of(wrong)
    return form


def _unknown(form: RegistrationForm, answers: Answers) -> list[Refusal]:
    """What is said of something that is not on offer, which a form would pass over in silence."""
    wrong = []
    for key in sorted(set(answers.options) - set(form.fields)):
        said = f"There is no option {key!r:.80}. Choose of: {', '.join(OPTIONS)}."
        if key == HANDOVER:
            said = "Nothing runs on a new cluster yet that could be handed over."
        wrong.append(Refusal(said, f"options.{key:.80}", "unknown_option"))
    on_offer = [name.removeprefix(PIN) for name in form.fields if name.startswith(PIN)]
    for key in sorted(set(answers.pins) - set(on_offer)):
        said = f"Nothing on offer here is chosen by {key!r:.80}. Choose of: {', '.join(on_offer)}."
        wrong.append(Refusal(said, f"pins.{key:.80}", "unknown_label"))
    return wrong


def _errors(form: Form) -> list[Refusal]:
    """The form's errors, each with its field and code."""
    return [
        Refusal(message, "" if name == "__all__" else said_at(name), error.code or "refused")
        for name, errors in form.errors.as_data().items()
        for error in errors
        for message in error.messages
    ]
