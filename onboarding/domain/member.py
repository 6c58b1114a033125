"""The fleet-member document: the one file that makes a cluster a member of the fleet."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from onboarding.domain.errors import Refusal, Refused
from onboarding.domain.layout import Placement
from onboarding.domain.names import ClusterName, Environment, HubName, SecretName, TenantName
from onboarding.domain.snapshot import SnapshotFile
from onboarding.domain.yaml.goyaml import go_text
from onboarding.domain.yaml.yamltext import (
    Located,
    MalformedYaml,
    YamlProblem,
    load_located,
    new_text,
    remove_value,
    safe_scalar,
    set_value,
)


class DeploymentModel(StrEnum):
    """Who deploys to a spoke: the hub's Argo CD (centralized), or the spoke's own (distributed)."""

    CENTRALIZED = "centralized"
    DISTRIBUTED = "distributed"


REQUIRED_KEYS = (
    "tenant",
    "clusterName",
    "environment",
    "secretManagerSecretName",
    "use_remote_argo",
    "enable_remote_resources",
    "enable_remote_addons",
)
OPTIONAL_KEYS = (
    "addons_repo_basepath",
    "resources_repo_basepath",
    "githubSecret",
    "githubSecretName",
    "use_fleet_ack",
    "use_argocd_ingress",
    "use_external_secrets",
    "push_argo_secrets",
    "handover",
    "paused",
)
MEMBER_KEYS = (*REQUIRED_KEYS, *OPTIONAL_KEYS)
"""All keys that the fleet's charts know, in the order in which a new file has them."""

BASE_PATH_GROUPS: Mapping[str, tuple[str, ...]] = {
    "addons_repo_basepath": ("addons", "fleet"),
    "resources_repo_basepath": ("resources",),
}
"""Which groups' base folder an option of the member file replaces."""

_N = TypeVar("_N", ClusterName, TenantName, Environment, SecretName)
_FLAG_OPTIONS = frozenset(OPTIONAL_KEYS) - {*BASE_PATH_GROUPS, "githubSecretName"}
_FOLDER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")


@dataclass(frozen=True, slots=True)
class FleetMember:
    """One spoke's fleet-member document.

    `options` are the optional keys that the file has, `extra` its unknown keys as they were read;
    both survive an edit. `notes` are sentences on what is unusual in the file, `lines` the line of
    each key.
    """

    tenant: TenantName
    cluster: ClusterName
    environment: Environment
    secret_name: SecretName
    model: DeploymentModel
    remote_resources: bool
    remote_addons: bool
    options: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, object] = field(default_factory=dict)
    path: str = ""
    blob: str = ""
    notes: tuple[str, ...] = field(default=(), compare=False)
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)

    def texts(self) -> dict[str, str]:
        """The known keys as the file holds them: text, in writing order."""
        texts = {
            "tenant": str(self.tenant),
            "clusterName": str(self.cluster),
            "environment": str(self.environment),
            "secretManagerSecretName": str(self.secret_name),
            "use_remote_argo": go_text(self.model is DeploymentModel.DISTRIBUTED),
            "enable_remote_resources": go_text(self.remote_resources),
            "enable_remote_addons": go_text(self.remote_addons),
        }
        return texts | {key: self.options[key] for key in OPTIONAL_KEYS if self.options.get(key)}

    def placement(self, hub: HubName) -> Placement:
        """Where this member stands under a hub, with the base folders that its options choose."""
        bases = tuple(
            (group, self.options[option])
            for option, groups in BASE_PATH_GROUPS.items()
            if self.options.get(option)
            for group in groups
        )
        return Placement(hub, self.cluster, self.tenant, self.environment, bases)


def deployed_by_cluster(member: FleetMember, group: str) -> bool:
    """Whether a member's own Argo CD deploys a group: it is distributed, and the flag says so.

    Monitoring has no remote flag and stays with the hub.
    """
    remote = {"addons": member.remote_addons, "resources": member.remote_resources}
    return member.model is DeploymentModel.DISTRIBUTED and remote.get(group, False)


