"""Files that administrators name instead of entering a secret: which ones may be named at all.

What such a file holds is sent to an address that is configured beside it. So a file that is none of
the fleet's own must not be named: the keys of this installation, an identity that the platform gave
to its processes, or what the kernel tells of them.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from onboarding.domain.errors import Refused

LONGEST = 500
_PATH = re.compile(r"(?:/[A-Za-z0-9_.@+=,:-]+)+")
_NOT_OURS = (
    "/dev",
    "/proc",
    "/sys",
    "/run/secrets/kubernetes.io",
    "/run/secrets/eks.amazonaws.com",
    "/run/secrets/pods.eks.amazonaws.com",
    "/var/run/secrets/kubernetes.io",
    "/var/run/secrets/eks.amazonaws.com",
    "/var/run/secrets/pods.eks.amazonaws.com",
)


def named_file(text: str, *, field: str = "") -> str:
    """The path of a file as it was typed, where it may be named; "" for none.

    Raises `Refused` at `field` for anything but a whole path of letters, digits and `_ . @ + = , : -`,
    and for one below a folder that no credential of a fleet lies in.
    """
    if not text:
        return text
    if not text.startswith("/"):
        raise Refused("Enter the whole path, from the root.", field=field, code="invalid_path")
    is_plain = _PATH.fullmatch(text) and len(text) <= LONGEST
    if not is_plain or {".", ".."} & set(text.split("/")):
        raise Refused(
            "Enter a plain path: letters, digits and _ . @ + = , : - with slashes between them, "
            "without . or .. as a part.",
            field=field,
            code="invalid_path",
        )
    if any(PurePosixPath(text).is_relative_to(folder) for folder in _NOT_OURS):
        raise _not_ours(text, field)
    return text


def usable_file(text: str, *, own: Collection[str]) -> str:
    """The same path just before it is used, when links are followed; `own` are this installation's secrets.

    Raises `Refused` as `named_file`, also where a link leads to what may not be named.
    """
    if not named_file(text):
        return text
    real = str(Path(text).resolve())
    own_files = {str(Path(one).resolve()) for one in own}
    if real in own_files or any(PurePosixPath(real).is_relative_to(folder) for folder in _NOT_OURS):
        raise _not_ours(text, "")
    return text


def _not_ours(text: str, field: str) -> Refused:
    return Refused(
        f"{text} is no credential of a fleet: it belongs to this installation or to the machine. "
        "Name a file of its own.",
        field=field,
        code="foreign_secret",
    )
