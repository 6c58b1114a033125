"""Members that others brought to the branch: read before a push, so that names and secrets stay unique."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.db import IntegrityError

from onboarding.models import Fleet
from onboarding.ports import Clock, FleetRepository
from onboarding.services import indexing
from onboarding.services.delivery import lost_commits
from onboarding.services.layouts import layout_of

_log = logging.getLogger(__name__)


def index_others(
    *, fleet: Fleet, known: Sequence[str], tip: str, repository: FleetRepository, clock: Clock
) -> bool:
    """Index the fleet at `tip`, unless its members are those of a commit that is known.

    Where they took away what was delivered, the alarm is raised first. Returns whether there was
    anything to read.
    """
    lost_commits.notice(fleet=fleet, tip=tip, repository=repository, clock=clock)
    root = layout_of(fleet).members_root()
    if tip in known or any(repository.same_folder(root, one, tip) for one in known):
        return False
    try:
        indexing.index(fleet=fleet, repository=repository, clock=clock)
    except IntegrityError:
        _log.info("Fleet %s is being indexed by another worker.", fleet.pk)
    return True
