"""How a hub's APIs are reached: addresses, certificate authorities and where tokens come from.

There is no kubeconfig: those may name programs that run when they are loaded.
"""

from __future__ import annotations

import base64
import ipaddress
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from onboarding.domain.errors import Refused, Transient

_TOKEN_BYTES = 64 * 1024
# EKS accepts a token for 15 minutes from its signing (aws-iam-authenticator): renew before.
_RENEW_AFTER_SECONDS = 10 * 60
# How long AWS STS itself honours the presigned request; EKS asks it at once.
_PRESIGNED_SECONDS = 60
_PREFIX = "k8s-aws-v1."


class TokenSource(Protocol):
    """Where the bearer token comes from; asked again for each request, so that it may change."""

    def token(self) -> str:
        """The token of now; raises `Refused` where there is none."""
        ...

    def describe(self) -> str:
        """Where it comes from, for messages: never the token."""
        ...


@dataclass(frozen=True, slots=True)
class TokenFile:
    """A token in a file, read anew for each request: projected tokens are replaced hourly."""

    path: str

    def token(self) -> str:
        """The file's content, stripped; raises `Refused` where it is missing or no token."""
        try:
            with Path(self.path).open("rb") as file:
                content = file.read(_TOKEN_BYTES + 1)
        except OSError as error:
            raise Refused(
                f"The token file {self.path} cannot be read ({error.strerror}). "
                "Check its path and rights.",
                code="no_token",
            ) from error
        token = content.decode("ascii", errors="replace").strip()
        if (
            not token
            or len(content) > _TOKEN_BYTES
            or not token.isprintable()
            or " " in token
            or "\ufffd" in token
        ):
            raise Refused(
                f"The token file {self.path} holds no token. Put the bearer token alone in it.",
                code="no_token",
            )
        return token

    def describe(self) -> str:
        """The file's path."""
        return f"the token file {self.path}"


class NoToken:
    """For an API on loopback that asks for none (the demo hub)."""

    def token(self) -> str:
        """Always empty: no `Authorization` header is sent."""
        return ""

    def describe(self) -> str:
        """Says that no token is configured."""
        return "no token"


@dataclass(frozen=True, slots=True)
class HubAccess:
    """How a hub's Kubernetes API is reached.

    `api_url` is https, or http on loopback only; `ca_file` or `ca_data` (PEM) is the API's
    certificate authority ("" for the system's); `token` is a source, never the token itself.
    """

    api_url: str
    namespace: str
    token: TokenSource
    ca_file: str = ""
    ca_data: str = ""

    def __post_init__(self) -> None:
        require_safe_url(self.api_url, what="The hub's Kubernetes API")

    @classmethod
    def in_cluster(cls, namespace: str) -> HubAccess:
        """The API of the cluster that this process runs in, by its own service account."""
        mount = "/var/run/secrets/kubernetes.io/serviceaccount"
        return cls(
            api_url="https://kubernetes.default.svc",
            namespace=namespace,
            token=TokenFile(f"{mount}/token"),
            ca_file=f"{mount}/ca.crt",
        )


