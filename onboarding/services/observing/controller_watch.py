"""Whether Argo CD's application controller works: nothing else says so while it is the only part away.

Every ten seconds it notes of each cluster when it last tried it, whether or not anything changed. While it is
away, Applications keep saying what they said last. Source: Argo CD 3.2, controller/clusterinfoupdater.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from onboarding.domain.applications import moment
from onboarding.models import HubWatch
from onboarding.ports import RegisteredCluster

PART = "controller"
PATIENCE = timedelta(seconds=90)
"""How long it may note nothing of any cluster; several times what it takes."""

PROBLEM = "The application controller has tried no cluster since."


def hear(row: HubWatch, found: Sequence[RegisteredCluster], now: datetime) -> None:
    """Note on the hub's row (not saved) whether the controller did anything since it was last asked.

    Its times are only compared with each other, for its clock need not be ours. The newest of all
    clusters counts, so that of several controllers all have to be away.
    """
    tried = max((one.connected_at for one in found if one.connected_at), default=None)
    entry = row.kinds.setdefault(PART, {})
    if tried is not None and tried.isoformat() != entry.get("tried"):
        row.kinds[PART] = {"tried": tried.isoformat(), "moved_at": now.isoformat(), "problem": ""}
        return
    # After ten minutes Argo CD forgets what its controller noted: nothing is no sign of life.
    since = moment(entry.get("moved_at"))
    if since is not None and now - since >= PATIENCE:
        entry["problem"] = PROBLEM
        entry.setdefault("problem_since", since.isoformat())
        row.problem_since = row.problem_since or now
