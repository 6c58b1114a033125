"""Who has, or may have, a cluster's name or secret: Git as indexed (all hubs and fleets), open changes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db.models import Q
from django.db.models.functions import Lower

from onboarding.domain.intent_rules import secret_key
from onboarding.domain.intents import Intent, RegisterCluster
from onboarding.domain.lifecycle import DecisionState
from onboarding.domain.names import HubName
from onboarding.domain.plans import Neighbours
from onboarding.models import Change, Cluster, Fleet
from onboarding.services import rounds
from onboarding.services.layouts import layout_of


@dataclass(frozen=True, slots=True)
class _Holder:
    """A change or a cluster that has a name and a secret, and where it is, in words."""

    change_id: int | None
    fleet_id: int | None
    path: str
    name: str
    secret: str
    where: str


class Holders:
    """Those who could collide with any of some intents, read by two queries, however many they are.

    Nobody else is read: a fleet of thousands is planned as fast as one of ten. In a round of many rows
    all clusters are read, once.
    """

    def __init__(self, intents: Iterable[Intent]) -> None:
        self._by_name: defaultdict[str, list[_Holder]] = defaultdict(list)
        self._by_secret: defaultdict[str, list[_Holder]] = defaultdict(list)
        asked = list(intents)
        names = {intent.placement.cluster.casefold() for intent in asked}
        secrets = {secret_key(intent.secret_name) for intent in asked}
        clusters = (
            rounds.once("clusters", _AllClusters).of(names, secrets)
            if rounds.is_running()
            else _clusters(_could_collide(names, secrets))
        )
        for holder in [*_open_changes(names, secrets), *clusters]:
            self._by_name[holder.name.casefold()].append(holder)
            self._by_secret[secret_key(holder.secret)].append(holder)

    def of(
        self,
        *,
        fleet: Fleet,
        intent: Intent,
        change: Change | None = None,
        moving_from: str = "",
    ) -> Neighbours:
        """Who has the name or the secret of one of these intents.

        `change` is the change that asks for it, which is nobody's neighbour; nor is the member file
        that an intent edits, nor that of the cluster itself on the hub that it is `moving_from`.
        """
        but_change = change.pk if change else None
        but_files = {(fleet.pk, path) for path in _own_paths(fleet, intent, moving_from)}

        def others(holders: Sequence[_Holder]) -> Iterable[_Holder]:
            for holder in holders:
                own = holder.change_id is not None and holder.change_id == but_change
                if not own and (holder.fleet_id, holder.path) not in but_files:
                    yield holder

        by_name = others(self._by_name.get(intent.placement.cluster.casefold(), ()))
        by_secret = others(self._by_secret.get(secret_key(intent.secret_name), ()))
        return Neighbours(
            by_name={holder.name: holder.where for holder in by_name},
            by_secret={holder.secret: holder.where for holder in by_secret if holder.secret},
        )


def neighbours(
    *, fleet: Fleet, intent: Intent, change: Change | None = None, moving_from: str = ""
) -> Neighbours:
    """Who has, or may have, the name or the secret of one intent; `change` is the one that asks."""
    found = Holders([intent])
    return found.of(fleet=fleet, intent=intent, change=change, moving_from=moving_from)


def _open_changes(names: set[str], secrets: set[str]) -> Iterable[_Holder]:
    rows = (
        Change.objects.filter(kind=Change.Kind.REGISTER, settled_at__isnull=True)
        .exclude(state=DecisionState.DRAFT.value)
        .alias(folded_name=Lower("cluster_name"), folded_used=Lower("secret_name"))
        .filter(_could_collide(names, secrets))
    )
    for pk, name, secret in rows.values_list("pk", "cluster_name", "secret_name"):
        yield _Holder(pk, None, "", name, secret, f"change #{pk}, which is still open")


class _AllClusters:
    """All clusters, by what they could collide with."""

    def __init__(self) -> None:
        self._by_name: defaultdict[str, list[_Holder]] = defaultdict(list)
        self._by_secret: defaultdict[str, list[_Holder]] = defaultdict(list)
        for holder in _clusters(Q()):
            self._by_name[holder.name.casefold()].append(holder)
            self._by_secret[secret_key(holder.secret)].append(holder)

    def of(self, names: set[str], secrets: set[str]) -> Iterable[_Holder]:
        """Those with one of these names or secrets, each once."""
        found = [one for name in names for one in self._by_name.get(name, ())]
        found += [one for secret in secrets for one in self._by_secret.get(secret, ())]
        return {(one.fleet_id, one.path): one for one in found}.values()


def _clusters(which: Q) -> Iterable[_Holder]:
    rows = (
        Cluster.objects.alias(folded_name=Lower("name"), folded_used=Lower("secret_name"))
        .filter(which)
        .order_by()
        .values_list("fleet_id", "path", "name", "secret_name", "hub_name", "fleet__name")
    )
    for fleet_id, path, name, secret, hub, fleet in rows:
        where = f"the cluster on hub {hub} ({path} in fleet {fleet})"
        yield _Holder(None, fleet_id, path, name, secret, where)


def _could_collide(names: set[str], secrets: set[str]) -> Q:
    """The rows with one of the names, one of the secrets, or a secret that is written as an ARN."""
    used = Q(folded_used__in=secrets) | Q(folded_used__startswith="arn:")
    return used | Q(folded_name__in=names)


def _own_paths(fleet: Fleet, intent: Intent, moving_from: str) -> set[str]:
    """The member files that are an intent's own and so nobody's neighbour; none for a new cluster."""
    placement, layout = intent.placement, layout_of(fleet)
    hubs = {HubName(moving_from)} if moving_from else set()
    if not isinstance(intent, RegisterCluster):
        hubs.add(placement.hub)
    return {layout.member_path(hub, placement.cluster) for hub in hubs}
