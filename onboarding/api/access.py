"""Whose token it is, what it may and what it reaches: the first lines of every operation.

What a token does not reach is answered like what does not exist.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import structlog
from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.cache import cache
from django.http import Http404, HttpRequest
from ninja.errors import Throttled
from ninja.security import HttpBearer
from ninja.throttling import BaseThrottle

from onboarding import wiring
from onboarding.domain.addresses import visitor_of
from onboarding.domain.errors import Refused
from onboarding.domain.lifecycle import DecisionState
from onboarding.domain.tokens import Verb
from onboarding.models import Change, Cluster, Fleet, ServiceAccount, ServiceToken
from onboarding.services import attempts, scope, service_tokens
from onboarding.services.rights import Reach, reach_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User

_MINUTE = 60


@dataclass(frozen=True)
class Caller:
    """A program that has proved itself: its token, its service and the fleets that it reaches."""

    token: ServiceToken

    def __str__(self) -> str:
        return self.token.prefix

    @property
    def account(self) -> ServiceAccount:
        """The service behind the token."""
        return self.token.account

    @property
    def user(self) -> User:
        """The service's identity, in whose name changes are asked for."""
        return self.token.account.user

    @cached_property
    def reach(self) -> Reach:
        """What its service may, where, as it counts for this request."""
        return reach_of(self.user)

    @cached_property
    def fleets(self) -> list[Fleet]:
        """The fleets that the token reaches and of which its service may see a part."""
        seen = set(scope.fleets(self.reach).values_list("pk", flat=True))
        return [fleet for fleet in self.token.fleets.all() if fleet.pk in seen]


class Bearer(HttpBearer):
    """`Authorization: Bearer fui_…`."""

    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:
        """The caller whose token this is; None where it counts no more."""
        found = service_tokens.authenticate(text=token, clock=wiring.clock())
        if found is None:
            _count_against(request)
            return None
        structlog.contextvars.bind_contextvars(service_token=found.prefix)
        return Caller(found)


def _count_against(request: HttpRequest) -> None:
    """Count a token that does not count; raises Throttled where an address sends too many of them.

    Whoever has one that counts is not held up by others at the same address.
    """
    address = visitor_of(
        request.META.get("REMOTE_ADDR", ""),
        request.headers.get("X-Forwarded-For", ""),
        settings.TRUSTED_PROXIES,
    )
    attempt = attempts.with_token(address=address, clock=wiring.clock())
    if attempt.wait:
        structlog.get_logger(__name__).warning("api.too_many_wrong_tokens")
        raise Throttled(wait=int(attempt.wait.total_seconds()) + 1)


class AwaitedBearer(Bearer):
    """The same for an operation that waits: the database is asked in a thread."""

    is_async = True

    async def authenticate(self, request: HttpRequest, token: str) -> Caller | None:  # type: ignore[override]
        """The caller whose token this is; None where it counts no more."""
        return await sync_to_async(super().authenticate)(request, token)


class TokenThrottle(BaseThrottle):
    """So many requests in each minute for a token, counted by each process for itself.

    ninja's own keeps what it counts on itself, where two threads would take each other's.
    """

    def allow_request(self, request: HttpRequest) -> bool:
        """Count this one; False where the minute's are used up."""
        key = f"api-{request.auth}-{int(time.time() // _MINUTE)}"  # type: ignore[attr-defined]
        cache.add(key, 0, timeout=2 * _MINUTE)
        return cache.incr(key) <= settings.API_REQUESTS_PER_MINUTE

    def wait(self) -> float:
        """How many seconds this minute still has."""
        return _MINUTE - time.time() % _MINUTE


def caller_with(request: HttpRequest, verb: Verb) -> Caller:
    """The caller, if the token has this verb; raises `Refused` (403) with the reason otherwise."""
    caller: Caller = request.auth  # type: ignore[attr-defined]
    if verb.value not in caller.token.verbs:
        raise Refused(
            f"This token may not do that: it lacks the verb {verb.value}. An administrator makes "
            "one that has it.",
            code="verb",
        )
    return caller


def fleet_of_hub(caller: Caller, name: str) -> Fleet:
    """The fleet whose hub this is; raises `Refused` at the field where the token reaches none."""
    rows = scope.hubs(caller.reach).filter(name=name, fleet__in=caller.fleets)
    hub = rows.select_related("fleet").first()
    if hub is None:
        raise Refused(f"There is no hub {name!r:.80} in your fleets.", field="hub", code="no_hub")
    return hub.fleet


def cluster_for(caller: Caller, hub: str, name: str) -> Cluster:
    """A cluster of Git in the fleets that the token reaches; 404 otherwise."""
    rows = scope.clusters(caller.reach).filter(hub_name=hub, name=name, fleet__in=caller.fleets)
    cluster = rows.select_related("fleet").order_by("problem", "path").first()
    if cluster is None:
        raise Http404
    return cluster


_VERBS = {
    Change.Kind.REGISTER: Verb.REGISTER,
    Change.Kind.EDIT: Verb.EDIT,
    Change.Kind.OFFBOARD: Verb.OFFBOARD,
}


def own_change(request: HttpRequest, number: int) -> tuple[Caller, Change]:
    """A change that the caller's service itself asked for, if its token may ask for such a one.

    404 where it is not reached; raises `Refused` (403) for somebody else's, which people revise.
    """
    caller: Caller = request.auth  # type: ignore[attr-defined]
    change = change_for(caller, number)
    if change.requester_id != caller.user.pk or Change.Kind(change.kind) not in _VERBS:
        raise Refused(
            f"Change #{number} was asked for by somebody else: a program changes its own alone.",
            code="not_yours",
        )
    caller_with(request, _VERBS[Change.Kind(change.kind)])
    return caller, change


def change_for(caller: Caller, number: int) -> Change:
    """A change of the fleets that the token reaches; 404 otherwise, and for people's drafts."""
    change = (
        scope.changes(caller.reach, caller.user)
        .filter(pk=number, fleet__in=caller.fleets)
        .exclude(state=DecisionState.DRAFT.value)
        .select_related("fleet", "hub", "requester")
        .first()
    )
    if change is None:
        raise Http404
    return change
