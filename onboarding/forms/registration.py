"""The registration form: what was typed becomes domain values, or an error at its field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms

from onboarding.domain.errors import Refusal, Refused
from onboarding.domain.intent_rules import is_plain_label
from onboarding.domain.layout import Placement
from onboarding.domain.member import DeploymentModel, check_options
from onboarding.domain.names import ClusterName, Environment, HubName, SecretName, TenantName
from onboarding.domain.planner import EditCluster, Intent, RegisterCluster
from onboarding.domain.servers import parse_server
from onboarding.forms.widgets import SuggestingInput
from onboarding.services.offers import Channel, Flag, Offer

INHERIT = ""
PIN = "pin_"
OPTIONS = {
    "addons_repo_basepath": (
        "Add-ons base path",
        "Folder of the add-ons' values in the repository, if not the usual one.",
    ),
    "resources_repo_basepath": (
        "Resources base path",
        "Folder of the resources' values, if not the usual one.",
    ),
    "githubSecret": (
        "Use a Git credentials secret",
        "“true” where the spoke's own Argo CD needs credentials for Git.",
    ),
    "githubSecretName": ("Git credentials secret", "Name of that secret in Secrets Manager."),
    "use_fleet_ack": (
        "AWS Controllers (ACK)",
        "“true” to let the fleet manage AWS Controllers for Kubernetes.",
    ),
    "use_argocd_ingress": ("Argo CD ingress", "“true” to give the spoke's own Argo CD an ingress."),
    "use_external_secrets": (
        "External Secrets on the spoke",
        "“true” to deliver the External Secrets Operator.",
    ),
    "push_argo_secrets": (
        "Push Argo CD secrets",
        "“true” to push the spoke's Argo CD secrets to Secrets Manager.",
    ),
    "paused": (
        "Paused",
        "“true” while the hub's Argo CD shall leave the cluster alone. Pause on the cluster's page has an owner and "
        "ends by itself.",
    ),
    "handover": (
        "Handover",
        "Before add-ons or resources go from one Argo CD to the other, set “true” in a change of its own; "
        "when the other one has them, take it away. Meanwhile nothing syncs by itself and nothing is deleted.",
    ),
}
PAUSED = "paused"
HANDOVER = "handover"
RARE_OPTIONS = tuple(name for name in OPTIONS if name != HANDOVER)
_SWITCHES = {
    HANDOVER,
    PAUSED,
    "githubSecret",
    "use_fleet_ack",
    "use_argocd_ingress",
    "use_external_secrets",
    "push_argo_secrets",
}
SWITCHED = "%(value)s is neither true nor false. Empty leaves it as it is inherited."
_FIXED = ("hub", "cluster", "tenant", "environment", "secret_name")


class RegistrationForm(forms.Form):
    """Registers a spoke cluster, or edits a registered one (`editing`: its place is fixed then).

    Channels and flags have three answers: inherit (empty), or pinned to a value.
    """

    hub = forms.ChoiceField(
        help_text="The hub cluster whose Argo CD will manage it.",
        error_messages={"invalid_choice": "No hub called %(value)s is configured for this fleet."},
    )
    cluster = forms.CharField(
        label="Cluster name",
        max_length=200,
        help_text="Lowercase, digits and hyphens; at most 63. Unique in the fleet.",
    )
    tenant = forms.CharField(
        max_length=200,
        help_text="The team or product it belongs to; a new name makes a new tenant.",
    )
    environment = forms.CharField(
        max_length=200, help_text="For example dev, staging or prod: decides which values apply."
    )
    secret_name = forms.CharField(
        label="Credentials secret",
        max_length=600,
        help_text="Name of the secret in AWS Secrets Manager with server and config. Its value is never read here.",
    )
    server = forms.CharField(
        label="API server",
        required=False,
        max_length=500,
        help_text="Where the secret has no tag fleet/server: an https address or an EKS ARN, for comparison.",
    )
    model = forms.ChoiceField(
        label="Deployment model",
        choices=[
            (DeploymentModel.CENTRALIZED.value, "Centralized"),
            (DeploymentModel.DISTRIBUTED.value, "Distributed"),
        ],
        initial=DeploymentModel.CENTRALIZED.value,
        error_messages={"invalid_choice": "%(value)s is neither centralized nor distributed."},
        widget=forms.RadioSelect,
    )
    remote_addons = forms.BooleanField(label="The spoke deploys its add-ons itself", required=False)
    remote_resources = forms.BooleanField(
        label="The spoke deploys its resources itself", required=False
    )

    def __init__(
        self, *args: Any, offer: Offer, editing: Placement | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.offer = offer
        self.editing = editing
        self._choices("hub").choices = [(name, name) for name in offer.hubs]
        if len(offer.hubs) == 1:
            self.fields["hub"].initial = offer.hubs[0]
        self.fields["tenant"].widget = SuggestingInput(offer.tenants)
        self.fields["environment"].widget = SuggestingInput(offer.environments)
        for name, (label, help_text) in OPTIONS.items():
            self.fields[name] = _option_field(name, label, help_text)
        for channel in offer.channels:
            self.fields[PIN + channel.label] = _channel_field(channel)
        for flag in offer.flags:
            self.fields[PIN + flag.label] = _flag_field(flag)
        if editing:
            for name in _FIXED:
                self.fields[name].disabled = True
            del self.fields["server"]
        else:
            # Nothing runs yet that could change hands.
            del self.fields[HANDOVER]

    def _choices(self, name: str) -> forms.ChoiceField:
        field = self.fields[name]
        if not isinstance(field, forms.ChoiceField):
            raise TypeError(f"{name} is no choice")
        return field

    def clean(self) -> dict[str, Any]:
        """Parse every name with the fleet's own rules, so that each error stands at its field."""
        data: dict[str, Any] = super().clean() or {}
        for field, parse in (
            ("hub", HubName),
            ("cluster", ClusterName),
            ("tenant", TenantName),
            ("environment", Environment),
            ("secret_name", SecretName),
            ("server", parse_server),
        ):
            if data.get(field):
                try:
                    data[field] = parse(data[field])
                except Refused as refused:
                    self.refuse(refused)
        typed = {name: data[name] for name in OPTIONS if data.get(name)}
        if wrong := check_options(typed):
            self.refuse(Refused.of(wrong))
        return data

    def refuse(self, refused: Refused) -> None:
        """Put each refusal at the field that it belongs to, or at the top where it belongs to none."""
        for refusal in refused.refusals:
            self.add_error(self._field_of(refusal), refusal.message)

    def _field_of(self, refusal: Refusal) -> str | None:
        for name in (refusal.field, PIN + refusal.field):
            if name in self.fields:
                return name
        return None

    def intent(self, *, beside: Mapping[str, str | None] | None = None) -> Intent:
        """The validated intent; only after `is_valid()`.

        `beside` are pins of which plain labels are asked for, too: the form shows none of them.
        """
        labels = {key: value for key, value in (beside or {}).items() if is_plain_label(key)}
        data = self.cleaned_data
        make = EditCluster if self.editing else RegisterCluster
        distributed = data["model"] == DeploymentModel.DISTRIBUTED.value
        return make(
            placement=Placement(
                hub=data["hub"],
                cluster=data["cluster"],
                tenant=data["tenant"],
                environment=data["environment"],
            ),
            secret_name=data["secret_name"],
            model=DeploymentModel.DISTRIBUTED if distributed else DeploymentModel.CENTRALIZED,
            remote_addons=data["remote_addons"],
            remote_resources=data["remote_resources"],
            options={name: data[name] for name in OPTIONS if data.get(name)},
            pins=labels | self.pins(),
        )

    def pins(self) -> dict[str, str | None]:
        """Label key -> the pinned value, or None to inherit."""
        return {
            name.removeprefix(PIN): self.cleaned_data.get(name) or None
            for name in self.fields
            if name.startswith(PIN)
        }