def check_member(member: FleetMember) -> tuple[Refusal, ...]:
    """Why a member would not be registered by the fleet's chart; empty where nothing is wrong.

    The names were checked when they were made; here are the rules that join keys, and the options.
    """
    found = [*check_options(member.options)]
    if member.model is DeploymentModel.DISTRIBUTED:
        found += _check_distributed(member)
    else:
        for name, wanted in (
            ("addons", member.remote_addons),
            ("resources", member.remote_resources),
        ):
            if wanted:
                found.append(
                    Refusal(
                        f"Remote {name} need the distributed model: with the centralized one the "
                        f"hub would leave {name} to an Argo CD that is not there, and nobody would "
                        f"deploy them. Choose the distributed model, or switch remote {name} off.",
                        field=f"remote_{name}",
                        code="nobody_deploys",
                    )
                )
    if member.options.get("githubSecret") == "true" and not member.options.get("githubSecretName"):
        found.append(
            Refusal(
                "githubSecret is on, but the secret's name is missing. Enter githubSecretName.",
                field="githubSecretName",
                code="required",
            )
        )
    return tuple(found)


def _check_distributed(member: FleetMember) -> list[Refusal]:
    """What the chart does not let a cluster be that manages itself."""
    found = []
    if member.extra.get("offboarding") == "true":
        found.append(
            Refusal(
                "offboarding is on while the cluster manages itself. Hand its groups back to the hub "
                "first, so that its own Argo CD does not go before what it deployed.",
                field="offboarding",
                code="offboarding",
            )
        )
    options = member.options
    if options.get("use_external_secrets") == "false" and options.get("githubSecret") == "true":
        found.append(
            Refusal(
                "githubSecret needs the External Secrets Operator on the cluster, but "
                "use_external_secrets is false. Switch one of the two.",
                field="use_external_secrets",
                code="no_operator",
            )
        )
    return found


def check_options(options: Mapping[str, str]) -> list[Refusal]:
    """Why the optional keys cannot be as they are asked for, each at its key."""
    found = []
    for key, value in options.items():
        try:
            safe_scalar(value, key)
            if key == "githubSecretName" and value:
                SecretName(value)
        except Refused as refused:
            found += [Refusal(each.message, field=key, code=each.code) for each in refused.refusals]
            continue
        if key not in OPTIONAL_KEYS:
            found.append(
                Refusal(
                    f"{key!r:.80} is not an option of a fleet member.",
                    field=key,
                    code="unknown_option",
                )
            )
        elif key in _FLAG_OPTIONS and value not in ("", "true", "false"):
            found.append(Refusal(f"{key} must be true or false.", field=key, code="invalid_flag"))
        elif key in BASE_PATH_GROUPS and value and (not _FOLDER.fullmatch(value) or ".." in value):
            found.append(
                Refusal(
                    f"{key} must be a folder of the fleet repository, such as addons or "
                    "teams/addons, without a slash at either end.",
                    field=key,
                    code="invalid_path",
                )
            )
    return found


def parse_member(file: SnapshotFile) -> FleetMember:
    """Read one fleet-member file.

    Raises `MalformedYaml` where it cannot be read, and `Refused` with all that is missing or wrong,
    each with the key's name as field. Values that are not text (an unquoted true) are understood
    as Go understands them and noted, for the fleet's chart does not accept them.
    """
    located = load_located(file.content, path=file.path)
    if located.value is not None and not isinstance(located.value, dict):
        raise MalformedYaml(
            YamlProblem(file.path, 1, 1, "a fleet member must be a map of keys and values.")
        )
    reader = _Reader(file.path, located, dict(located.value or {}))
    member = reader.member(blob=file.blob)
    if reader.refusals or member is None:
        raise Refused.of(reader.refusals)
    return member


