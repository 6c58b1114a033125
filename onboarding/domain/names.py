"""The names of a fleet: parse or refuse.

A name that passed here is safe in a path of the repository, in a Kubernetes label value and in a
commit message. Every entry point (form, API, command line, existing file) comes through these.
"""

from __future__ import annotations

import re
from typing import ClassVar, Self

from onboarding.domain.errors import Refused

AWS_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-[0-9]")
"""What a region of AWS looks like."""

# DNS-1123 label: what Kubernetes accepts in a name and, in 63 characters, as a label value.
_DNS_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?")
# Secrets Manager: 1 to 512 of these characters; a full ARN is accepted too.
_SECRET_NAME = re.compile(
    r"(?:arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:)?[A-Za-z0-9/_+=.@-]{1,512}"
)
_LABEL_KEY = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
)
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
# git check-ref-format, and a first character that no option parser can take for a flag.
_GIT_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]{0,199}")


class _Name(str):
    """A string that was checked when it was made; equal to and usable as that string."""

    __slots__ = ()
    field: ClassVar[str] = ""
    noun: ClassVar[str] = "Name"

    def __new__(cls, value: str) -> Self:
        if type(value) is cls:
            return value
        cls._check(value)
        return super().__new__(cls, value)

    @classmethod
    def _check(cls, value: str) -> None:
        if not value:
            raise Refused(f"{cls.noun} is missing. Enter one.", field=cls.field, code="required")
        if len(value) > 63:
            raise Refused(
                f"{cls.noun} has {len(value)} characters; Kubernetes allows 63. Shorten it.",
                field=cls.field,
                code="too_long",
            )
        if not _DNS_LABEL.fullmatch(value):
            raise Refused(
                f"{cls.noun} may hold only lowercase letters a to z, digits and hyphens, and must "
                f"begin and end with a letter or digit (for example {cls._example()}).",
                field=cls.field,
                code="invalid_name",
            )

    @classmethod
    def _example(cls) -> str:
        return "team-a"


class ClusterName(_Name):
    """A spoke cluster's name: DNS-1123 label, unique in the fleet, part of Application names."""

    __slots__ = ()
    field = "cluster"
    noun = "Cluster name"

    @classmethod
    def _example(cls) -> str:
        return "spoke-dev-workload1"


class TenantName(_Name):
    """A tenant's name: DNS-1123 label, a folder of the values hierarchy.

    `defaults` is refused: it is the folder that holds what all tenants share. So is `fleet`: a
    tenant's Argo CD project has its name, and that project is the platform's own.
    """

    __slots__ = ()
    field = "tenant"
    noun = "Tenant"

    @classmethod
    def _check(cls, value: str) -> None:
        super()._check(value)
        if value in ("defaults", "fleet"):
            raise Refused(
                f"Tenant cannot be called {value}: that name belongs to the fleet itself. "
                "Choose another one.",
                field=cls.field,
                code="reserved",
            )


class Environment(_Name):
    """An environment's name, such as dev or prod: DNS-1123 label, a folder of the hierarchy."""

    __slots__ = ()
    field = "environment"
    noun = "Environment"

    @classmethod
    def _example(cls) -> str:
        return "dev"


class HubName(_Name):
    """A hub cluster's name: DNS-1123 label, the folder of its fleet members."""

    __slots__ = ()
    field = "hub"
    noun = "Hub"

    @classmethod
    def _example(cls) -> str:
        return "hub-cluster"


class SecretName(_Name):
    """The name or ARN of the secret in AWS Secrets Manager that holds a spoke's credentials."""

    __slots__ = ()
    field = "secret_name"
    noun = "Secret name"

    @classmethod
    def _check(cls, value: str) -> None:
        if not value:
            raise Refused(
                "Secret name is missing. Enter the name of the cluster's secret in AWS Secrets "
                "Manager.",
                field=cls.field,
                code="required",
            )
        if not _SECRET_NAME.fullmatch(value) or ".." in value:
            raise Refused(
                "Secret name may hold letters, digits and / _ + = . @ - (at most 512), or be a "
                "full secret ARN.",
                field=cls.field,
                code="invalid_name",
            )


class LabelKey(_Name):
    """A Kubernetes label key: optional DNS prefix and slash, then at most 63 characters."""

    __slots__ = ()
    field = "labels"
    noun = "Label key"

    @classmethod
    def _check(cls, value: str) -> None:
        if not _LABEL_KEY.fullmatch(value):
            raise Refused(
                f"{value!r:.80} is not a Kubernetes label key.",
                field=cls.field,
                code="invalid_name",
            )


class LabelValue(_Name):
    """A Kubernetes label value: at most 63 letters, digits and . _ -, or empty."""

    __slots__ = ()
    field = "labels"
    noun = "Label value"

    @classmethod
    def _check(cls, value: str) -> None:
        if not _LABEL_VALUE.fullmatch(value):
            raise Refused(
                f"{value!r:.80} is not a Kubernetes label value: at most 63 letters, digits and "
                ". _ - are allowed, with a letter or digit at both ends.",
                field=cls.field,
                code="invalid_name",
            )


class GitRef(_Name):
    """A branch name that git accepts and that no command line can take for an option."""

    __slots__ = ()
    field = "branch"
    noun = "Branch"

    @classmethod
    def _check(cls, value: str) -> None:
        bad = (
            not _GIT_REF.fullmatch(value)
            or ".." in value
            or "//" in value
            or "@{" in value
            or value.endswith(("/", ".", ".lock"))
            or value.startswith("refs/")
            or any(part.startswith(".") or part.endswith(".lock") for part in value.split("/"))
        )
        if bad:
            raise Refused(
                f"{value!r:.80} is not a branch name that git accepts.",
                field=cls.field,
                code="invalid_name",
            )
