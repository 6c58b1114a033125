"""AWS Secrets Manager, seen from outside: DescribeSecret and nothing else.

The product needs to know *that* a spoke's credentials are there, never what they are: its role
needs `secretsmanager:DescribeSecret` and must not have `secretsmanager:GetSecretValue`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.credentials import DeferredRefreshableCredentials
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
)
from botocore.session import get_session

from onboarding.domain.credentials import SecretFacts, SecretPresence

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient

# A form waits for the answer: a try takes 3 + 5 seconds at most, and there are two. Being throttled
# is an answer of its own, so it is not waited out.
CONFIG = Config(
    connect_timeout=3,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=10,
)
# A name that nobody gives a secret: asking for it shows whether asking is allowed.
CHECK_NAME = "fleet-ui/connection-test"

THROTTLED_CODES = frozenset(
    {
        "LimitExceededException",
        "RequestLimitExceeded",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
DENIED_CODES = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
BAD_NAME_CODES = frozenset({"InvalidParameterException", "ValidationException"})
NOT_A_NAME = (
    "{name!r} is not a name that a secret can have: use letters, digits and /_+=.@- only, "
    "up to 512 characters."
)
EXPIRED_CODES = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
INVALID_CREDENTIAL_CODES = frozenset(
    {
        "IncompleteSignature",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationToken",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
    }
)


@dataclass(frozen=True, slots=True)
class SecretsAccess:
    """How to reach the Secrets Manager of one hub.

    `role_arn` is assumed before asking, with `external_id` where the role asks for one; without it
    the process's own AWS identity asks. `endpoint_url` names another address than the region's own
    (a private endpoint, or the embedded stand-in).
    """

    region: str
    role_arn: str = ""
    external_id: str = ""
    endpoint_url: str = ""


class AwsSecrets:
    """The port `SpokeCredentials` over boto3."""

    def __init__(self, access: SecretsAccess) -> None:
        self._access = access

    def describe(self, name: str) -> SecretFacts:
        """Say what is known of one secret without its value.

        `name` is the secret's name or ARN. Every failure is an answer; nothing is raised.
        """
        try:
            described = _client(self._access).describe_secret(SecretId=name)
        except (BotoCoreError, ClientError, ValueError) as error:
            # ValueError: what was configured (a region, an address) is no part of an address.
            presence, detail = _reading(error, name=name, region=self._access.region)
            return SecretFacts(presence=presence, name=name, detail=detail)
        return _facts(described, name=name, region=self._access.region)

    def check(self) -> str:
        """Try the address, the identity and the right to describe; one plain sentence."""
        region = self._access.region
        presence = (facts := self.describe(CHECK_NAME)).presence
        if presence in (
            SecretPresence.PRESENT,
            SecretPresence.ABSENT,
            SecretPresence.PENDING_DELETION,
        ):
            return f"Secrets Manager in {region} answers, and secrets may be described."
        return facts.detail


def _facts(described: Mapping[str, Any], *, name: str, region: str) -> SecretFacts:
    tags = {tag.get("Key", ""): tag.get("Value", "") for tag in described.get("Tags", [])}
    deleted = described.get("DeletedDate")
    if deleted is not None:
        presence = SecretPresence.PENDING_DELETION
        detail = (
            f"Secret {name} is scheduled for deletion (AWS says {deleted:%Y-%m-%d}) and can still be "
            "restored: restore it in Secrets Manager, or use another one."
        )
    else:
        presence = SecretPresence.PRESENT
        detail = f"Secret {name} is there in {region}."
    return SecretFacts(
        presence=presence,
        name=described.get("Name", name),
        detail=detail,
        arn=described.get("ARN", ""),
        version=_current(described.get("VersionIdsToStages", {})),
        changed_at=_utc(described.get("LastChangedDate") or described.get("CreatedDate")),
        tags=tags,
    )


def _current(stages: Mapping[str, Sequence[str]]) -> str:
    return next((version for version, labels in stages.items() if "AWSCURRENT" in labels), "")


def _utc(moment: datetime | None) -> datetime | None:
    return moment.astimezone(UTC) if moment else None


def _reading(error: Exception, *, name: str, region: str) -> tuple[SecretPresence, str]:
    """Read a failure: what it says of the secret, and what to do about it.

    Only the error's code and kind are read. AWS's own text may repeat account numbers and
    arguments, so none of it is passed on.
    """
    if isinstance(error, ClientError):
        return _reading_of_answer(error, name=name, region=region)
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return (
            SecretPresence.UNREACHABLE,
            "Fleet UI has no AWS credentials. Give its workers a role, or set AWS credentials in "
            "their environment.",
        )
    if isinstance(error, ParamValidationError):
        return SecretPresence.ABSENT, NOT_A_NAME.format(name=name)
    return (
        SecretPresence.UNREACHABLE,
        f"Secrets Manager in {region or 'no region'} could not be reached "
        f"({type(error).__name__}). Check the hub's AWS region and address, and the network.",
    )


def _reading_of_answer(error: ClientError, *, name: str, region: str) -> tuple[SecretPresence, str]:
    code = error.response.get("Error", {}).get("Code", "")
    action = "assume the hub's role" if error.operation_name == "AssumeRole" else f"describe {name}"
    if code == "ResourceNotFoundException":
        return (
            SecretPresence.ABSENT,
            f"There is no secret {name} in {region}. Create it, or check its name and the hub's "
            "AWS region and account.",
        )
    if code in BAD_NAME_CODES:
        return SecretPresence.ABSENT, NOT_A_NAME.format(name=name)
    if code in DENIED_CODES:
        return (
            SecretPresence.DENIED,
            f"AWS does not let Fleet UI {action} in {region}. Allow "
            f"{'sts:AssumeRole' if 'role' in action else 'secretsmanager:DescribeSecret'} to "
            "its identity.",
        )
    if code in THROTTLED_CODES:
        return (
            SecretPresence.THROTTLED,
            "AWS is asked too often just now. Nothing is known of the secret; try again in a "
            "minute.",
        )
    if code in EXPIRED_CODES:
        return (
            SecretPresence.UNREACHABLE,
            "Fleet UI's AWS credentials have expired. Renew them, or give its workers a role.",
        )
    if code in INVALID_CREDENTIAL_CODES:
        return (
            SecretPresence.UNREACHABLE,
            f"AWS does not accept Fleet UI's credentials in {region}. Check them, and whether the "
            "region is switched on for the account.",
        )
    return (
        SecretPresence.UNREACHABLE,
        f"Secrets Manager in {region} gave no usable answer ({code or 'no code'}). Try again; if "
        "it stays, check the hub's AWS settings.",
    )


# --- Clients --------------------------------------------------------------------------------

# Making a client takes a good tenth of a second and its connections are worth keeping; a client,
# unlike a session, may be used by many threads.
_clients: dict[SecretsAccess, SecretsManagerClient] = {}
_clients_lock = threading.Lock()


def _client(access: SecretsAccess) -> SecretsManagerClient:
    with _clients_lock:
        client = _clients.get(access)
        if client is None:
            client = _clients[access] = _session(access).client(
                "secretsmanager", endpoint_url=access.endpoint_url or None, config=CONFIG
            )
        return client


def _session(access: SecretsAccess) -> boto3.Session:
    if not access.role_arn:
        return boto3.Session(region_name=access.region)
    # The role is assumed when the first request needs it, and again shortly before it expires.
    session = get_session()
    session._credentials = DeferredRefreshableCredentials(  # type: ignore[attr-defined]
        refresh_using=partial(_assume, access), method="sts-assume-role"
    )
    return boto3.Session(botocore_session=session, region_name=access.region)


def _assume(access: SecretsAccess) -> dict[str, str]:
    sts: Any = boto3.Session(region_name=access.region).client(
        "sts", endpoint_url=access.endpoint_url or None, config=CONFIG
    )
    external = {"ExternalId": access.external_id} if access.external_id else {}
    assumed = sts.assume_role(RoleArn=access.role_arn, RoleSessionName="fleet-ui", **external)
    credentials = assumed["Credentials"]
    return {
        "access_key": credentials["AccessKeyId"],
        "secret_key": credentials["SecretAccessKey"],
        "token": credentials["SessionToken"],
        "expiry_time": credentials["Expiration"].isoformat(),
    }
