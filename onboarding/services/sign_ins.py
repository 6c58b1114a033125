"""The browsers in which somebody is signed in: begun, seen, confirmed by the provider, ended.

A session is only as good as its row here: it ends when nobody used it for a while, at the latest some
hours after it began, when its owner ends it, and when the identity provider says that the person is none
any more, or has not said otherwise for twice the time after which it is asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.contrib.auth.models import User
from django.db.models import Q

from onboarding.domain.errors import Refused, Transient
from onboarding.domain.openid import Provider
from onboarding.models import ExternalIdentity, SignIn
from onboarding.ports import Clock, IdentityProvider, ProviderSignOut, ProviderTokens
from onboarding.services import events, identities
from onboarding.services.sealed import seal, unseal

_SEEN_IS_NOTED_AFTER = timedelta(minutes=1)
_CLOCKS_DIFFER = timedelta(minutes=1)
# Longer than the provider is waited for.
_ONE_RENEWAL = timedelta(seconds=40)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a session lasts: since it was used, and since it began."""

    idle: timedelta
    whole: timedelta


class Standing(StrEnum):
    """What is to be done with a session on a request."""

    GOOD = "good"
    DUE = "due"  # good for now; the provider has to be asked by way of the browser
    ENDED = "ended"


def begin(*, owner: User, address: str | None, agent: str, limits: Limits, clock: Clock) -> SignIn:
    """Note that somebody signed in. What ended long ago is cleared away."""
    now = clock.now()
    gone = Q(seen_at__lt=now - limits.idle) | Q(started_at__lt=now - limits.whole)
    SignIn.objects.filter(gone).delete()
    return SignIn.objects.create(
        user=owner, started_at=now, seen_at=now, address=address, agent=agent[:200]
    )


def attach(
    *,
    pk: int,
    identity: ExternalIdentity,
    tokens: ProviderTokens,
    provider: Provider,
    clock: Clock,
    anew: bool,
) -> None:
    """Note with whose word somebody is signed in; `anew` where they came in by it just now."""
    now = clock.now()
    SignIn.objects.filter(pk=pk, user=identity.user_id).update(
        identity=identity,
        confirmed_at=now,
        renewing_until=None,
        provider_session=str(tokens.claims.get("sid") or "")[:255],
        tokens=_sealed(tokens),
    )
    if anew:
        record(owner=identity.user, way=provider.name, clock=clock)


def record(*, owner: User, way: str, clock: Clock) -> None:
    """Write into the trail that somebody came in, and how."""
    events.record(
        verb="person.signed_in",
        message=f"{owner.username} signed in with {way}.",
        at=clock.now(),
        actor=owner,
    )


def standing(
    *,
    sign_in: SignIn,
    limits: Limits,
    provider: Provider | None,
    ask: Callable[[], IdentityProvider | None],
    clock: Clock,
) -> Standing:
    """Whether a session still counts. Asks the provider where its word is old and it can be asked.

    A word counts for as long again as it takes to be asked anew, while the provider is away or has
    to be asked by way of the browser; then it counts no more.
    """
    now = clock.now()
    if not counts(sign_in, limits, clock):
        return Standing.ENDED
    if sign_in.identity_id is None:
        return Standing.GOOD
    if provider is None or sign_in.confirmed_at is None:
        return Standing.ENDED
    every = timedelta(minutes=provider.renew_minutes)
    if now - sign_in.confirmed_at < every:
        return Standing.GOOD
    late = Standing.ENDED if now - sign_in.confirmed_at >= 2 * every else Standing.GOOD
    refresh = _opened(sign_in).get("refresh_token", "")
    if not refresh:
        return late if late is Standing.ENDED else Standing.DUE
    if not _is_ours_to_ask(sign_in, now):
        return late
    asked = ask()
    return _asked(sign_in, refresh, asked, provider, clock, late) if asked else Standing.ENDED


def counts(sign_in: SignIn, limits: Limits, clock: Clock) -> bool:
    """Whether a session is neither too old nor unused for too long."""
    now = clock.now()
    return sign_in.seen_at >= now - limits.idle and sign_in.started_at >= now - limits.whole


