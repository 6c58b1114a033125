"""What may be known of a spoke's credentials without reading them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class SecretPresence(StrEnum):
    """The six answers to "is the secret there?"; only the first three are about the secret."""

    PRESENT = "present"
    ABSENT = "absent"
    PENDING_DELETION = "pending_deletion"
    DENIED = "denied"
    THROTTLED = "throttled"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class SecretFacts:
    """What AWS Secrets Manager says of one secret by DescribeSecret: never its value.

    `version` is the id of its current version, `changed_at` when anything of it last changed (AWS
    counts a new tag too, so a caller compares versions before it says "rotated"), `tags` the
    secret's tags (Terraform writes `fleet/server` and `fleet/cluster`), `detail` one sentence that says what to do.
    """

    presence: SecretPresence
    name: str
    detail: str
    arn: str = ""
    version: str = ""
    changed_at: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