def typed_placement(data: Mapping[str, Any]) -> Placement | None:
    """The place that was typed so far, or None while a part of it is missing or refused."""
    try:
        return Placement(
            hub=HubName(str(data.get("hub", ""))),
            cluster=ClusterName(str(data.get("cluster", "") or "new-cluster")),
            tenant=TenantName(str(data.get("tenant", ""))),
            environment=Environment(str(data.get("environment", ""))),
        )
    except Refused:
        return None


def typed_pins(data: Mapping[str, Any]) -> dict[str, str | None]:
    """The pins as typed, unchecked: label key -> value."""
    return {
        name.removeprefix(PIN): str(value) or None
        for name, value in data.items()
        if name.startswith(PIN)
    }


def _channel_field(channel: Channel) -> forms.ChoiceField:
    choices = [(INHERIT, "Inherit")]
    choices += [(name, f"{name} ({channel.versions[name]})") for name in channel.types]
    return forms.ChoiceField(
        label=channel.label,
        choices=choices,
        required=False,
        error_messages={"invalid_choice": unreleased(channel)},
    )


def unreleased(channel: Channel) -> str:
    """What is said at a channel that nobody released; %(value)s is what was typed."""
    offered = ", ".join(channel.types).replace("%", "%%")
    return (
        "%(value)s is no release channel of this group. "
        + (f"There is: {offered}." if offered else "It has none.")
        + " Empty inherits it."
    )


def _flag_field(flag: Flag) -> forms.ChoiceField:
    return forms.ChoiceField(
        label=flag.component,
        choices=[(INHERIT, "Inherit"), ("true", "On"), ("false", "Off")],
        required=False,
        error_messages={"invalid_choice": SWITCHED},
        widget=forms.RadioSelect,
        help_text=flag.description,
    )


def _option_field(name: str, label: str, help_text: str) -> forms.Field:
    if name in _SWITCHES:
        return forms.ChoiceField(
            label=label,
            help_text=help_text,
            required=False,
            choices=[("", "Not set"), ("true", "true"), ("false", "false")],
            error_messages={"invalid_choice": SWITCHED},
        )
    return forms.CharField(label=label, help_text=help_text, required=False, max_length=200)
