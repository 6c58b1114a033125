"""Whether a forge's call is signed with the secret that was agreed on; nothing else of it is believed."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

from onboarding.domain.reviews import ForgeKind

_SIGNATURES = {
    ForgeKind.GITHUB: ("x-hub-signature-256", "sha256="),
    ForgeKind.GITEA: ("x-gitea-signature", ""),
}


def is_signed(kind: ForgeKind, *, secret: str, body: bytes, headers: Mapping[str, str]) -> bool:
    """Whether a call's body is signed (GitHub, Gitea) or the call carries the secret (GitLab).

    `headers` has lower-case names. Every comparison takes the same time for whatever is given, and
    no secret at all never fits.
    """
    if not secret:
        return False
    if kind is ForgeKind.GITLAB:
        expected, given = secret, headers.get("x-gitlab-token", "")
    else:
        header, prefix = _SIGNATURES[kind]
        expected = prefix + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        given = headers.get(header, "")
    return hmac.compare_digest(expected.encode(), given.encode())
