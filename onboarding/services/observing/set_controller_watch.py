"""Whether Argo CD's ApplicationSet controller works: nothing on a hub says so by itself.

Asked to look at Git by the refresh annotation, it takes that annotation away when it has looked. So one
that stays on a set that reports no error is a controller that is away, or does not get to it; and where
nobody asked for a while, we do. Source: Argo CD 3.2, applicationset_controller.go, `Reconcile`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models.fields.json import KT

from onboarding.domain.applications import moment
from onboarding.domain.errors import Refused, Transient
from onboarding.models import HubObject, HubWatch
from onboarding.ports import Clock, HubKind, HubReader
from onboarding.services.observing.hub_text import as_map, text
from onboarding.services.observing.observation_rows import older
from onboarding.services.observing.watches import Watch, writing

PART = "set_controller"
PATIENCE = timedelta(seconds=90)
"""How long it may take to look; many times what it takes, also right after its start."""
ASK_EVERY = timedelta(minutes=5)
"""How long after its last sign of life it is asked for one."""
NO_SET = "The hub has no ApplicationSet that it could be asked to look at."


@dataclass(frozen=True, slots=True)
class SeenSet:
    """An ApplicationSet as it was last seen: since when it is asked to look (None: it is not)."""

    asked_at: datetime | None
    fails: bool
    version: str


@dataclass(frozen=True, slots=True)
class Signs:
    """What is known of the controller.

    `pending` maps a set that was asked to look, and has not, to when, and to the version that carries
    the request ("" for one that was seen). `looked_at` is when a request was last seen answered,
    `tried_at` when we last asked by ourselves, `unknown` why nothing can be said of it.
    """

    pending: Mapping[str, tuple[datetime, str]] = field(default_factory=dict)
    looked_at: datetime | None = None
    tried_at: datetime | None = None
    unknown: str = ""

    @property
    def silent(self) -> tuple[datetime, str] | None:
        """The oldest request that nothing was heard after, and its set; None where there is none."""
        since = [
            (at, name)
            for name, (at, _) in self.pending.items()
            if self.looked_at is None or at > self.looked_at
        ]
        return min(since, default=None)


def heed(signs: Signs, sets: Mapping[str, SeenSet], now: datetime) -> Signs:
    """What is known of the controller by how the sets look now.

    One that fails keeps its request however often it is looked at, so it tells nothing.
    """
    well = {name: each for name, each in sets.items() if not each.fails}
    pending: dict[str, tuple[datetime, str]] = {}
    looked_at, unknown = signs.looked_at, signs.unknown
    for name, (at, version) in signs.pending.items():
        if name not in well:
            continue
        if well[name].asked_at is not None:
            pending[name] = (at, "")
        elif version and older(well[name].version, version):
            pending[name] = (at, version)
        else:
            looked_at, unknown = now, ""
    for name, each in well.items():
        if each.asked_at is not None and each.asked_at <= now:
            pending.setdefault(name, (each.asked_at, ""))
    return Signs(pending, looked_at, signs.tried_at, unknown)


def ask(signs: Signs, sets: Mapping[str, SeenSet], reader: HubReader, now: datetime) -> Signs:
    """Ask the controller for a sign of life, where none is known of late and none is waited for."""
    last = max((at for at in (signs.looked_at, signs.tried_at) if at), default=None)
    if signs.silent is not None or (last is not None and now - last < ASK_EVERY):
        return signs
    chosen = min(
        (name for name, each in sets.items() if not each.fails and name not in signs.pending),
        default=None,
    )
    if chosen is None:
        return replace(signs, unknown="" if signs.pending else NO_SET)
    try:
        version = reader.ask_application_set_to_look(chosen)
    except (Refused, Transient) as error:
        return replace(signs, tried_at=now, unknown=text(str(error)))
    return Signs({**signs.pending, chosen: (now, version)}, signs.looked_at, now)


def observe(*, watch: Watch, reader: HubReader, clock: Clock) -> None:
    """Note on the hub's row whether the ApplicationSet controller answers; ask it where nobody did.

    Says nothing while the sets themselves are not heard of. Raises `LostWatch`.
    """
    before = HubWatch.objects.get(hub_id=watch.hub_id)
    heard = as_map(before.kinds.get(HubKind.APPLICATION_SETS.value))
    heard_at, now = moment(heard.get("seen_at")), clock.now()
    if heard_at is None or heard.get("problem"):
        return
    sets = _sets_of(watch.hub_id)
    old = as_map(before.kinds.get(PART))
    signs = ask(heed(_signs(old), sets, now), sets, reader, now)
    new = _entry(signs, heard_at)
    if new == old:
        return
    with writing(watch) as row:
        if row.identity == before.identity:
            row.kinds[PART] = new
            row.save(update_fields=["kinds"])


def _sets_of(hub_id: int) -> dict[str, SeenSet]:
    rows = HubObject.objects.filter(hub_id=hub_id, kind=HubKind.APPLICATION_SETS.value)
    found = rows.annotate(asked=KT("facts__asked")).values_list(
        "name", "asked", "ready", "resource_version"
    )
    return {
        name: SeenSet(moment(asked), ready is False, version)
        for name, asked, ready, version in found
    }


def _signs(entry: Mapping[str, Any]) -> Signs:
    pending = {
        name: (at, str(version))
        for name, (since, version) in as_map(entry.get("pending")).items()
        if (at := moment(since))
    }
    looked_at, tried_at = moment(entry.get("looked_at")), moment(entry.get("tried_at"))
    return Signs(pending, looked_at, tried_at, text(entry.get("unknown")))


def _entry(signs: Signs, heard_at: datetime) -> dict[str, Any]:
    """What is written of it; `heard_at` is when the sets were last heard of, and no answer missed."""
    silent = signs.silent
    entry: dict[str, Any] = {
        "pending": {
            name: [at.isoformat(), version] for name, (at, version) in signs.pending.items()
        },
        "looked_at": signs.looked_at.isoformat() if signs.looked_at else None,
        "tried_at": signs.tried_at.isoformat() if signs.tried_at else None,
        "unknown": signs.unknown,
        "problem": "",
    }
    if silent is not None and heard_at - silent[0] >= PATIENCE:
        since, name = silent
        entry["problem"] = (
            f"It was asked at {since:%H:%M} UTC to look at ApplicationSet {name}, and has looked at "
            "none since."
        )
        entry["problem_since"] = since.isoformat()
    return entry