class _Reader:
    """Reads the keys of one member file and gathers what is wrong with them."""

    def __init__(self, path: str, located: Located, values: dict[str, object]) -> None:
        self._path = path
        self._values = values
        self._lines = {key: mark.line for key in values if (mark := located.mark([key]))}
        self.notes: list[str] = []
        self.refusals: list[Refusal] = []

    def member(self, *, blob: str) -> FleetMember | None:
        cluster = self._name("clusterName", ClusterName)
        tenant = self._name("tenant", TenantName)
        environment = self._name("environment", Environment)
        secret_name = self._name("secretManagerSecretName", SecretName)
        model = self._flag("use_remote_argo")
        resources, addons = (
            self._flag("enable_remote_resources"),
            self._flag("enable_remote_addons"),
        )
        options = {
            key: text for key in OPTIONAL_KEYS if key in self._values and (text := self._text(key))
        }
        self._note_file_name(cluster)
        if self.refusals or not (cluster and tenant and environment and secret_name):
            return None
        return FleetMember(
            tenant=tenant,
            cluster=cluster,
            environment=environment,
            secret_name=secret_name,
            model=DeploymentModel.DISTRIBUTED if model else DeploymentModel.CENTRALIZED,
            remote_resources=resources,
            remote_addons=addons,
            options=options,
            extra={key: value for key, value in self._values.items() if key not in MEMBER_KEYS},
            path=self._path,
            blob=blob,
            notes=tuple(self.notes),
            lines=self._lines,
        )

    def _refuse(self, key: str, message: str, code: str) -> None:
        line = self._lines.get(key)
        where = f"{self._path}, line {line}" if line else self._path
        self.refusals.append(Refusal(f"{where}: {message}", field=key, code=code))

    def _text(self, key: str) -> str:
        value = self._values.get(key)
        if value is None or isinstance(value, str):
            return value or ""
        if not isinstance(value, bool | int | float):
            self._refuse(key, f"{key} must be text, not a list or a map.", "invalid_value")
            return ""
        text = go_text(value)
        self.notes.append(
            f"{key} on line {self._lines[key]} is not in quotes and reads as {text}; write "
            f'"{text}", for the fleet\'s chart accepts only text.'
        )
        return text

    def _needed(self, key: str) -> str:
        refused = len(self.refusals)
        text = self._text(key)
        if not text and len(self.refusals) == refused:
            self._refuse(key, f"{key} is missing. Add it to the file.", "required")
        return text

    def _name(self, key: str, kind: type[_N]) -> _N | None:
        text = self._needed(key)
        if not text:
            return None
        try:
            return kind(text)
        except Refused as refused:
            for each in refused.refusals:
                self._refuse(key, f"{key} is {text!r:.80}. {each.message}", each.code)
            return None

    def _flag(self, key: str) -> bool:
        text = self._needed(key)
        if text and text not in ("true", "false"):
            self._refuse(
                key, f'{key} is {text!r:.80}; it must be "true" or "false".', "invalid_flag"
            )
        return text == "true"

    def _note_file_name(self, cluster: ClusterName | None) -> None:
        name = self._path.rsplit("/", 1)[-1].rsplit(".", 1)[0]
        if cluster and name and name != cluster:
            self.notes.append(
                f"clusterName is {cluster}, but the file is called {name}; the fleet's chart "
                "refuses a member whose file has another name."
            )


def new_member_text(member: FleetMember) -> str:
    """The text of a new fleet-member file: every value in double quotes, keys in their usual order.

    Raises `Refused` with all that the fleet's chart would not accept.
    """
    _refuse_unless_sound(member)
    extra = {
        key: safe_scalar(value, key)
        for key, value in member.extra.items()
        if isinstance(value, str)
    }
    return new_text(member.texts() | extra)


def edit_member_text(text: str, before: FleetMember, after: FleetMember) -> str:
    """The file's text with the keys changed in which two readings of the member differ.

    Keys that are the same, unknown keys and comments stay as they are; an option that `after` does
    not have is removed, and a text of its `extra` that `before` does not have is set. Raises
    `Refused` as `new_member_text`, and as `yamltext.set_value`.
    """
    _refuse_unless_sound(after)
    old, new = before.texts(), after.texts()
    for key in MEMBER_KEYS:
        if key not in new and key in old:
            text = remove_value(text, [key])
        elif key in new and new[key] != old.get(key):
            text = set_value(text, [key], new[key])
    for key, value in after.extra.items():
        if isinstance(value, str) and value != before.extra.get(key):
            text = set_value(text, [key], safe_scalar(value, key))
    return text


def _refuse_unless_sound(member: FleetMember) -> None:
    found = list(check_member(member))
    for key, value in member.texts().items():
        if key in REQUIRED_KEYS:
            try:
                safe_scalar(value, key)
            except Refused as refused:
                found += refused.refusals
    if found:
        raise Refused.of(found)
