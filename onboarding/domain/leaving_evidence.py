"""Whether the hub has followed one step of a cluster's way out: what was seen, what is stuck, what to do.

Silence is never evidence: each part of the hub that a step depends on was observed after the
step's commit, and lately. What is not there then is gone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from onboarding.domain.handover import HANDED_GROUPS
from onboarding.domain.labels import STATE_LABELS
from onboarding.domain.leaving import MARK_KEY, LeaveStep
from onboarding.domain.outcome import Expected, Prediction, differences
from onboarding.domain.outcome import Seen as Compared
from onboarding.domain.sync import duration

FRESH = timedelta(minutes=5)
"""How old what was seen of a hub may be to count as evidence."""

PATIENCE = timedelta(minutes=5)
"""How long a hub usually needs at most; what takes longer is called stuck."""

_MOST_NAMED = 5
# What a deletion says of an API server that is not there, while Argo CD's cache still calls it connected.
_UNREACHABLE = re.compile(
    r"connection refused|no such host|no route to host|timeout|deadline exceeded|unauthorized"
    r"|provide credentials|certificate",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class SeenApplication:
    """One Application as the hub was last seen to have it.

    `cascades`: it carries Argo CD's finalizer, so that its objects go before it does. `error` is what
    Argo CD says of a deletion that fails, `made_by` its ApplicationSet ("": made by hand).
    """

    name: str
    group: str = ""
    version: str = ""
    release: str = ""
    deleting: bool = False
    cascades: bool = False
    error: str = ""
    made_by: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a hub was last seen to have of a cluster, and when each part was observed (None: never).

    `labels` are those of its cluster secret, None where it is not registered. `problem` is why the
    hub does not answer now ("": it does), `namespace` that of its Argo CD.
    """

    hub: str
    cluster: str
    namespace: str = "argocd"
    applications_at: datetime | None = None
    secrets_at: datetime | None = None
    clusters_at: datetime | None = None
    problem: str = ""
    applications: tuple[SeenApplication, ...] = ()
    registration: SeenApplication | None = None
    external_secret: str = ""
    labels: Mapping[str, str] | None = None
    connection: str = ""
    connection_message: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a step stands: `done` with what was seen, or what it waits for, and what to do about it.

    `stuck`: it does not go on by itself, as far as can be told. `unreachable`: because the spoke
    does not answer.
    """

    done: bool
    says: str
    remedy: str = ""
    stuck: bool = False
    unreachable: bool = False


def judge(
    step: LeaveStep,
    seen: Seen,
    *,
    foreseen: Prediction,
    committed_at: datetime,
    now: datetime,
    given_up: bool = False,
    gone: Mapping[str, bool] | None = None,
) -> Evidence:
    """Whether the hub has followed `step`, committed at `committed_at`.

    `foreseen` is what its plan predicts. `given_up`: somebody decided that the spoke is gone for
    good, so Applications that are being deleted are not waited for. `gone` maps the Applications
    that were seen before to whether they took their objects along.
    """
    if blind := _blind(step, seen, committed_at, now):
        return blind
    late = now - committed_at > PATIENCE
    match step:
        case LeaveStep.MARK:
            return _marked(seen, late=late, given_up=given_up, gone=gone or {})
        case LeaveStep.REMOVE:
            return _removed(seen, late=late)
        case _:
            return _followed(step, seen, foreseen, late=late, given_up=given_up)


def check_removal(seen: Seen, *, now: datetime, given_up: bool) -> str:
    """Why a member file must not be removed now, as a sentence; "" where it may.

    Applications that still exist would lose their cluster, and what they deployed its owner.
    """
    problem = _unheard("Applications", seen.applications_at, seen, None, now)
    if problem:
        return f"{problem} A member file is only removed on fresh evidence."
    left = [one for one in seen.applications if not (given_up and one.deleting)]
    if not left:
        return ""
    return (
        f"{_named([one.name for one in left])} {'is' if len(left) == 1 else 'are'} still on hub "
        f"{seen.hub}. Without the member file nobody would own what runs on {seen.cluster}; it is "
        "removed when they are gone."
    )


def _blind(step: LeaveStep, seen: Seen, since: datetime, now: datetime) -> Evidence | None:
    """What of the hub has to be observed first, after the commit and lately."""
    parts = [("Applications", seen.applications_at), ("clusters", seen.clusters_at)]
    if step is LeaveStep.REMOVE:
        parts.append(("ExternalSecrets", seen.secrets_at))
    for what, at in parts:
        if said := _unheard(what, at, seen, since, now):
            stuck = at is None or now - at > FRESH
            remedy = (
                "Look at the hub's API server and its Argo CD, and at the right and the token of this "
                "product's account there (Administration, Hubs, Test). The offboarding goes on by "
                "itself when the hub answers."
            )
            return Evidence(False, said, remedy if stuck else "", stuck=stuck)
    return None


def _unheard(
    what: str, at: datetime | None, seen: Seen, since: datetime | None, now: datetime
) -> str:
    problem = f" {seen.problem}" if seen.problem else ""
    if at is None:
        return f"The {what} of hub {seen.hub} were never observed here.{problem}"
    if now - at > FRESH:
        return f"Hub {seen.hub} was last heard of {duration(now - at)} ago: its {what} are not known now.{problem}"
    if since is not None and at <= since:
        return f"The {what} of hub {seen.hub} were not observed since the commit yet."
    return ""


def _followed(
    step: LeaveStep, seen: Seen, foreseen: Prediction, *, late: bool, given_up: bool
) -> Evidence:
    compared = Compared(
        labels=seen.labels,
        applications={
            one.name: Expected(one.version, one.release)
            for one in seen.applications
            if not (given_up and one.deleting)
        },
    )
    found = differences(foreseen, compared)
    if not found:
        found = tuple(_finalizers(step, seen, foreseen))
    if not found:
        return Evidence(True, step.proof)
    going = [one for one in seen.applications if one.deleting]
    if going and (
        seen.connection == "Failed" or any(_UNREACHABLE.search(one.error) for one in going)
    ):
        return _deleting(seen, going, late=late)
    remedy = (
        "Look at the ApplicationSets and Applications of this cluster in Argo CD: an error there keeps "
        "the hub from following Git."
    )
    return Evidence(False, found[0], remedy if late else "", stuck=late)


def _finalizers(step: LeaveStep, seen: Seen, foreseen: Prediction) -> Iterator[str]:
    """Applications of the groups that can be kept, with another finalizer than is needed next."""
    keeps = foreseen.labels.get(STATE_LABELS["handover"]) == "true"
    for one in seen.applications:
        if one.group not in HANDED_GROUPS or one.deleting:
            continue
        if keeps and one.cascades:
            yield f"The Application {one.name} would still delete its objects when it goes."
        elif not keeps and not one.cascades:
            yield f"The Application {one.name} would still leave its objects behind when it goes."


def _marked(seen: Seen, *, late: bool, given_up: bool, gone: Mapping[str, bool]) -> Evidence:
    if seen.labels is not None and seen.labels.get(STATE_LABELS[MARK_KEY]) != "true":
        remedy = (
            f"Look at the Application fleet-secret-{seen.cluster} in Argo CD: what it reports keeps "
            "the cluster secret as it was."
        )
        said = "The cluster secret on the hub does not say yet that the cluster is leaving."
        return Evidence(False, said, remedy if late else "", stuck=late)
    left = [one for one in seen.applications if not (given_up and one.deleting)]
    if not left:
        return Evidence(True, _told(seen, gone))
    staying = [one for one in left if not one.deleting]
    if staying:
        return _staying(seen, staying, late=late)
    return _deleting(seen, left, late=late)


def _told(seen: Seen, gone: Mapping[str, bool]) -> str:
    """What became of the Applications, by whether they carried the finalizer when last seen."""
    waiting = {one.name for one in seen.applications}
    taken = [name for name, cascades in gone.items() if cascades and name not in waiting]
    left = [name for name, cascades in gone.items() if not cascades and name not in waiting]
    parts = [f"No Application of {seen.cluster} is left on hub {seen.hub} that could go."]
    if not waiting:
        parts = [f"No Application of {seen.cluster} is left on hub {seen.hub}."]
    if taken:
        parts.append(f"With their objects on the spoke: {_named(taken)}. {NEVER_DELETED}")
    if left:
        parts.append(f"Without them, so they stay on the spoke: {_named(left)}.")
    if waiting:
        parts.append(f"Given up with the spoke: {_named(sorted(waiting))}.")
    return " ".join(parts)


NEVER_DELETED = "Argo CD deletes no CRDs, and no namespaces that it made: those stay."
"""What stays of an Application that takes its objects along.

