"""Secret questions: why the hub could not fetch a spoke's credentials, as far as Secrets Manager says.

The External Secrets Operator's conditions say only that it failed. Whether the secret exists can be
asked without reading it, and that is the commonest reason.
"""

from __future__ import annotations

from django.db.models import F

from onboarding.models import HubObject
from onboarding.ports import Clock, HubKind, SpokeCredentials
from onboarding.services.observing.hub_text import text
from onboarding.services.observing.observations import Watch, writing

# At most so many in one round: AWS throttles an account as a whole.
MOST_SECRETS = 20


def ask_for_secrets(*, watch: Watch, credentials: SpokeCredentials, clock: Clock) -> int:
    """Ask for the secrets of ExternalSecrets that failed; returns how many were asked for.

    Those that were asked for longest ago come first. Never asks for a value, nor for a secret that
    the hub has fetched. Raises `LostWatch`.
    """
    failing = HubObject.objects.filter(
        hub_id=watch.hub_id, kind=HubKind.EXTERNAL_SECRETS.value, ready=False
    ).only("pk", "facts")
    asked = 0
    longest_ago = F("presence_at").asc(nulls_first=True)
    for row in failing.order_by(longest_ago, "pk")[:MOST_SECRETS]:
        presence, detail = "", ""
        for name in row.facts.get("secrets", ())[:1]:
            found = credentials.describe(name)
            presence, detail = found.presence.value, text(found.detail)
            asked += 1
        with writing(watch):
            HubObject.objects.filter(pk=row.pk).update(
                presence=presence, presence_detail=detail, presence_at=clock.now()
            )
    return asked
