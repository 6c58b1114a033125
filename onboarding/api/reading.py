"""What programs read, and wait for."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.db import connections
from django.http import HttpRequest
from ninja import Path, Query, Router
from pydantic import StringConstraints

from onboarding import wiring
from onboarding.api import access, schemas
from onboarding.api.access import AwaitedBearer, Caller
from onboarding.automation import telling, waiting
from onboarding.automation.waiting import Until
from onboarding.domain.errors import Refused, Transient
from onboarding.domain.progress import ClusterState
from onboarding.domain.tokens import Verb
from onboarding.services import scope
from onboarding.services.shown import with_shown

router = Router()

LONGEST_WAIT = 60
_MOST_WAITING = 200
_LOOKS_EVERY = 1.0
_waiting = 0

Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{0,63}$")]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


@router.get(
    "/changes/{int:number}",
    response=schemas.Change,
    url_name="api-change",
    operation_id="change",
    summary="Where a change stands",
)
def change(request: HttpRequest, number: Number) -> Any:
    """Decision, delivery to Git, and what the hub did: three facts, and never one word for all."""
    caller = access.caller_with(request, Verb.READ)
    return telling.change_told(access.change_for(caller, number))


@router.get(
    "/changes/{int:number}/plan",
    response=schemas.Plan,
    url_name="api-plan",
    operation_id="plan",
    summary="The plan of a change: what is written, and what follows",
)
def plan(request: HttpRequest, number: Number) -> Any:
    """As its approver sees it. It moves with the branch; the digest says whether it is the same."""
    caller = access.caller_with(request, Verb.READ)
    return telling.plan_told(access.change_for(caller, number))


@router.get(
    "/changes/{int:number}/wait",
    response=schemas.Waited,
    url_name="api-wait",
    operation_id="wait",
    auth=AwaitedBearer(),
    summary="Wait until a change came so far, or never will",
)
async def wait(
    request: HttpRequest,
    number: Number,
    until: Until,
    timeout: Annotated[int, Query(ge=0, le=LONGEST_WAIT)] = 30,
) -> Any:
    """Answers at the latest after `timeout` seconds, wherever it stands then. Ask again to wait on."""
    global _waiting
    if _waiting >= _MOST_WAITING:
        raise Transient("Too many wait here already. Ask again.", retry_after=5)
    _waiting += 1
    try:
        await _in_a_thread(request, _check_wait, request, number, until)
        ends = time.monotonic() + timeout
        while True:
            found = await _in_a_thread(request, waiting.look, number, until)
            left = ends - time.monotonic()
            if found.reached or found.over or left <= 0:
                break
            await asyncio.sleep(min(_LOOKS_EVERY, left))
    finally:
        _waiting -= 1
    return {
        "until": until.value,
        "reached": found.reached,
        "over": found.over,
        "change": found.told,
    }


@router.get(
    "/clusters",
    response=schemas.Clusters,
    url_name="api-clusters",
    operation_id="clusters",
    summary="The clusters that the token reaches",
)
def clusters(
    request: HttpRequest,
    fleet: Word = "",
    hub: Word = "",
    tenant: Word = "",
    environment: Word = "",
    state: ClusterState | None = None,
    after: Annotated[int, Query(ge=0, le=2**63 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Any:
    """In the order in which they came, `limit` at a time; `after` is the last page's `next`."""
    caller = access.caller_with(request, Verb.READ)
    now = wiring.clock().now()
    reached = [one for one in caller.fleets if fleet in ("", one.name)]
    rows = with_shown(scope.standings(caller.reach).filter(fleet__in=reached, pk__gt=after), now)
    asked = {"hub_name": hub, "tenant": tenant, "environment": environment, "shown": state}
    rows = rows.filter(**{column: value for column, value in asked.items() if value})
    found = list(rows.select_related("fleet").order_by("pk")[: limit + 1])
    return {
        "clusters": [telling.cluster_told(row, now) for row in found[:limit]],
        "next": found[limit - 1].pk if len(found) > limit else None,
    }


@router.get(
    "/clusters/{slug:hub}/{slug:name}",
    response=schemas.Cluster,
    url_name="api-cluster",
    operation_id="cluster",
    summary="How a cluster stands",
)
def cluster(request: HttpRequest, hub: str, name: str) -> Any:
    """Also one that is only asked for. Stale is what nobody looked at for two minutes."""
    caller = access.caller_with(request, Verb.READ)
    rows = scope.standings(caller.reach).filter(hub_name=hub, name=name, fleet__in=caller.fleets)
    found = rows.select_related("fleet").order_by("-cluster_id", "pk").first()
    if found is not None:
        return telling.cluster_told(found, wiring.clock().now())
    return telling.untold(access.cluster_for(caller, hub, name))


@router.get(
    "/token",
    response=schemas.Token,
    url_name="api-token",
    operation_id="token",
    summary="What the token is and may",
)
def token(request: HttpRequest) -> Any:
    """To see whether a pipeline has the right one."""
    caller: Caller = request.auth  # type: ignore[attr-defined]
    return {
        "service": str(caller.account),
        "prefix": caller.token.prefix,
        "verbs": caller.token.verbs,
        "fleets": [fleet.name for fleet in caller.fleets],
        "expires_at": caller.token.expires_at.isoformat(),
    }


def _check_wait(request: HttpRequest, number: int, until: Until) -> None:
    caller = access.caller_with(request, Verb.READ)
    change = access.change_for(caller, number)
    if not waiting.possible(change, until):
        raise Refused(
            f"A change of this kind never ends as {until.value}. Wait for "
            f"{waiting.ends_as(change).value}.",
            field="until",
            code="impossible",
        )


async def _in_a_thread(request: HttpRequest, call: Any, *given: Any) -> Any:
    """Ask the database in a thread; a long wait keeps no session of it in between."""

    def asked() -> Any:
        try:
            return call(*given)
        finally:
            if isinstance(request, ASGIRequest):
                connections.close_all()

    return await sync_to_async(asked)()
