"""Labels that a repository's fleet-secret chart takes from the secret itself, which nobody can foresee.

The shipped chart takes two keys from the secret, `server` and `config`, and no label. A chart of
another kind (with `dataFrom`, or with a template of the External Secrets Operator as a label's value)
lets whoever writes the secret decide what is deployed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from onboarding.domain.labels import CHART_PATH
from onboarding.domain.plans import PlanWarning
from onboarding.domain.snapshot import Snapshot

_CREDENTIALS = frozenset({"server", "config", "name"})
# A key whose value the operator makes: `key: "{{ .x }}"`, escaped for Helm in one way or another.
_FROM_SECRET = re.compile(
    r"""^\s*["']?(?P<key>[A-Za-z0-9_./-]+)["']?\s*:.*
    (?:\{\{\s*["'`]\{\{-?\s*[^"'`]*?\.[A-Za-z_]|\\?\{\\?\{\s*["'`]\{\{\s*["'`]\s*\}\}\s*\.[A-Za-z_])""",
    re.VERBOSE,
)
_EVERYTHING = re.compile(r"^\s*-?\s*dataFrom\s*:", re.MULTILINE)


def from_secret(snapshot: Snapshot) -> Iterator[PlanWarning]:
    """What has to be said of labels that the chart at `charts/fleet-secret` takes from the secret."""
    for path in snapshot.paths(f"{CHART_PATH}/templates"):
        file = snapshot.read(path)
        text = file.content.decode("utf-8", "replace") if file else ""
        keys = {
            found["key"] for line in text.splitlines() if (found := _FROM_SECRET.match(line))
        } - _CREDENTIALS
        if keys:
            named = ", ".join(sorted(keys))
            said = f"{named} may be set by the secret ({path} takes it from there)"
        elif _EVERYTHING.search(text):
            said = f"Any label may be set by the secret: {path} takes everything from it (dataFrom)"
        else:
            continue
        yield PlanWarning(f"{said}: only the hub can confirm.", "set_by_secret", path)