def ended_of(pks: Collection[int], *, limits: Limits, clock: Clock) -> frozenset[int]:
    """Which of these sessions count no more, by one query; the provider is not asked."""
    now = clock.now()
    rows = SignIn.objects.filter(
        pk__in=pks,
        user__is_active=True,
        seen_at__gte=now - limits.idle,
        started_at__gte=now - limits.whole,
    )
    return frozenset(pks) - frozenset(rows.values_list("pk", flat=True))


def touch(*, sign_in: SignIn, clock: Clock) -> None:
    """Note that a person did something, at most once a minute."""
    now = clock.now()
    if now - sign_in.seen_at >= _SEEN_IS_NOTED_AFTER:
        SignIn.objects.filter(pk=sign_in.pk, seen_at__lt=now).update(seen_at=now)


def id_token_of(sign_in: SignIn) -> str:
    """What a person who came by the provider shows it when leaving; "" for others."""
    return _opened(sign_in).get("id_token", "")


def end(*, owner: User, pk: int) -> bool:
    """End one session of a person; whether there was one."""
    deleted, _ = SignIn.objects.filter(pk=pk, user=owner).delete()
    return bool(deleted)


def end_others(*, owner: User, but: int | None) -> int:
    """End all sessions of a person except this one; how many there were."""
    deleted, _ = SignIn.objects.filter(user=owner).exclude(pk=but or 0).delete()
    return deleted


def end_by_provider(*, said: ProviderSignOut, provider: Provider) -> int:
    """End what the provider says is over: one session of its own, or all of a person.

    What began after it said so goes on, so that an old word sent again ends nothing; its clock may be
    behind ours, and its words are of whole seconds.
    """
    until = said.at + _CLOCKS_DIFFER
    sessions = SignIn.objects.filter(identity__issuer=provider.issuer, started_at__lte=until)
    if said.subject:
        sessions = sessions.filter(identity__subject=said.subject)
    if said.session:
        sessions = sessions.filter(provider_session=said.session)
    deleted, _ = sessions.delete()
    return deleted


def _is_ours_to_ask(sign_in: SignIn, now: datetime) -> bool:
    """Whether this process asks: a refresh token counts once, so that two must not use it."""
    free = Q(renewing_until__isnull=True) | Q(renewing_until__lt=now)
    mine = SignIn.objects.filter(free, pk=sign_in.pk, confirmed_at=sign_in.confirmed_at)
    return bool(mine.update(renewing_until=now + _ONE_RENEWAL))


def _asked(
    sign_in: SignIn,
    refresh: str,
    asked: IdentityProvider,
    provider: Provider,
    clock: Clock,
    late: Standing,
) -> Standing:
    identity = sign_in.identity
    if identity is None or identity.issuer != provider.issuer:
        return Standing.ENDED
    try:
        tokens = asked.renew(refresh_token=refresh, subject=identity.subject)
        admitted = identities.admit(tokens=tokens, provider=provider, clock=clock)
    except Transient:
        return late
    except Refused as refused:
        # What an administrator has to mend says nothing about the person.
        is_ours = refused.refusals[0].code in {"client", "clock"}
        return late if is_ours else Standing.ENDED
    kept = ProviderTokens(
        claims={"sid": sign_in.provider_session, **tokens.claims},
        id_token=tokens.id_token or id_token_of(sign_in),
        refresh_token=tokens.refresh_token,
    )
    attach(
        pk=sign_in.pk,
        identity=admitted.identity,
        tokens=kept,
        provider=provider,
        clock=clock,
        anew=False,
    )
    return Standing.GOOD


def _sealed(tokens: ProviderTokens) -> str:
    kept = {"id_token": tokens.id_token, "refresh_token": tokens.refresh_token}
    return seal(json.dumps(kept))


def _opened(sign_in: SignIn) -> dict[str, str]:
    text = unseal(sign_in.tokens) if sign_in.tokens else ""
    return dict(json.loads(text)) if text else {}
