"""Secret questions: what Secrets Manager says of the spokes' credentials, without ever reading one.

The External Secrets Operator's conditions say only that it failed, and nothing of a rotation that it
has not looked for yet. Why it failed stands in its Events on the hub;
whether a secret exists and when it changed can be asked without reading it.
"""

from __future__ import annotations

import logging
from datetime import timedelta

from django.db.models import F, Q

from onboarding.domain.credentials import SecretFacts, SecretPresence
from onboarding.domain.errors import FleetError
from onboarding.models import HubObject
from onboarding.ports import Clock, HubKind, HubReader, SpokeCredentials
from onboarding.services.observing.hub_text import text
from onboarding.services.observing.observations import Watch, writing

_LOG = logging.getLogger(__name__)
# At most so many in one round: AWS throttles an account as a whole.
MOST_SECRETS = 20
_ENDS_ROUND = frozenset({SecretPresence.THROTTLED, SecretPresence.UNREACHABLE})
ASK_AGAIN = timedelta(minutes=5)
"""How soon a secret that the hub has fetched is asked for again: rotations are rare."""


def ask_for_secrets(
    *, watch: Watch, credentials: SpokeCredentials, reader: HubReader, clock: Clock
) -> int:
    """Ask for the secrets of ExternalSecrets; returns how many were asked for.

    Of those that failed the hub is asked, too, what the operator complains of.

    Those that failed come first, then those that were asked for longest ago. Never asks for a value.
    Being throttled ends the round, and so does an answer that did not come: each would be waited
    for. Raises `LostWatch`.
    """
    failing = Q(ready=False)
    due = Q(presence_at=None) | Q(presence_at__lt=clock.now() - ASK_AGAIN)
    rows = HubObject.objects.filter(
        failing | due, hub_id=watch.hub_id, kind=HubKind.EXTERNAL_SECRETS.value
    ).only("pk", "name", "ready", "facts", "version", "version_at")
    longest_ago = F("presence_at").asc(nulls_first=True)
    asked = 0
    some = list(rows.filter(failing).order_by(longest_ago, "pk")[:MOST_SECRETS])
    some += rows.exclude(failing).order_by(longest_ago, "pk")[: MOST_SECRETS - len(some)]
    for row in some:
        name = next(iter(row.facts.get("secrets", ())), "")
        said = _complaint(reader, row) if row.ready is False else ""
        found = credentials.describe(name) if name else None
        asked += found is not None
        with writing(watch):
            HubObject.objects.filter(pk=row.pk).update(
                presence=found.presence.value if found else "",
                presence_detail=text(found.detail) if found else "",
                presence_at=clock.now(),
                complaint=said,
                **(_version(row, found) if found else {}),
            )
        if found and found.presence in _ENDS_ROUND:
            break
    return asked


def _complaint(reader: HubReader, row: HubObject) -> str:
    """The operator's own words, as far as the hub lets us read them."""
    try:
        return text(reader.complaint(HubKind.EXTERNAL_SECRETS, row.name))
    except FleetError as error:
        _LOG.info("What is said of ExternalSecret %s is not known: %s", row.name, error)
        return ""


def _version(row: HubObject, found: SecretFacts) -> dict[str, object]:
    """The version that is current now; its time moves only with it, for AWS counts new tags as changes."""
    if found.presence is not SecretPresence.PRESENT:
        return {}
    if row.version and row.version == found.version and row.version_at:
        return {}
    return {"version": text(found.version, 120), "version_at": found.changed_at}
