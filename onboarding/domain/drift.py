"""Drift, three ways: what Git wants, what the live cluster secret carries, what the Applications carry.

Each difference says who could have made it, as far as the facts tell; where they do not, it says
that, too. Nothing is called somebody's doing that a slow hub explains as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from onboarding.domain.labels import RESERVED_DOMAINS, RESERVED_KEYS
from onboarding.domain.releases import RELEASE_LABELS


class Aspect(StrEnum):
    """What differs."""

    LABEL = "label"
    APPLICATION = "Application"
    VERSION = "version"
    CHANNEL = "release channel"
    VALUES = "values files"
    DESTINATION = "destination"


class Cause(StrEnum):
    """Who could have made a difference."""

    NOT_READ = "newer commit"
    NOT_APPLIED = "not applied"
    FROM_SECRET = "from the secret"  # noqa: S105 -- the name of a cause, no secret
    BY_HAND = "by hand"
    FOLLOWS = "follows the labels"
    UNKNOWN = "unknown"

    @property
    def words(self) -> str:
        """The cause in a few words, as pages show it."""
        return _WORDS[self]


_WORDS: Mapping[Cause, str] = {
    Cause.NOT_READ: "A newer commit is not read yet",
    Cause.NOT_APPLIED: "The hub could not apply it",
    Cause.FROM_SECRET: "The secret's own label",
    Cause.BY_HAND: "Changed by hand on the hub",
    Cause.FOLLOWS: "Follows from a label",
    Cause.UNKNOWN: "Not known",
}

_HAND = "argocd cluster set, Argo CD's pages, kubectl, or another controller"


@dataclass(frozen=True, slots=True)
class Carried:
    """What one Application carries, or shall carry by Git.

    `version` is "" where Git and hub do not name it in the same words (a chart of the repository),
    `files` None where they cannot be compared. `maker` is the ApplicationSet that owns it.
    """

    version: str = ""
    channel: str = ""
    group: str = ""
    files: tuple[str, ...] | None = None
    destination: str = ""
    maker: str = ""


@dataclass(frozen=True, slots=True)
class Intended:
    """What Git wants of a cluster; `applications` None where Git could not be asked.

    `complete` is false where another repository tells of further Applications.
    """

    labels: Mapping[str, str]
    applications: Mapping[str, Carried] | None = None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class OnHub:
    """What a hub was last seen to have: `labels` None is a cluster that is not registered.

    `names` are what an Application may call this cluster as its destination. `read` are the labels
    by the commit that the hub last compared, `commit` that commit (None and "": the newest, or not
    known). `problem` says why the registration is not applied. `from_secret`: the fleet's chart
    takes labels from the secret with the credentials, too.
    """

    labels: Mapping[str, str] | None
    applications: Mapping[str, Carried] = field(default_factory=dict)
    names: frozenset[str] = frozenset()
    read: Mapping[str, str] | None = None
    commit: str = ""
    problem: str = ""
    from_secret: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as Git wants it; None is absent.

    `who` says in a sentence who could have made it. `adoptable`: the live value can be written into
    the cluster's own labels; else `refusal` says why not.
    """

    aspect: Aspect
    subject: str
    git: str | None
    hub: str | None
    cause: Cause
    who: str
    adoptable: bool = False
    refusal: str = ""


def labels_differ(git: Mapping[str, str], live: Mapping[str, str]) -> tuple[str, ...]:
    """The keys that differ between Git's prediction and the live cluster secret, sorted.

    Keys that only the hub has count unless their domain is Kubernetes', Argo CD's or the operator's:
    those are put there by the machinery itself.
    """
    return tuple(
        key
        for key in sorted(git.keys() | live.keys())
        if git.get(key) != live.get(key) and (key in git or not _is_machinery(key))
    )


def _is_machinery(key: str) -> bool:
    prefix = key.rpartition("/")[0]
    return any(prefix == one or prefix.endswith(f".{one}") for one in RESERVED_DOMAINS)


def differences(intended: Intended, seen: OnHub) -> tuple[Difference, ...]:
    """Every difference, those of labels first; none of a cluster that is not registered."""
    if seen.labels is None:
        return ()
    labels = tuple(
        _label(key, intended, seen) for key in labels_differ(intended.labels, seen.labels)
    )
    if intended.applications is None:
        return labels
    return (*labels, *_applications(intended, intended.applications, seen))


def _label(key: str, intended: Intended, seen: OnHub) -> Difference:
    git, hub = intended.labels.get(key), (seen.labels or {}).get(key)
    cause, who = _who(key, git, hub, seen)
    refusal = _why_not_adoptable(key, hub)
    return Difference(
        Aspect.LABEL, key, git, hub, cause, who, adoptable=not refusal, refusal=refusal
    )


