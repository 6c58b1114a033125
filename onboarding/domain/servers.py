"""The API server of a spoke: what two ways to write one address have in common."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from onboarding.domain.errors import Refused

SERVER_TAG = "fleet/server"
"""The tag of the credentials secret in which Terraform names the spoke's API server."""

_ARN = re.compile(r"arn:aws[a-z-]*:eks:[a-z0-9-]+:[0-9]{12}:cluster/[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]")


def parse_server(text: str) -> str:
    """The address of an API server, in the one form that is compared; "" for nothing.

    `text` is an https URL (the port 443 and a final slash make no difference) or the ARN of an EKS
    cluster. Raises `Refused` at the field `server` for anything else.
    """
    text = text.strip()
    if not text or _ARN.fullmatch(text):
        return text
    try:
        parts = urlsplit(text)
        port = parts.port or 443
    except ValueError:
        parts, port = urlsplit(""), 0
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    plain = not (parts.username or parts.query or parts.fragment)
    if parts.scheme != "https" or not plain or not _HOST.fullmatch(host) or len(text) > 500:
        raise Refused(
            "The API server is an https address, such as https://0123.eks.amazonaws.com, or the ARN "
            "of an EKS cluster. Enter one of them, or leave it empty.",
            field="server",
            code="invalid_server",
        )
    return f"https://{host.lower()}{'' if port == 443 else f':{port}'}{parts.path.rstrip('/')}"


def is_arn(server: str) -> bool:
    """Whether it is the ARN of an EKS cluster, which can be compared with other ARNs only."""
    return server.startswith("arn:")