def require_safe_url(url: str, *, what: str) -> None:
    """Refuse an address that is not https (or http on loopback) or carries a password or query."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.username or parts.password or parts.query or parts.fragment or not host:
        raise Refused(
            f"{what} needs a plain address such as https://hub.example.com:6443.",
            field="api_url",
            code="bad_url",
        )
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)):
        return
    raise Refused(
        f"{what} must be reached by https; plain http is for loopback only.",
        field="api_url",
        code="bad_url",
    )


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class EksToken:
    """Short-lived tokens for the API of an EKS hub, made from AWS credentials.

    A token is a presigned `sts:GetCallerIdentity` request; EKS replays it to learn who asks.
    Nothing is stored: the AWS credentials come from where boto3 finds them (IRSA, Pod Identity,
    environment).
    """

    def __init__(
        self,
        *,
        cluster: str,
        region: str,
        role_arn: str = "",
        external_id: str = "",
        session: Callable[[], Any] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Name the EKS `cluster`, its `region` and, for another account, the role to assume.

        `external_id` goes with the role. `session` makes the boto3 session (tests give their own);
        `monotonic` is the clock of renewal, and so is `wall`: the first stands still while a machine
        sleeps, the second is moved by people.
        """
        self._cluster = cluster
        self._region = region
        self._role_arn = role_arn
        self._external_id = external_id
        self._make_session = session or self._default_session
        self._clocks = (monotonic, wall)
        self._lock = threading.Lock()
        self._token = ""
        self._made_at: tuple[float, ...] = ()

    def token(self) -> str:
        """A valid token; the last one again until it is ten minutes old.

        Raises `Refused` where AWS gives no credentials or denies the role, `Transient` where AWS is
        away.
        """
        with self._lock:
            now = tuple(clock() for clock in self._clocks)
            if not self._token or not self._is_young(now):
                self._token = self._sign()
                self._made_at = now
            return self._token

    def _is_young(self, now: tuple[float, ...]) -> bool:
        """By every clock: also where one was put back, the token was signed in no known past."""
        ages = (one - made for one, made in zip(now, self._made_at, strict=True))
        return all(0 <= age < _RENEW_AFTER_SECONDS for age in ages)

    def describe(self) -> str:
        """Where the token comes from, for messages."""
        role = f" through the role {self._role_arn}" if self._role_arn else ""
        return f"the EKS token for {self._cluster} in {self._region}{role}"

    def _sign(self) -> str:
        from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

        try:
            url = self._presigned_url()
        except NoCredentialsError as error:
            raise Refused(
                f"AWS credentials are missing, so {self.describe()} cannot be made. "
                "Give the watcher and the worker an IAM role.",
                code="no_aws_credentials",
            ) from error
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "unknown"))
            if code in {
                "Throttling",
                "ThrottlingException",
                "RequestLimitExceeded",
                "ServiceUnavailable",
            }:
                raise Transient(
                    f"AWS STS asks to slow down ({code}) for {self.describe()}."
                ) from error
            raise Refused(
                f"AWS does not allow {self.describe()} ({code}). Check the role's trust policy.",
                code="aws_denied",
            ) from error
        except BotoCoreError as error:
            raise Transient(f"AWS STS could not be reached for {self.describe()}.") from error
        return _PREFIX + base64.urlsafe_b64encode(url.encode()).rstrip(b"=").decode()

    def _presigned_url(self) -> str:
        from botocore.signers import RequestSigner

        session = self._make_session()
        if self._role_arn:
            session = self._assume_role(session)
        client = session.client("sts", region_name=self._region)
        credentials = session.get_credentials()
        if credentials is None:
            from botocore.exceptions import NoCredentialsError

            raise NoCredentialsError
        signer = RequestSigner(
            client.meta.service_model.service_id,
            self._region,
            "sts",
            "v4",
            credentials,
            session.events,
        )
        request = {
            "method": "GET",
            "url": f"{client.meta.endpoint_url}/?Action=GetCallerIdentity&Version=2011-06-15",
            "body": {},
            "headers": {"x-k8s-aws-id": self._cluster},
            "context": {},
        }
        url: str = signer.generate_presigned_url(
            request, region_name=self._region, expires_in=_PRESIGNED_SECONDS, operation_name=""
        )
        return url

    def _assume_role(self, session: Any) -> Any:
        import boto3

        asked = {"RoleArn": self._role_arn, "RoleSessionName": "fleet-ui-hub-reader"}
        if self._external_id:
            asked["ExternalId"] = self._external_id
        answer = session.client("sts", region_name=self._region).assume_role(**asked)
        given = answer["Credentials"]
        return boto3.Session(
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
            region_name=self._region,
        )

    def _default_session(self) -> Any:
        import boto3

        return boto3.Session(region_name=self._region)