def _who(key: str, git: str | None, hub: str | None, seen: OnHub) -> tuple[Cause, str]:
    if seen.read is not None and seen.read.get(key) == hub:
        return Cause.NOT_READ, (
            f"Another values layer in a newer commit: the hub last read {seen.commit[:8]}, where Git "
            "said what the hub has. It follows by itself."
        )
    if seen.problem:
        return Cause.NOT_APPLIED, f"The hub has not applied what it read: {seen.problem}"
    if git is None and seen.from_secret:
        return Cause.FROM_SECRET, (
            "The fleet-secret chart takes labels from the secret with the credentials, so whoever "
            "writes that secret may have set it."
        )
    if git is None:
        return Cause.BY_HAND, f"Nothing in Git sets it. It was added on the hub: {_HAND}."
    verb = "removed" if hub is None else "changed"
    return Cause.BY_HAND, f"It was {verb} on the hub, after Git was read there: {_HAND}."


def _why_not_adoptable(key: str, hub: str | None) -> str:
    """Why a live label cannot be written into the cluster's own labels; "" where it can."""
    if key in RESERVED_KEYS or _is_machinery(key) or key.startswith("fleet/"):
        return "It comes from the member file or the fleet itself. Edit the cluster to change it."
    if hub is None:
        return "A label cannot be taken from one cluster while a layer sets it. Edit that layer."
    return ""


def _applications(
    intended: Intended, wanted: Mapping[str, Carried], seen: OnHub
) -> Iterator[Difference]:
    for name in sorted(wanted.keys() | seen.applications.keys()):
        git, hub = wanted.get(name), seen.applications.get(name)
        if hub is None and git is not None:
            yield _missing(name, git, intended, seen)
        elif git is None and hub is not None:
            if intended.complete:
                yield _extra(name, hub, intended, seen)
        elif git is not None and hub is not None:
            yield from _carried(name, git, hub, intended, seen)


def _missing(name: str, git: Carried, intended: Intended, seen: OnHub) -> Difference:
    cause, who = _moved(git, intended, seen) or (
        Cause.UNKNOWN,
        "Its ApplicationSet has not made it, or it was deleted and is not made again. Look at the "
        "set's conditions on the hub.",
    )
    return Difference(Aspect.APPLICATION, name, "there", None, cause, who)


def _extra(name: str, hub: Carried, intended: Intended, seen: OnHub) -> Difference:
    cause, who = _moved(hub, intended, seen) or (
        (
            Cause.UNKNOWN,
            f"ApplicationSet {hub.maker} made it, by what Git does not describe or said before.",
        )
        if hub.maker
        else (Cause.BY_HAND, "No ApplicationSet owns it: somebody made it on the hub.")
    )
    return Difference(Aspect.APPLICATION, name, None, "there", cause, who)


def _moved(one: Carried, intended: Intended, seen: OnHub) -> tuple[Cause, str] | None:
    """Whether a label that differs explains it: what the set selects, or the channel that it takes."""
    differing = set(labels_differ(intended.labels, seen.labels or {}))
    channel = RELEASE_LABELS.get(one.group, "")
    found = sorted({channel} & differing) or sorted(
        key for key in differing if key.startswith("enable_")
    )
    if not found:
        return None
    return Cause.FOLLOWS, f"It follows from the label {found[0]}, which differs (see above)."


def _carried(
    name: str, git: Carried, hub: Carried, intended: Intended, seen: OnHub
) -> Iterator[Difference]:
    """What one Application carries otherwise than Git wants."""
    late = (
        Cause.NOT_READ if seen.commit else Cause.UNKNOWN,
        "Its ApplicationSet has made it from an older commit, or somebody changed the Application "
        f"on the hub: {_HAND}. A set that is well puts it right at its next look.",
    )
    pairs = (
        (Aspect.VERSION, git.version, hub.version),
        (Aspect.CHANNEL, git.channel, hub.channel),
    )
    for aspect, wanted, has in pairs:
        if wanted and has and wanted != has:
            cause, who = _moved(git, intended, seen) or late
            yield Difference(aspect, name, wanted, has, cause, who)
    if git.files is not None and hub.files is not None and git.files != hub.files:
        yield Difference(Aspect.VALUES, name, *_files(git.files, hub.files), *late)
    if hub.destination and seen.names and hub.destination not in seen.names:
        wanted = git.destination or min(seen.names)
        yield Difference(Aspect.DESTINATION, name, wanted, hub.destination, *late)


def _files(git: tuple[str, ...], hub: tuple[str, ...]) -> tuple[str, str]:
    """What each side reads that the other does not; the order, where only that differs."""
    if set(git) == set(hub):
        return ", ".join(git), ", ".join(hub)
    return (
        ", ".join(one for one in git if one not in hub) or "no further file",
        ", ".join(one for one in hub if one not in git) or "no further file",
    )
