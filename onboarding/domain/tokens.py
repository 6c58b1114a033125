"""Service tokens: what they may do, how they are written, and what of them is kept."""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum

from onboarding.domain.errors import Refused

MARK = "fui"
"""What every token begins with, so that scanners of secrets know one when they see it."""

PREFIX_LENGTH = 8
MOST_DAYS = 366
"""The longest life of a token; a program gets its next one in time, under the same name."""

_TOKEN = re.compile(rf"{MARK}_(?P<prefix>[0-9a-f]{{{PREFIX_LENGTH}}})_[A-Za-z0-9_-]{{43}}")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")


class Verb(StrEnum):
    """What a token may be used for. None of them decides on a change, and there is no such verb."""

    READ = "read"
    REGISTER = "register"
    EDIT = "edit"
    OFFBOARD = "offboard"

    @property
    def words(self) -> str:
        """What pages say of it."""
        return _WORDS[self]


_WORDS = {
    Verb.READ: "Read clusters, changes and plans",
    Verb.REGISTER: "Ask for registrations",
    Verb.EDIT: "Ask for edits",
    Verb.OFFBOARD: "Ask for offboardings",
}


def write(*, prefix: str, secret: str) -> str:
    """A token as its owner gets it, once: the mark, the prefix that is shown later, the secret."""
    return f"{MARK}_{prefix}_{secret}"


def is_token(text: str) -> bool:
    """Whether a text is written as a token of ours; whether there is such a one, rows say."""
    return _TOKEN.fullmatch(text) is not None


def digest(token: str) -> str:
    """What is kept of a token, SHA-256 in hex.

    The secret is 256 random bits, so that a slow hash, which protects what people choose, would
    protect nothing here.
    """
    return hashlib.sha256(token.encode()).hexdigest()


def check_name(name: str) -> str:
    """The name of a service; raises `Refused` where it is none."""
    if not _NAME.fullmatch(name):
        raise Refused(
            "A service's name has lowercase letters, digits and hyphens, at most 40.",
            field="name",
            code="invalid_name",
        )
    return name
