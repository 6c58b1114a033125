"""The labels and annotations that a spoke's cluster secret will carry, each with its origin.

What `charts/fleet-secret` of the fleet repository does is written down here once, as data: which
keys of the member file become labels and annotations, which keys values may not set, and what the
chart refuses.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from onboarding.domain.errors import Refusal, Refused
from onboarding.domain.hierarchy import Origin, Resolved, resolve
from onboarding.domain.layout import FleetLayout, Placement
from onboarding.domain.member import FleetMember, check_member
from onboarding.domain.names import HubName, LabelKey, LabelValue
from onboarding.domain.snapshot import Snapshot, SnapshotFile
from onboarding.domain.yaml.yamltext import remove_value, safe_scalar, set_value

LABELS_KEYS = ("externalSecret", "labels")
ANNOTATIONS_KEYS = ("externalSecret", "annotations")
MEMBER_LAYER = "member file"
CHART_LAYER = "fleet-secret chart"
CHART_PATH = "charts/fleet-secret"

FIXED_LABELS: Mapping[str, str] = {
    "argocd.argoproj.io/secret-type": "cluster",
    "fleet_member": "spoke",
}
"""What the chart puts on every spoke's cluster secret."""

MEMBER_LABELS = (
    "tenant",
    "environment",
    "use_remote_argo",
    "enable_remote_addons",
    "enable_remote_resources",
)
"""Keys of the member file that are labels of the same name, always."""

OPTION_LABELS = ("use_fleet_ack", "use_argocd_ingress", "push_argo_secrets")
"""Options of the member file that are labels of the same name where the file has them."""

STATE_LABELS: Mapping[str, str] = {"handover": "fleet_handover", "offboarding": "fleet_offboarding"}
"""Keys of the member file that, while they are "true", are the label beside them."""

OPTION_ANNOTATIONS = ("addons_repo_basepath", "resources_repo_basepath")
"""Options of the member file that are annotations of the same name where the file has them."""

SKIP_RECONCILE = "argocd.argoproj.io/skip-reconcile"
"""The annotation with which Argo CD leaves an Application alone; `paused` of a member.

Argo CD 3.2 knows it on Applications alone (`canProcessApp` of its controller), so the fleet's ApplicationSets
hand it on from the cluster secret to all that they make for the cluster.
"""

GITHUB_ANNOTATION = "fleet_github_secret"
HUB_REGION = "fleet_aws_region"
"""The annotation with the hub's own region of AWS Secrets Manager, beside `GITHUB_ANNOTATION`."""

RESERVED_DOMAINS = ("argoproj.io", "kubernetes.io", "k8s.io", "external-secrets.io")
"""No key below these domains is set by values: it would mean something to the hub."""

_SOURCE = re.compile(
    r".*(?:repo|repository|chart)_?(?:url|revision|branch|ref|path)|.*repo_?basepath"
)

RESERVED_KEYS = frozenset(
    {
        *MEMBER_LABELS,
        *OPTION_LABELS,
        *OPTION_ANNOTATIONS,
        *STATE_LABELS.values(),
        "fleet_member",
        "fleet_repo_url",
        "fleet_repo_revision",
        GITHUB_ANNOTATION,
        "fleet_github_secret_name",
        HUB_REGION,
        "clusterName",
        "use_external_secrets",
        "project",
        "shard",
    }
)
"""Keys that come from the member file or are the fleet's own."""

_VALUE = re.compile(r"[ -~]{0,1024}")
_TEMPLATE = re.compile(r"[\"'`\\]|\{\{|\}\}")


@dataclass(frozen=True, slots=True)
class Label:
    """One label or annotation: its value, where it comes from and what it shadows."""

    key: str
    value: str
    origin: Origin
    shadowed: tuple[tuple[str, Origin], ...] = ()


@dataclass(frozen=True, slots=True)
class ClusterLabels:
    """The labels and annotations that a cluster secret will carry, sorted by key.

    `problems` are sentences on what the chart refuses: while there is one, it renders nothing and
    the cluster secret stays as it is.
    """

    labels: tuple[Label, ...]
    annotations: tuple[Label, ...] = ()
    problems: tuple[str, ...] = ()

    def get(self, key: str) -> Label | None:
        """The label with this key; None where the cluster secret will not have it."""
        return next((label for label in self.labels if label.key == key), None)

    def as_dict(self) -> dict[str, str]:
        """The labels as a selector sees them."""
        return {label.key: label.value for label in self.labels}


NO_LABELS = ClusterLabels(labels=())
"""Those of a cluster that is not there."""


