"""The fleet's Git repository: GitPython moves (fetch, push, lease), pygit2 reads and builds.

One bare mirror per worker, no work tree: nothing is checked out, no hook runs, no link is followed.
The modules of this package are one adapter and may know each other.
"""

from __future__ import annotations

from onboarding.adapters.git.address import parse_address
from onboarding.adapters.git.folder import begin_repository
from onboarding.adapters.git.objects import Identity
from onboarding.adapters.git.process import GitRemote
from onboarding.adapters.git.repository import GitRepository
from onboarding.adapters.git.signing import SigningKey

__all__ = [
    "GitRemote",
    "GitRepository",
    "Identity",
    "SigningKey",
    "begin_repository",
    "parse_address",
]
