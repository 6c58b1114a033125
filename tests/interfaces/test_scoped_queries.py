"""Pages and the API read what belongs to tenants through `services.scope`, and nowhere else."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ONBOARDING = Path(__file__).resolve().parents[2] / "onboarding"
READS = re.compile(
    r"\b(Standing|Cluster|Change|ApplicationStatus|ClusterStatus|Bulk|Rollout|Event|Hub)\.objects"
)
# What may read them directly, how often, and why nobody learns of others by it.
ALLOWED = {
    "views/access.py": (1, "the number of the newest event, which is shown to nobody"),
    "views/administration_page.py": (1, "all hubs, shown to administrators alone"),
    "views/adoption_page.py": (1, "which hubs are configured, shown to administrators alone"),
    "views/application_list_page.py": (1, "rows by keys that were found in scope"),
    "views/bulk_page.py": (2, "the changes of a bulk that is in scope as a whole"),
    "views/bulks.py": (1, "rows by keys that were found in scope"),
    "views/cluster_page.py": (
        4,
        "the hub, Applications and own Argo CD of a cluster in scope",
    ),
    "views/lint_page.py": (1, "shown to who sees the whole fleet"),
    "views/rollout_page.py": (2, "the changes of a rollout that is in scope as a whole"),
    "views/search.py": (1, "rows by keys that were found in scope"),
    "views/system.py": (4, "shown to who sees the whole installation"),
}


def test_pages_read_what_is_of_tenants_in_scope_alone() -> None:
    found: Counter[str] = Counter()
    for folder in ("views", "api", "templatetags"):
        for path in sorted((ONBOARDING / folder).rglob("*.py")):
            if count := len(READS.findall(path.read_text(encoding="utf-8"))):
                found[path.relative_to(ONBOARDING).as_posix()] = count
    assert dict(found) == {name: count for name, (count, _) in ALLOWED.items()}