def label_changes(
    before: ClusterLabels, after: ClusterLabels
) -> tuple[tuple[str, str | None, str | None], ...]:
    """The labels that differ: key, value before and after; None where it is not there."""
    was, will = before.as_dict(), after.as_dict()
    return tuple(
        (key, was.get(key), will.get(key))
        for key in sorted(was.keys() | will.keys())
        if was.get(key) != will.get(key)
    )


def is_paused(value: str | None) -> bool:
    """Whether a value of `SKIP_RECONCILE` pauses; Argo CD reads it as Go's strconv.ParseBool does."""
    return value in {"1", "t", "T", "TRUE", "true", "True"}


def predict_labels(member: FleetMember, placement: Placement, resolved: Resolved) -> ClusterLabels:
    """What the fleet-secret chart puts on the cluster secret of a member.

    `resolved` are the effective values of the layers of `FleetLayout.labels_paths(placement)`. Not
    predicted are keys that only the hub knows (its AWS region, which goes with githubSecret), and
    what the External Secrets Operator adds for itself.
    """
    problems = _shape_problems(resolved)
    labels = _from_layers(resolved, LABELS_KEYS, "label", problems)
    annotations = _from_layers(resolved, ANNOTATIONS_KEYS, "annotation", problems)
    if _said(member, "offboarding") == "true":
        labels = {}  # a cluster that is leaving keeps only what says who it is
    labels |= _from_member(member)
    annotations |= {
        key: Label(key, member.options[key], _member_origin(member, key))
        for key in OPTION_ANNOTATIONS
        if member.options.get(key)
    }
    if member.options.get("paused") == "true":
        annotations[SKIP_RECONCILE] = Label(
            SKIP_RECONCILE, "true", _member_origin(member, "paused")
        )
    if member.options.get("githubSecret") == "true":
        for key, source, value in (
            (GITHUB_ANNOTATION, "githubSecret", "true"),
            (
                "fleet_github_secret_name",
                "githubSecretName",
                member.options.get("githubSecretName", ""),
            ),
        ):
            annotations[key] = Label(key, value, _member_origin(member, source))
    return ClusterLabels(
        labels=tuple(labels[key] for key in sorted(labels)),
        annotations=tuple(annotations[key] for key in sorted(annotations)),
        problems=(*member.notes, *_member_problems(member), *problems),
    )


def cluster_labels(
    member: FleetMember,
    hub: HubName,
    snapshot: Snapshot,
    layout: FleetLayout,
    edited: Mapping[str, SnapshotFile] = MappingProxyType({}),
) -> ClusterLabels:
    """The labels that a member's cluster secret has, with the files in `edited` as they are there.

    Raises `MalformedYaml` where a layer cannot be read.
    """
    placement = member.placement(hub)
    layers = [
        (layer, edited.get(layer.path) or snapshot.read(layer.path))
        for layer in layout.labels_paths(placement)
    ]
    return predict_labels(member, placement, resolve(layers))


def inherited(placement: Placement, snapshot: Snapshot, layout: FleetLayout) -> Resolved:
    """The effective label values without the cluster's own file: what it has without any pin."""
    below = layout.labels_paths(placement)[:-1]
    return resolve([(layer, snapshot.read(layer.path)) for layer in below])


def reserved(key: str) -> str:
    """Why a label key cannot be set by values, as a sentence; "" where it can."""
    prefix, slash, _ = key.rpartition("/")
    if any(prefix == domain or prefix.endswith(f".{domain}") for domain in RESERVED_DOMAINS):
        return f"{key} is reserved: keys of {prefix} mean something to the hub. Choose another one."
    if key in RESERVED_KEYS or (slash and prefix == "fleet"):
        return f"{key} is reserved for the member file and the fleet itself. Choose another one."
    return ""


def is_source(key: str) -> str:
    """Why nobody asks for a label here although the chart takes it, as a sentence; "" where one may.

    ApplicationSets of many fleets take the repository, revision or chart to deploy from such keys: who
    sets one chooses the code that runs on the cluster. What is there stays, and may be taken away.
    """
    if _SOURCE.fullmatch(key.rpartition("/")[2].lower()):
        return (
            f"{key} says from where the hub takes what it deploys. Administrators set it, by a commit of "
            "their own."
        )
    return ""


def edit_labels_text(text: str | None, pins: Mapping[str, str | None]) -> str | None:
    """A cluster's labels file with pins set (text) and removed (None: inherit); None for no file.

    A pin is written even where it equals what is inherited. `text` None is a file that does not
    exist; it stays so where nothing is pinned. All else in the file stays as it is. The order of the
    pins does not matter: new keys come by name, so that a plan made anew writes the same bytes.
    Raises `Refused` with every reserved or invalid key and value, and as `yamltext.set_value`.
    """
    _refuse_unless_allowed(pins)
    edited = text
    for key, value in sorted(pins.items()):
        keys = (*LABELS_KEYS, key)
        if value is not None:
            edited = set_value(edited or "", keys, value)
        elif edited is not None:
            edited = remove_value(edited, keys)
    return edited


