"""Kubernetes label selectors, and what an ApplicationSet's generators say of one cluster.

Semantics are those of `metav1.LabelSelector` (apimachinery `LabelSelectorAsSelector` and
`labels.Requirement.Matches`): all requirements must hold; `In` and `Exists` need the key; `NotIn`
and `DoesNotExist` hold where the key is absent; an empty selector selects everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from onboarding.domain.errors import Refused


class Operator(StrEnum):
    """The four operators of `matchExpressions`."""

    IN = "In"
    NOT_IN = "NotIn"
    EXISTS = "Exists"
    DOES_NOT_EXIST = "DoesNotExist"


@dataclass(frozen=True, slots=True)
class Requirement:
    """One condition on one label."""

    key: str
    operator: Operator
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether these labels meet the condition; a missing key meets NotIn and DoesNotExist."""
        value = labels.get(self.key)
        match self.operator:
            case Operator.IN:
                return value is not None and value in self.values
            case Operator.NOT_IN:
                return value is None or value not in self.values
            case Operator.EXISTS:
                return value is not None
            case Operator.DOES_NOT_EXIST:
                return value is None

    def __str__(self) -> str:
        match self.operator:
            case Operator.IN if len(self.values) == 1:
                return f"{self.key}={self.values[0]}"
            case Operator.IN | Operator.NOT_IN:
                word = "in" if self.operator is Operator.IN else "not in"
                return f"{self.key} {word} ({', '.join(self.values)})"
            case Operator.EXISTS:
                return f"{self.key} is set"
            case Operator.DOES_NOT_EXIST:
                return f"{self.key} is not set"


@dataclass(frozen=True, slots=True)
class Selector:
    """All conditions of a label selector, which must all hold; none selects everything."""

    requirements: tuple[Requirement, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether a cluster with these labels is selected."""
        return all(requirement.matches(labels) for requirement in self.requirements)

    def keys(self) -> frozenset[str]:
        """The label keys that decide."""
        return frozenset(one.key for one in self.requirements)

    def __str__(self) -> str:
        return ", ".join(str(one) for one in self.requirements) or "every cluster"


def parse_selector(data: object) -> Selector:
    """Read a `metav1.LabelSelector` as it stands in an object of the hub.

    `data` is the mapping with `matchLabels` and `matchExpressions`; None and an empty mapping
    select everything, as in Argo CD's cluster generator. Raises `Refused` (code
    `invalid_selector`) for what the Kubernetes API would not accept: an unknown operator, `In` or
    `NotIn` without values, `Exists` or `DoesNotExist` with values, a part of the wrong type.
    """
    if data is None:
        return Selector()
    mapping = _mapping(data, "The selector")
    found = [
        Requirement(key, Operator.IN, (_text(value, f"matchLabels.{key}"),))
        for key, value in sorted(_mapping(mapping.get("matchLabels"), "matchLabels").items())
    ]
    expressions = mapping.get("matchExpressions")
    if expressions is not None:
        if not isinstance(expressions, list | tuple):
            raise _invalid("matchExpressions must be a list.")
        found += [_expression(one) for one in expressions]
    return Selector(tuple(found))


def _expression(data: object) -> Requirement:
    mapping = _mapping(data, "A match expression")
    key = _text(mapping.get("key"), "The key of a match expression")
    if not key:
        raise _invalid("A match expression has no key.")
    word = mapping.get("operator")
    try:
        operator = Operator(str(word))
    except ValueError:
        raise _invalid(
            f"The operator {word!r:.40} of {key} is unknown. "
            "Kubernetes has In, NotIn, Exists and DoesNotExist."
        ) from None
    values = mapping.get("values") or ()
    if not isinstance(values, list | tuple):
        raise _invalid(f"The values of {key} must be a list.")
    texts = tuple(_text(value, f"A value of {key}") for value in values)
    takes_values = operator in {Operator.IN, Operator.NOT_IN}
    if takes_values and not texts:
        raise _invalid(f"{operator} of {key} needs at least one value.")
    if not takes_values and texts:
        raise _invalid(f"{operator} of {key} takes no values.")
    return Requirement(key, operator, texts)


def _mapping(data: object, what: str) -> Mapping[str, object]:
    if data is None:
        return {}
    if not isinstance(data, Mapping) or not all(isinstance(key, str) for key in data):
        raise _invalid(f"{what} must be a map.")
    return data


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise _invalid(f"{what} must be text.")
    return value


def _invalid(message: str) -> Refused:
    return Refused(message, code="invalid_selector")


class Match(StrEnum):
    """Whether an ApplicationSet makes an Application for a cluster, as far as labels can tell."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


