"""Looks for secrets in every file that git keeps; prints where one is, never what it is.

The patterns are those of detect-secrets. Its own program is not used: it asks its filters anew for
each line, which takes minutes on this repository, and what looks random is most often a checksum.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from re import Pattern

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.plugins.base import RegexBasedDetector

NO_SECRET = frozenset({"Public IP (ipv4)"})
# What others wrote is as they published it; lock files hold checksums alone.
NOT_OURS = ("locks/", "static/vendor/", "tests/vendor/")
# Made up for tests and documents, and good for nothing.
MADE_UP = frozenset({
    "://fleetui:%s@", "://user:password@", "://user:{CANARY}@", "://u:{CANARY}@", "://a:b@",
    "://user:hunter22@", "://git:hunter22@", "://robot:{TOKEN}@", "://user:pass@", "://user:pw@",
    "://app:pw@", "://u:{SECRET}@", "://fleetui:pass@", "://maria:{token}@", "://u:p@",
    "eyJhbGciOiJSUzI1NiJ9.canary", "eyJhbGciOiJSUzI1NiJ9.e30.", "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOi.",
    "AKIAABCDEFGHIJKLMNOP",
})  # fmt: skip


def patterns() -> list[tuple[str, Pattern[str]]]:
    """What each kind of secret looks like."""
    found = []
    for kind, detector in get_mapping_from_secret_type_to_class().items():
        if kind not in NO_SECRET and issubclass(detector, RegexBasedDetector):
            found += [(kind, pattern) for pattern in detector().denylist]
    return found


def secrets_in(text: str, wanted: list[tuple[str, Pattern[str]]]) -> Iterator[tuple[int, str]]:
    """The line and the kind of each secret in a text."""
    for kind, pattern in wanted:
        for match in pattern.finditer(text):
            if match.group() not in MADE_UP:
                yield text.count("\n", 0, match.start()) + 1, kind


def main() -> int:
    """Look into every file; the exit code is 1 where a secret was found."""
    wanted, found = patterns(), 0
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, check=True)
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = Path(name)
        if name.startswith(NOT_OURS) or not path.is_file():
            continue
        text = path.read_bytes().decode("utf-8", "ignore")
        for line, kind in secrets_in(text, wanted):
            print(f"{name}:{line}: this looks like a secret ({kind})")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
