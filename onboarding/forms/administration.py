"""Forms for administrators: a fleet and a hub. Only references to credentials are entered, never values."""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import urlsplit

from django import forms

from onboarding import wiring
from onboarding.domain.errors import Refused
from onboarding.domain.layout import LAYOUTS, FleetLayout
from onboarding.domain.layout_detection import OWN
from onboarding.domain.names import AWS_REGION, GitRef, HubName
from onboarding.domain.reviews import ForgeKind, project_of
from onboarding.domain.yaml.yamlread import load
from onboarding.forms.fields import NamedFileField
from onboarding.models import Fleet, Hub

_ROLE_ARN = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]{1,128}")
_EXTERNAL_ID = re.compile(r"[A-Za-z0-9+=,.@:/_-]{2,200}")
_EKS_CLUSTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_USERNAME = re.compile(r"[A-Za-z0-9_.@+-]{1,100}")
_PLAIN_MAILBOX = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+")
# A host, a port, a path: nothing that one reader of addresses takes for something else than another.
_ADDRESS = re.compile(
    r"https?://(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/[A-Za-z0-9._~%@+=,:/-]*)?"
)
_FULL_ADDRESS = "Enter a full address, such as https://hub.example.com."


def https_address(value: str) -> str:
    """An https address without user or fragment; plain http only for this machine itself.

    Raises `forms.ValidationError` in words that say what to enter.
    """
    if not value:
        return value
    try:
        parts = urlsplit(value)
        is_sound = parts.port != 0 and bool(_ADDRESS.fullmatch(value))
    except ValueError:  # a port or an IPv6 address that is none
        raise forms.ValidationError(_FULL_ADDRESS) from None
    if parts.username or parts.password:
        raise forms.ValidationError(
            "Leave user name and password out of the address; name a credential file instead."
        )
    if (
        not is_sound
        or not parts.hostname
        or parts.query
        or parts.fragment
        or parts.scheme not in ("http", "https")
    ):
        raise forms.ValidationError(_FULL_ADDRESS)
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise forms.ValidationError(
            "Use https: plain http is accepted only for this machine (127.0.0.1)."
        )
    return value.rstrip("/")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


WHEN_KNOWN = (
    "ca_file",
    "pushes_per_minute",
    "delivery_mode",
    "forge",
    "forge_url",
    "forge_token_file",
    "webhook_secret_file",
    "signing",
    "signing_key_file",
    "committer_email",
)
"""What is said of a fleet when its repository is known already."""


