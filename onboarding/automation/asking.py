"""Asking for changes as a program: by the same form as people, with each error at its field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.forms import Form

from onboarding import wiring
from onboarding.domain.errors import Refusal, Refused
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
from onboarding.models import Change, Cluster, Fleet, Hub
from onboarding.services import changes, leaving_guard, member_forms, offboarding, offers, places
from onboarding.services.layouts import layout_of
from onboarding.services.rights import require

if TYPE_CHECKING:
    from django.contrib.auth.models import User

    from onboarding.domain.layout import Placement
    from onboarding.domain.snapshot import Snapshot

PLACE = ("hub", "cluster", "tenant", "environment", "secret_name", "server")
MODEL = ("model", "remote_addons", "remote_resources")
_CHANNELS = frozenset(RELEASE_LABELS.values())

Record = Callable[[Change], None]


@dataclass(frozen=True, slots=True)
class Answers:
    """What a program says of a cluster; None, and what is absent of the maps, is not said.

    `options` are the rare member keys (None takes one away), `pins` label key -> value, or None to
    inherit it.
    """

    fields: Mapping[str, str | bool | None] = field(default_factory=dict)
    options: Mapping[str, str | None] = field(default_factory=dict)
    pins: Mapping[str, str | None] = field(default_factory=dict)

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
    typed = {"model": DeploymentModel.CENTRALIZED.value} | answers.typed()
    if placement := typed_placement(typed):
        place = Place.of(fleet.name, placement.tenant, placement.environment)
        require(actor, Right.REQUEST, place)  # before anything is told of what its layers say
    repository = wiring.current_repository(fleet, max_age=max_age)
    form = _form(fleet, repository.snapshot(), typed, answers)
    hub = Hub.objects.get(fleet=fleet, name=form.cleaned_data["hub"])
    return changes.submit(
        fleet=fleet,
        intent=form.intent(),
        form_data=typed,
        actor=actor,
        repository=repository,
        credentials=wiring.credentials(hub),
        clock=wiring.clock(),
        renderer=wiring.renderer(),
        also=also,
    )


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
    fleet = cluster.fleet
    require(actor, Right.REQUEST, places.place_of(cluster))
    leaving_guard.refuse_edit(cluster=cluster)
    repository = wiring.current_repository(fleet, max_age=max_age)
    snapshot = repository.snapshot()
    placement, files = member_forms.form_data_of(
        cluster=cluster, snapshot=snapshot, layout=layout_of(fleet)
    )
    typed = answers.typed(over=files)
    form = _form(fleet, snapshot, typed, answers, editing=placement, files=files)
    return changes.submit(
        fleet=fleet,
        intent=form.intent(),
        form_data=typed,
        actor=actor,
        repository=repository,
        credentials=wiring.credentials(_hub(cluster)),
        clock=wiring.clock(),
        renderer=wiring.renderer(),
        also=also,
    )


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
        credentials=wiring.credentials(_hub(cluster)),
        clock=wiring.clock(),
        renderer=wiring.renderer(),
        also=also,
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


def _hub(cluster: Cluster) -> Hub:
    hub = Hub.objects.filter(fleet=cluster.fleet, name=cluster.hub_name).first()
    if hub is None:
        raise Refused(f"No hub called {cluster.hub_name} is configured here.", code="no_hub")
    return hub


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
