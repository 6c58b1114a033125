"""The forges: GitHub by PyGithub, GitLab by python-gitlab, Gitea and Forgejo by their HTTP API.

The modules of this package are one adapter and may know each other. A forge's library is imported
where it is used: it takes half a second, and only one is needed.
"""

from __future__ import annotations

from onboarding.adapters.forge.access import ForgeAccess
from onboarding.domain.reviews import ForgeKind
from onboarding.ports import Forge

__all__ = ["ForgeAccess", "forge_of"]


def forge_of(kind: ForgeKind, access: ForgeAccess) -> Forge:
    """The forge of that kind; raises `Refused` where its address or token file cannot be used."""
    match kind:
        case ForgeKind.GITHUB:
            from onboarding.adapters.forge.github import GitHub

            return GitHub(access)
        case ForgeKind.GITLAB:
            from onboarding.adapters.forge.gitlab import GitLab

            return GitLab(access)
        case ForgeKind.GITEA:
            from onboarding.adapters.forge.gitea import Gitea

            return Gitea(access)