def application_set_match(
    application_set: Mapping[str, object], labels: Mapping[str, str]
) -> Match:
    """Whether an ApplicationSet's generators select a cluster with these labels.

    `application_set` is the object as the hub gives it, with `spec.generators`. The generators of
    a set are alternatives (one YES is enough). In a matrix every child must select; in a merge the
    first child decides which clusters there are and the others only add parameters. What labels
    alone cannot decide is UNKNOWN: a selector with a template in it, a plugin, a pull request
    generator, an invalid selector, a matrix of a selecting cluster generator with one that may
    yield nothing. A set without any cluster generator selects no cluster: NO.
    """
    spec = application_set.get("spec")
    generators = spec.get("generators") if isinstance(spec, Mapping) else None
    return _any(_generator(one, labels) for one in _sequence(generators))


def _sequence(data: object) -> Sequence[object]:
    return data if isinstance(data, list | tuple) else ()


def _generator(data: object, labels: Mapping[str, str]) -> Match:
    if not isinstance(data, Mapping):
        return Match.UNKNOWN
    if "clusters" in data:
        found = _cluster_generator(data.get("clusters"), labels)
    elif "matrix" in data:
        found = _matrix(data.get("matrix"), labels)
    elif "merge" in data:
        children = _children(data.get("merge"))
        found = _generator(children[0], labels) if children else Match.UNKNOWN
    elif "list" in data or "git" in data:
        # These know no cluster secret: on their own they do not follow this cluster's labels.
        found = Match.NO
    else:
        found = Match.UNKNOWN
    # A generator's own `selector` filters by the produced parameters, which are not all known here.
    return Match.UNKNOWN if found is Match.YES and data.get("selector") else found


def _children(data: object) -> Sequence[object]:
    return _sequence(data.get("generators")) if isinstance(data, Mapping) else ()


def _cluster_generator(data: object, labels: Mapping[str, str]) -> Match:
    selector = data.get("selector") if isinstance(data, Mapping) else None
    try:
        parsed = parse_selector(selector)
    except Refused:
        return Match.UNKNOWN
    fixed = [one for one in parsed.requirements if not _templated(one)]
    if not Selector(tuple(fixed)).matches(labels):
        return Match.NO
    return Match.YES if len(fixed) == len(parsed.requirements) else Match.UNKNOWN


def _templated(requirement: Requirement) -> bool:
    return any("{{" in text for text in (requirement.key, *requirement.values))


def _matrix(data: object, labels: Mapping[str, str]) -> Match:
    children = _children(data)
    clusters = [_generator(one, labels) for one in children if _follows_clusters(one)]
    others = [one for one in children if not _follows_clusters(one)]
    if not clusters or Match.NO in clusters:
        return Match.NO
    if Match.UNKNOWN in clusters or any(not _surely_yields(one) for one in others):
        return Match.UNKNOWN
    return Match.YES


def _follows_clusters(data: object) -> bool:
    """Whether a generator, or one nested in it, reads the cluster secrets."""
    if not isinstance(data, Mapping):
        return False
    if "clusters" in data:
        return True
    nested = (*_children(data.get("matrix")), *_children(data.get("merge")))
    return any(_follows_clusters(one) for one in nested)


def _surely_yields(data: object) -> bool:
    """Whether a generator that does not read clusters gives at least one element for certain."""
    if not isinstance(data, Mapping) or data.get("selector"):
        return False
    static = data.get("list")
    return isinstance(static, Mapping) and bool(_sequence(static.get("elements")))


def _any(matches: Iterable[Match]) -> Match:
    found = set(matches)
    for answer in (Match.YES, Match.UNKNOWN):
        if answer in found:
            return answer
    return Match.NO


def label_keys(application_set: Mapping[str, object]) -> frozenset[str]:
    """All label keys on which an ApplicationSet's cluster generators select, however nested."""
    spec = application_set.get("spec")
    generators = spec.get("generators") if isinstance(spec, Mapping) else None
    keys: set[str] = set()
    waiting = list(_sequence(generators))
    while waiting:
        one = waiting.pop()
        if not isinstance(one, Mapping):
            continue
        clusters = one.get("clusters")
        if isinstance(clusters, Mapping):
            try:
                keys |= parse_selector(clusters.get("selector")).keys()
            except Refused:
                continue
        waiting += [*_children(one.get("matrix")), *_children(one.get("merge"))]
    return frozenset(keys)
