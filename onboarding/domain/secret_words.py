"""What looks like a secret and so must not come into Git, where nobody can take it away again."""

from __future__ import annotations

import re
from collections.abc import Sequence

_KEY = re.compile(
    r"(?:^|[^a-z])(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key|"
    r"private[_-]?key|client[_-]?secret|credentials?)s?$"
)
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_VALUE = re.compile(
    r"-----BEGIN |\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bgh[pousr]_[A-Za-z0-9]{20,}|\bglpat-[\w-]{16,}|"
    r"\bxox[abprs]-[\w-]{10,}|\beyJ[\w-]{10,}\.[\w-]{10,}\.|://[^/\s:@]+:[^/\s@]+@"
)


def secret_problem(keys: Sequence[str], value: object) -> str:
    """Why a value may not be written because it looks like a secret, as a sentence; "" where it may.

    Keys that say where a secret is (`secretName`, `tokenSecretRef`, `existingSecret`) are none, nor
    are switches and numbers. The value is never part of the sentence.
    """
    if not isinstance(value, str) or value in ("", "true", "false"):
        return ""
    name = _WORDS.sub("_", keys[-1]).lower() if keys else ""
    if _VALUE.search(value) or (_KEY.search(name) and not name.startswith("existing")):
        return (
            f"{'.'.join(keys)} looks like a secret. What is in Git stays readable for ever: put it into "
            "AWS Secrets Manager, and let the chart name the secret."
        )
    return ""
