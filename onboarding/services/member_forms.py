"""A registered member as the form shows it: what its own files say, and nothing that is inherited."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from onboarding.domain.errors import FleetError, Refused
from onboarding.domain.hierarchy import resolve
from onboarding.domain.layout import FleetLayout, Placement
from onboarding.domain.member import parse_member
from onboarding.domain.names import HubName
from onboarding.domain.snapshot import Snapshot
from onboarding.models import Cluster
from onboarding.ports import FleetRepository

PIN = "pin_"
BASE = "base"
"""Beside a form's answers: the commit that its first answers were read at."""


def form_data_of(
    *, cluster: Cluster, snapshot: Snapshot, layout: FleetLayout
) -> tuple[Placement, dict[str, Any]]:
    """The cluster's fixed place and the form's initial values, read from the repository at one commit.

    Raises `Refused` where the member file is gone or cannot be read: then it has to be mended in Git.
    """
    file = snapshot.read(cluster.path)
    if file is None:
        raise Refused(
            f"{cluster.path} is no longer in the repository; somebody removed it.", code="gone"
        )
    member = parse_member(file)
    placement = member.placement(HubName(cluster.hub_name))
    own = layout.labels_paths(placement)[-1]
    pinned = resolve([(own, snapshot.read(own.path))])
    labels = pinned.values().get("externalSecret", {})
    return placement, {
        "hub": placement.hub,
        "cluster": placement.cluster,
        "tenant": placement.tenant,
        "environment": placement.environment,
        "secret_name": member.secret_name,
        "model": member.model.value,
        "remote_addons": member.remote_addons,
        "remote_resources": member.remote_resources,
        **member.options,
        **{PIN + key: _text(value) for key, value in _labels(labels).items()},
    }


def brought_up(
    *,
    cluster: Cluster,
    typed: Mapping[str, Any],
    now: Mapping[str, Any],
    commit: str,
    repository: FleetRepository,
    layout: FleetLayout,
) -> dict[str, Any]:
    """What was typed of a registered cluster, brought up to what others changed of it meanwhile.

    `now` is what its files say at `commit`. What was typed without saying at which commit, or at one
    that is no longer to be had, stays as it is.
    """
    base = str(typed.get(BASE, ""))
    if base == commit or not re.fullmatch("[0-9a-f]{40,64}", base):
        return dict(typed)
    try:
        _, then = form_data_of(cluster=cluster, snapshot=repository.snapshot(base), layout=layout)
    except FleetError:  # somebody rewrote the branch
        return dict(typed)
    return carried_over(typed=typed, then=then, now=now)


def carried_over(
    *, typed: Mapping[str, Any], then: Mapping[str, Any], now: Mapping[str, Any]
) -> dict[str, Any]:
    """What was typed where somebody touched it, and all else as it is now: others' changes stay.

    `then` and `now` are what a form begins with, at the commit where this one began and today's. A
    box that is not in `typed` was left unticked.
    """
    found = dict(typed)
    for key in {*then, *now}:
        before, after = _answer(then.get(key)), _answer(now.get(key))
        if before == after or _answer(typed.get(key)) != before:
            continue
        found.pop(key, None)
        if after:
            found[key] = after
    return found


def _answer(value: object) -> str:
    """A form's value as a browser would send it; "" for what it would not."""
    return "on" if value is True else str(value or "")


def _labels(values: object) -> dict[str, object]:
    found = values.get("labels") if isinstance(values, dict) else None
    return dict(found) if isinstance(found, dict) else {}


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def as_sent(form_data: Mapping[str, Any]) -> dict[str, str]:
    """A member's answers as a form would send them: a box that is not ticked is not sent."""
    return {
        key: "on" if value is True else str(value)
        for key, value in form_data.items()
        if value is not False
    }
