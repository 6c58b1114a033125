"""What somebody wants of a cluster (register, edit, let it leave) or of a layer of values that many share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from onboarding.domain.errors import Refused
from onboarding.domain.layout import Placement
from onboarding.domain.leaving import LeaveStep
from onboarding.domain.member import DeploymentModel
from onboarding.domain.names import ClusterName, Environment, HubName, TenantName

FORMAT = 1
"""The version of `to_data`; rows of an older one must stay readable."""


@dataclass(frozen=True, slots=True)
class _ClusterIntent:
    """What a cluster shall be, completely but for its labels.

    `options` holds the optional member keys that shall be set, all of them: one that a member file
    has and `options` lacks is removed. `pins` maps a label key to the value it is pinned to, or to
    None to inherit it; a label that it does not name is left as it is.
    """

    kind: ClassVar[str]

    placement: Placement
    secret_name: str
    model: DeploymentModel
    remote_addons: bool = False
    remote_resources: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    pins: Mapping[str, str | None] = field(default_factory=dict)

    def to_data(self) -> dict[str, Any]:
        """The intent as plain data for the database; `intent_from_data` reads it back."""
        return {
            "format": FORMAT,
            "kind": self.kind,
            "hub": str(self.placement.hub),
            "cluster": str(self.placement.cluster),
            "tenant": str(self.placement.tenant),
            "environment": str(self.placement.environment),
            "secret_name": str(self.secret_name),
            "model": self.model.value,
            "remote_addons": self.remote_addons,
            "remote_resources": self.remote_resources,
            "options": {key: str(value) for key, value in sorted(self.options.items())},
            "pins": {
                str(key): None if value is None else str(value)
                for key, value in sorted(self.pins.items())
            },
        }


@dataclass(frozen=True, slots=True)
class RegisterCluster(_ClusterIntent):
    """A new spoke cluster shall join the fleet."""

    kind: ClassVar[str] = "register"


@dataclass(frozen=True, slots=True)
class EditCluster(_ClusterIntent):
    """A registered cluster's model, remote flags, channels, components or options shall change.

    Its placement names which one; name, hub, tenant and environment are fixed after registration.
    """

    kind: ClassVar[str] = "edit"


@dataclass(frozen=True, slots=True)
class LeaveFleet(_ClusterIntent):
    """A registered cluster shall leave the fleet: the whole way (`step` None), or one step of it.

    `keep`: what add-ons and resources deployed stays on the cluster. `to_hub`: it leaves for another
    hub, so that its own values files stay. The other values are those of the member file; what the
    file says when it is planned counts.
    """

    kind: ClassVar[str] = "offboard"

    keep: bool = False
    step: LeaveStep | None = None
    to_hub: str = ""

    def to_data(self) -> dict[str, Any]:
        """The intent as plain data, with its step."""
        step = self.step.value if self.step else ""
        data = _ClusterIntent.to_data(self) | {"keep": self.keep, "step": step}
        return data | ({"to_hub": self.to_hub} if self.to_hub else {})


Scalar = str | bool | int
"""What a key of a values file can be set to from a form; the rest is edited in Git."""


@dataclass(frozen=True, slots=True)
class LayerEdit:
    """One key of a values file, from the root, and what it shall say; None: nothing any more."""

    keys: tuple[str, ...]
    value: Scalar | None


@dataclass(frozen=True, slots=True)
class EditLayer:
    """Keys of one values file that many clusters share shall say something else.

    `path` is that of a layer of the fleet's layout, which names its component, tenant and
    environment; the file need not exist yet.
    """

    kind: ClassVar[str] = "layer"

    path: str
    edits: tuple[LayerEdit, ...]

    def to_data(self) -> dict[str, Any]:
        """The intent as plain data for the database; `intent_from_data` reads it back."""
        return {
            "format": FORMAT,
            "kind": self.kind,
            "path": self.path,
            "edits": [{"keys": list(one.keys), "value": one.value} for one in self.edits],
        }


Intent = RegisterCluster | EditCluster | LeaveFleet
"""What somebody wants of one cluster."""

AnyIntent = Intent | EditLayer


def intent_from_data(data: Mapping[str, Any]) -> AnyIntent:
    """Read back what `to_data` wrote.

    Raises `Refused` (code `unknown_intent`) for a kind or format of another version, or for data
    that misses a part; every name is parsed again, for a row is no safer than a form.
    """
    if data.get("kind") == EditLayer.kind and data.get("format") == FORMAT:
        return _layer_from_data(data)
    kinds: Mapping[object, type[Intent]] = {
        one.kind: one for one in (RegisterCluster, EditCluster, LeaveFleet)
    }
    make = kinds.get(data.get("kind"))
    if make is None or data.get("format") != FORMAT:
        raise Refused(
            "This change was stored by another version of Fleet UI. Request it again.",
            code="unknown_intent",
        )
    try:
        more: dict[str, Any] = {}
        if make is LeaveFleet:
            step = data["step"]
            to_hub = str(HubName(data["to_hub"])) if data.get("to_hub") else ""
            more = {
                "keep": data["keep"] is True,
                "step": LeaveStep(step) if step else None,
                "to_hub": to_hub,
            }
        return make(
            placement=Placement(
                hub=HubName(data["hub"]),
                cluster=ClusterName(data["cluster"]),
                tenant=TenantName(data["tenant"]),
                environment=Environment(data["environment"]),
            ),
            secret_name=data["secret_name"],
            model=DeploymentModel(data["model"]),
            remote_addons=data["remote_addons"] is True,
            remote_resources=data["remote_resources"] is True,
            options=dict(data["options"]),
            pins=dict(data["pins"]),
            **more,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(
            "This stored change is not complete. Request it again.", code="unknown_intent"
        ) from error


def _layer_from_data(data: Mapping[str, Any]) -> EditLayer:
    try:
        edits = tuple(
            LayerEdit(tuple(str(key) for key in one["keys"]), one["value"]) for one in data["edits"]
        )
        return EditLayer(path=str(data["path"]), edits=edits)
    except (KeyError, TypeError) as error:
        raise Refused(
            "This stored change is not complete. Request it again.", code="unknown_intent"
        ) from error
