"""What is refused of an intent before anything is planned, each at the form field it belongs to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from onboarding.domain.errors import Refusal, Refused
from onboarding.domain.intents import Intent, RegisterCluster
from onboarding.domain.labels import is_source, reserved
from onboarding.domain.member import FleetMember, check_member
from onboarding.domain.names import LabelKey, LabelValue, SecretName
from onboarding.domain.plans import Neighbours
from onboarding.domain.releases import RELEASE_LABELS, Releases
from onboarding.domain.yaml.yamltext import safe_scalar

_ARN = re.compile(r"arn:aws[a-z-]*:secretsmanager:[^:]*:[^:]*:secret:(?P<name>.+)")
_ARN_ENDING = re.compile(r"-[A-Za-z0-9]{6}$")


def check_values(intent: Intent, member: FleetMember) -> Iterator[Refusal]:
    """Every text of the intent may stand in Git (no template, quote or control character).

    `member` is the document that the intent asks for; its options and the rule that somebody must
    deploy each group are checked with it.
    """
    wrong_secret = _refusals(lambda: SecretName(intent.secret_name))
    yield from wrong_secret or _refusals(lambda: safe_scalar(intent.secret_name, "secret_name"))
    yield from check_member(member)
    for key, pinned in sorted(intent.pins.items()):
        yield from _check_pin(key, pinned)


def is_plain_label(key: str) -> bool:
    """Whether a label is neither a release channel nor an enable flag, which are chosen of what is on offer."""
    return not key.startswith("enable_") and key not in RELEASE_LABELS.values()


def check_label(key: str, value: str | None) -> Iterator[Refusal]:
    """A label of the cluster secret that a program or a person names freely; None inherits it."""
    if not is_plain_label(key):
        yield Refusal(f"{key:.80} is chosen among the channels and flags.", key, "not_plain")
        return
    yield from _check_pin(key, value)


def _check_pin(key: str, value: str | None) -> Iterator[Refusal]:
    found = _refusals(lambda: LabelKey(key))
    if found or value is None:
        yield from found
        return
    if said := reserved(key) or is_source(key):
        yield Refusal(said, key, "reserved")
        return
    found = _refusals(lambda: safe_scalar(value, key)) or _refusals(lambda: LabelValue(value))
    if found:
        yield Refusal(found[0].message, key, found[0].code)
    elif key.startswith("enable_") and value not in {"true", "false"}:
        yield Refusal(f"{key} is either true or false. Choose one.", key, "invalid_flag")


def check_channels(intent: Intent, releases: Releases) -> Iterator[Refusal]:
    """Every pinned release channel is one that the versions file knows."""
    for group, label in RELEASE_LABELS.items():
        pinned = intent.pins.get(label)
        known = releases.types(group)
        if pinned is None or pinned in known:
            continue
        offered = f"Choose one of: {', '.join(known)}." if known else f"It has no {group} at all."
        yield Refusal(
            f"{releases.path} has no {group} release called {pinned!r:.80}. {offered}",
            label,
            "unknown_channel",
        )


def check_neighbours(
    intent: Intent, neighbours: Neighbours, member: FleetMember | None
) -> Iterator[Refusal]:
    """The name and the secret are nobody else's; letter case makes no difference."""
    placement = intent.placement
    if isinstance(intent, RegisterCluster):
        where = _folded(neighbours.by_name, str.casefold).get(placement.cluster.casefold())
        if where:
            yield Refusal(
                f"The name {placement.cluster} is taken: {where}. Choose another name.",
                "cluster",
                "duplicate",
            )
    secret = secret_key(intent.secret_name)
    if member is not None and secret_key(member.secret_name) == secret:
        return
    where = _folded(neighbours.by_secret, secret_key).get(secret)
    if where:
        yield Refusal(
            f"The secret {intent.secret_name:.200} is used already: {where}. Two clusters with one "
            "secret would be one server to Argo CD. Enter this cluster's own secret.",
            "secret_name",
            "duplicate_secret",
        )


def _folded(taken: Mapping[str, str], fold: Callable[[str], str]) -> dict[str, str]:
    return {fold(key): where for key, where in taken.items()}


def secret_key(name: str) -> str:
    """What two ways to write one secret have in common: an ARN is its name and six characters."""
    found = _ARN.fullmatch(name)
    return (_ARN_ENDING.sub("", found["name"]) if found else name).casefold()


_FIXED: Mapping[str, str] = {
    "cluster": "its Applications and its cluster secret carry that name",
    "tenant": "its values and labels lie in the tenant's folder",
    "environment": "its values and labels are chosen by it",
}


def check_fixed(intent: Intent, member: FleetMember) -> Iterator[Refusal]:
    """An edit leaves the placement as it is: the path of its files and its secret hang on it."""
    placement = intent.placement
    for field, asked, is_now in (
        ("cluster", placement.cluster, member.cluster),
        ("tenant", placement.tenant, member.tenant),
        ("environment", placement.environment, member.environment),
    ):
        if asked != is_now:
            yield Refusal(
                f"The {field} is {is_now} in {member.path} and is fixed after registration: "
                f"{_FIXED[field]}. Register a new cluster, and then remove this one.",
                field,
                "fixed",
            )


def _refusals(check: Callable[[], object]) -> tuple[Refusal, ...]:
    try:
        check()
    except Refused as refused:
        return refused.refusals
    return ()