def _refuse_unless_allowed(pins: Mapping[str, str | None]) -> None:
    found: list[Refusal] = []
    for key, value in pins.items():
        try:
            LabelKey(key)
            if value is not None and (problem := reserved(key) or is_source(key)):
                raise Refused(problem, field=key, code="reserved")
            if value is not None:
                LabelValue(safe_scalar(value, key))
        except Refused as refused:
            found += [Refusal(each.message, field=key, code=each.code) for each in refused.refusals]
    if found:
        raise Refused.of(found)


def _member_problems(member: FleetMember) -> list[str]:
    """Why the chart refuses the member document, where it can be read all the same."""
    found = [str(refusal) for refusal in check_member(member)]
    for key in STATE_LABELS:
        value = _said(member, key)
        if value not in ("", "true", "false"):
            found.append(f'{key} must be "true" or "false", in double quotes.')
    return found


def _shape_problems(resolved: Resolved) -> list[str]:
    """Why the chart cannot go through what the layers set: it is no map where a map must be."""
    found = []
    for keys in (LABELS_KEYS[:1], LABELS_KEYS, ANNOTATIONS_KEYS):
        leaf = resolved.get(keys)
        removed = next((one for one in resolved.removed if one.keys == keys), None)
        whole = keys == LABELS_KEYS[:1]
        odd = leaf if leaf and leaf.value != {} and (whole or leaf.value) else None
        if at := odd or (removed if whole else None):
            found.append(
                f"{at.origin.path}, line {at.origin.line}: {'.'.join(keys)} must be a map of keys "
                "and texts."
            )
    return found


def _from_layers(
    resolved: Resolved, above: tuple[str, ...], kind: str, problems: list[str]
) -> dict[str, Label]:
    """The labels that the values layers set, as far as the chart accepts them."""
    found: dict[str, Label] = {}
    for leaf in resolved.below(above):
        key = leaf.keys[len(above)]
        value = leaf.value if len(leaf.keys) == len(above) + 1 else None  # deeper: a map
        if problem := label_problem(key, value, kind):
            problems.append(f"{leaf.origin.path}, line {leaf.origin.line}: {problem}")
            continue
        shadowed = tuple(
            (value, origin) for value, origin in leaf.shadowed if isinstance(value, str)
        )
        found[key] = Label(key, str(leaf.value), leaf.origin, shadowed)
    return found


def label_problem(key: str, value: object, kind: str) -> str:
    """Why the chart refuses a label or annotation of the values layers, as a sentence; "" where it does not.

    `kind` is "label" or "annotation".
    """
    if not isinstance(value, str):
        return f"the {kind} {key} is not text. Write its value in double quotes."
    return _text_problem(key, value, kind)


@lru_cache(maxsize=4096)
def _text_problem(key: str, value: str, kind: str) -> str:
    """The same of a text; remembered, for thousands of clusters carry the same labels."""
    try:
        LabelKey(key)
        if kind == "label":
            LabelValue(value)
    except Refused as refused:
        return f"the {kind} {key}: {refused}"
    if not _VALUE.fullmatch(value) or _TEMPLATE.search(value):
        return (
            f"the {kind} {key} may hold one line of plain text only, without quotes, backslashes "
            "and double braces."
        )
    return reserved(key)


def _from_member(member: FleetMember) -> dict[str, Label]:
    """The labels of the member file and of the chart itself; nothing can stand in their place."""
    texts = member.texts()
    labels = {
        key: Label(key, value, Origin(CHART_LAYER, CHART_PATH, 0))
        for key, value in FIXED_LABELS.items()
    }
    for key in (
        *MEMBER_LABELS,
        *(option for option in OPTION_LABELS if member.options.get(option)),
    ):
        labels[key] = Label(key, texts[key], _member_origin(member, key))
    source = (
        "use_external_secrets" if member.options.get("use_external_secrets") else "use_remote_argo"
    )
    labels["use_external_secrets"] = Label(
        "use_external_secrets", texts[source], _member_origin(member, source)
    )
    for key, label in STATE_LABELS.items():
        if _said(member, key) == "true":
            labels[label] = Label(label, "true", _member_origin(member, key))
    return labels


def _said(member: FleetMember, key: str) -> object:
    return member.options.get(key) or member.extra.get(key, "false")


def _member_origin(member: FleetMember, key: str) -> Origin:
    return Origin(MEMBER_LAYER, member.path, member.lines.get(key, 0))