class FleetForm(forms.Form):
    """One Git repository and branch."""

    name = forms.SlugField(
        max_length=63, help_text="How people call this fleet, for example platform."
    )
    repository_url = forms.CharField(
        label="Repository",
        max_length=500,
        help_text="https://… or git@host:path. No password in it.",
    )
    branch = forms.CharField(
        max_length=200, initial="main", help_text="The branch that the hubs follow."
    )
    layout = forms.ChoiceField(
        choices=[
            *((name, layout.title) for name, layout in LAYOUTS.items()),
            (OWN, "Its own, as described below"),
        ],
        help_text="Where the values of tenants, environments and clusters live in the repository.",
    )
    layout_text = forms.CharField(
        label="Its own layout",
        required=False,
        max_length=20_000,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "class": "fui-code"}),
        help_text="As YAML or JSON: layers (name and pattern, lowest first), bases, members, releases.",
    )
    username = forms.CharField(
        max_length=100, required=False, help_text="For https with a token; many hosts accept any."
    )
    credential_file = NamedFileField(
        help_text="Path of a file on the workers: the token (https) or the private key (ssh).",
    )
    known_hosts_file = NamedFileField(help_text="For ssh: a known_hosts file with the host's key.")
    ca_file = NamedFileField(
        label="Certificate authority file",
        help_text="For https, where the host's certificate is not signed by a public authority.",
    )
    delivery_mode = forms.ChoiceField(
        label="How changes are delivered",
        choices=Fleet.DeliveryMode.choices,
        initial=Fleet.DeliveryMode.DIRECT,
        required=False,
        help_text="By pull request where the branch is protected.",
    )
    forge = forms.ChoiceField(
        choices=[("", "None"), *((kind.value, kind.word) for kind in ForgeKind)],
        required=False,
        help_text="Where pull requests are opened.",
    )
    forge_url = forms.CharField(
        label="Forge address",
        max_length=500,
        required=False,
        help_text="Only where it is not the repository's host, such as https://git.example.com.",
    )
    forge_token_file = NamedFileField(
        help_text="File with the token for pull requests; without one, the repository's own token is used.",
    )
    webhook_secret_file = NamedFileField(
        help_text="File with the secret that the forge signs its calls with.",
    )
    signing = forms.ChoiceField(
        label="Sign commits with",
        choices=[("", "Nothing"), *Fleet.Signing.choices],
        required=False,
    )
    signing_key_file = NamedFileField(
        help_text="File with the private key, without a passphrase.",
    )
    committer_email = forms.EmailField(
        label="Committer's address",
        max_length=200,
        required=False,
        help_text="The e-mail address that the forge knows the key by.",
    )
    pushes_per_minute = forms.IntegerField(
        min_value=0,
        max_value=600,
        initial=0,
        required=False,
        help_text="What the Git host allows; 0 is no limit.",
    )

    def __init__(self, *args: Any, fleet: Fleet | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fleet = fleet

    def clean_repository_url(self) -> str:
        """An address that can be used here, without a password: it is kept and shown."""
        try:
            return wiring.repository_address(self.cleaned_data["repository_url"])
        except Refused as refused:
            raise forms.ValidationError(str(refused), code=refused.refusals[0].code) from refused

    def clean_name(self) -> str:
        """Names are unique."""
        name: str = self.cleaned_data["name"]
        taken = Fleet.objects.filter(name=name).values_list("pk", flat=True)
        if set(taken) - {self.fleet.pk if self.fleet else 0}:
            raise forms.ValidationError("Another fleet has this name. Choose another one.")
        return name

    def clean_username(self) -> str:
        """A name as Git hosts have them."""
        return _matching(_USERNAME, self.cleaned_data["username"], "a user name such as git")

    def clean_committer_email(self) -> str:
        """An address without quotes: it stands in every commit between `<` and `>`."""
        return _matching(
            _PLAIN_MAILBOX,
            self.cleaned_data["committer_email"],
            "an address such as me@example.com",
        )

    def clean_branch(self) -> str:
        """The branch is one that git accepts."""
        try:
            return GitRef(self.cleaned_data["branch"])
        except Refused as refused:
            raise forms.ValidationError(str(refused)) from refused

    def clean(self) -> dict[str, Any]:
        """A layout of its own is one that can be used; it counts where it is chosen."""
        data: dict[str, Any] = super().clean() or {}
        text = data.pop("layout_text", "")
        data["layout_data"] = None
        if data.get("layout") == OWN and "layout_text" not in self.errors:
            try:
                data["layout_data"] = parse_layout(text)
            except Refused as refused:
                self.add_error("layout_text", str(refused))
        if data.get("signing") and not data.get("signing_key_file"):
            self.add_error("signing_key_file", "Name the file that holds the signing key.")
        if data.get("delivery_mode") == Fleet.DeliveryMode.PULL_REQUEST:
            self._check_forge(data)
        return data

    def _check_forge(self, data: dict[str, Any]) -> None:
        """Pull requests need a forge, and a project on it."""
        if not data.get("forge"):
            self.add_error("forge", "Choose the forge on which pull requests are opened.")
        try:
            project_of(data.get("repository_url", ""), data.get("forge_url", ""))
        except Refused as refused:
            self.add_error("repository_url", str(refused))

    def clean_delivery_mode(self) -> str:
        """Straight to the branch, where nothing else is said: commands say nothing of it."""
        return self.cleaned_data["delivery_mode"] or Fleet.DeliveryMode.DIRECT.value

    def clean_forge_url(self) -> str:
        """The forge's address is https."""
        return https_address(self.cleaned_data["forge_url"])

    def clean_pushes_per_minute(self) -> int:
        """Nothing entered means no limit."""
        return self.cleaned_data["pushes_per_minute"] or 0


class AdoptForm(FleetForm):
    """An existing repository to look at; its layout is found, unless somebody says it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in WHEN_KNOWN:
            del self.fields[name]
        layout = self.fields["layout"]
        layout.required = False
        layout.choices = [("", "Find it in the repository"), *layout.choices]  # type: ignore[attr-defined]


def _matching(pattern: re.Pattern[str], value: str, what: str) -> str:
    if value and not pattern.fullmatch(value):
        raise forms.ValidationError(f"Enter {what}.", code="invalid")
    return value


def parse_layout(text: str) -> dict[str, Any]:
    """A layout that somebody described in YAML or JSON, as data; raises `Refused` in plain words."""
    found = load(text, path="the layout")
    if not isinstance(found, dict):
        raise Refused("Describe the layout as a map with layers and bases.", field="layout_text")
    return FleetLayout.from_data({"name": OWN, **found}).to_data()


class HubForm(forms.Form):
    """One Argo CD hub: how to reach its Kubernetes API, its Argo CD and its Secrets Manager."""

    fleet = forms.ModelChoiceField(queryset=Fleet.objects.all(), empty_label=None)
    name = forms.CharField(max_length=200, help_text="As its folder below fleet-members is called.")
    access = forms.ChoiceField(choices=Hub.Access.choices, label="Kubernetes access")
    api_url = forms.CharField(
        label="Kubernetes API", max_length=500, required=False, validators=[], help_text="https://…"
    )
    api_token_file = NamedFileField(
        label="API token file",
        help_text="File with a service account's token.",
    )
    api_ca_file = NamedFileField(
        label="API CA file",
        help_text="File with the API's certificate authority.",
    )
    namespace = forms.CharField(
        max_length=63, initial="argocd", help_text="The namespace of Argo CD."
    )
    eks_cluster = forms.CharField(
        label="EKS cluster", max_length=100, required=False, help_text="For EKS access."
    )
    argocd_url = forms.CharField(
        label="Argo CD API", max_length=500, required=False, help_text="https://…"
    )
    argocd_token_file = NamedFileField(
        label="Argo CD token file",
        help_text="A read-only account's token.",
    )
    argocd_ca_file = NamedFileField(label="Argo CD CA file")
    link_url = forms.CharField(
        label="Argo CD for people",
        max_length=500,
        required=False,
        help_text="Where links to Applications lead.",
    )
    aws_region = forms.CharField(
        label="AWS region", max_length=40, required=False, help_text="Of Secrets Manager."
    )
    aws_role_arn = forms.CharField(
        label="AWS role", max_length=200, required=False, help_text="ARN of a role to assume."
    )
    aws_external_id = forms.CharField(label="AWS external ID", max_length=200, required=False)
    aws_endpoint_url = forms.CharField(
        label="AWS endpoint",
        max_length=500,
        required=False,
        help_text="Only for a private endpoint.",
    )

    def __init__(self, *args: Any, hub: Hub | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.hub = hub

    def clean_namespace(self) -> str:
        """It is a part of the addresses that the hub is asked at."""
        return _matching(_NAMESPACE, self.cleaned_data["namespace"], "a namespace such as argocd")

    def clean_eks_cluster(self) -> str:
        """It is a header of the request that becomes the token."""
        return _matching(_EKS_CLUSTER, self.cleaned_data["eks_cluster"], "an EKS cluster's name")

    def clean_aws_external_id(self) -> str:
        """What AWS takes for one."""
        return _matching(
            _EXTERNAL_ID, self.cleaned_data["aws_external_id"], "an external ID as AWS allows it"
        )

    def clean_name(self) -> str:
        """A hub's name is a folder's name, and unique."""
        try:
            name = HubName(self.cleaned_data["name"])
        except Refused as refused:
            raise forms.ValidationError(str(refused)) from refused
        taken = Hub.objects.filter(name=name).values_list("pk", flat=True)
        if set(taken) - {self.hub.pk if self.hub else 0}:
            raise forms.ValidationError("Another hub has this name. Choose another one.")
        return name

    def clean(self) -> dict[str, Any]:
        """Addresses are https, regions and roles look like such, and the access has what it needs."""
        data: dict[str, Any] = super().clean() or {}
        for field in ("api_url", "argocd_url", "link_url", "aws_endpoint_url"):
            try:
                data[field] = https_address(data.get(field, ""))
            except forms.ValidationError as error:
                self.add_error(field, error)
        if data.get("aws_region") and not AWS_REGION.fullmatch(data["aws_region"]):
            self.add_error("aws_region", "Enter a region such as eu-west-1.")
        if data.get("aws_role_arn") and not _ROLE_ARN.fullmatch(data["aws_role_arn"]):
            self.add_error(
                "aws_role_arn", "Enter a role's ARN: arn:aws:iam::123456789012:role/name."
            )
        if data.get("access") == Hub.Access.TOKEN_FILE and not data.get("api_url"):
            self.add_error("api_url", "Enter the address of the hub's Kubernetes API.")
        if data.get("access") == Hub.Access.EKS and not (
            data.get("eks_cluster") and data.get("aws_region")
        ):
            self.add_error("eks_cluster", "EKS access needs the cluster's name and its AWS region.")
        return data