Source: `shouldBeDeleted` of `controller/appcontroller.go` (CRDs carry no tracking either), and a
namespace of `CreateNamespace=true`, which it does not track, in Argo CD 3.2.
"""


def _staying(seen: Seen, staying: Sequence[SeenApplication], *, late: bool) -> Evidence:
    by_hand = [one.name for one in staying if not one.made_by]
    if by_hand:
        return Evidence(
            False,
            f"{_named(by_hand)} was made by no ApplicationSet, so nothing in Git takes it away.",
            f"Delete it on the hub: argocd app delete {by_hand[0]} --cascade (or with "
            "--cascade=false, to leave what it deployed).",
            stuck=True,
        )
    first = staying[0]
    remedy = (
        f"Look at the ApplicationSet {first.made_by} on the hub: an error there keeps all of its "
        "Applications as they are."
    )
    said = f"Still on the hub: {_named([one.name for one in staying])}."
    return Evidence(False, said, remedy if late else "", stuck=late)


def _deleting(seen: Seen, left: Sequence[SeenApplication], *, late: bool) -> Evidence:
    names = _named([one.name for one in left])
    cut_off = next((one.error for one in left if _UNREACHABLE.search(one.error)), "")
    if seen.connection == "Failed" or cut_off:
        said = seen.connection_message if seen.connection == "Failed" else cut_off
        why = f" {said}" if said else ""
        return Evidence(
            False,
            f"Argo CD cannot reach {seen.cluster}, so it cannot take away what {names} deployed there.{why}",
            "Bring the spoke's API server back, or renew its credentials in Secrets Manager: the "
            "deletion goes on by itself. If the spoke is gone for good, give it up on this page.",
            stuck=True,
            unreachable=True,
        )
    failing = next((one for one in left if one.error), None)
    if failing or late:
        first = failing or left[0]
        why = f" Argo CD says: {first.error}" if first.error else ""
        return Evidence(
            False,
            f"{names} is being deleted and does not come to an end: a finalizer holds it.{why}",
            f"See in Argo CD which object of {first.name} is left, and remove the finalizer of that "
            "object on the spoke, or whatever keeps its controller from ending it. As a last resort let "
            f"the Application go without its objects: kubectl -n {seen.namespace} patch application "
            f'{first.name} --type merge -p \'{{"metadata":{{"finalizers":null}}}}\'',
            stuck=True,
        )
    return Evidence(False, f"Argo CD is taking away what {names} deployed.")


def _removed(seen: Seen, *, late: bool) -> Evidence:
    left = []
    if seen.registration is not None:
        left.append(f"the Application {seen.registration.name}")
    if seen.external_secret:
        left.append(f"the ExternalSecret {seen.external_secret}")
    if seen.labels is not None:
        left.append("the cluster secret")
    left += [f"the Application {one.name}" for one in seen.applications]
    if not left:
        return Evidence(
            True,
            f"Registration, ExternalSecret and cluster secret of {seen.cluster} are gone on hub {seen.hub}.",
        )
    said = f"Still on the hub: {_named(left)}."
    if not late:
        return Evidence(False, said)
    return Evidence(False, said, _last_remedy(seen), stuck=True)


def _last_remedy(seen: Seen) -> str:
    if seen.registration is not None and seen.registration.deleting:
        return (
            f"{seen.registration.name} is held by a finalizer: look in Argo CD at which of its objects is "
            f"left, and at the External Secrets Operator, which has to let the ExternalSecret go."
        )
    if seen.registration is not None:
        return (
            "Look at the ApplicationSet fleet-hub-external-secrets on the hub: an error there keeps the "
            "registration."
        )
    if seen.external_secret:
        return (
            f"Delete it: kubectl -n {seen.namespace} delete externalsecret {seen.external_secret}"
        )
    return (
        "Nothing owns it any more. Delete it: argocd cluster rm "
        f"{seen.cluster}, or kubectl -n {seen.namespace} delete secret cluster-{seen.cluster}"
    )


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{', '.join(names[:_MOST_NAMED])}{more}"
