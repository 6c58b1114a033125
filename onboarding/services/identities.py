"""People whom an identity provider vouches for: their account here, and the groups that it gives them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import structlog
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, transaction

from onboarding.domain.errors import Refused
from onboarding.domain.openid import Person, Provider, mapped, mirrored, person_of
from onboarding.models import ExternalIdentity, ProviderGroup, ProviderMembership
from onboarding.ports import Clock, ProviderTokens
from onboarding.services import events
from onboarding.services.rights import is_service

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Admitted:
    """A person who may come in: the account, and in words why no groups of theirs could be read."""

    identity: ExternalIdentity
    unread: str

    @property
    def user(self) -> User:
        """The account."""
        return self.identity.user


def admit(*, tokens: ProviderTokens, provider: Provider, clock: Clock) -> Admitted:
    """The account of whom the verified claims describe, with the groups that they have now.

    A person who was never here gets an account. Raises `Refused` where they may not come in, and
    where the account of their name is somebody else's: it is never taken over.
    """
    person = person_of(tokens.claims, provider)
    with transaction.atomic():
        identity = _known(person) or _made(person, provider, clock)
        user = identity.user
        if not user.is_active:
            raise Refused(
                "Your account here is switched off. Ask an administrator of this installation.",
                code="inactive",
            )
        _describe(user, person)
        _mirror(identity, person, provider, clock)
    return Admitted(identity, person.unread)


def link(*, name: str, subject: str, provider: Provider, clock: Clock) -> ExternalIdentity:
    """Have a person of the provider sign in to an account that was made here; its password ends.

    For whoever may run commands on the server. Raises `Refused` where there is no such account, it
    is a service's, or one of the two is linked already.
    """
    user = User.objects.filter(username=name).first()
    if user is None or is_service(user):
        raise Refused(f"There is no person {name}.", code="absent")
    try:
        with transaction.atomic():
            identity = ExternalIdentity.objects.create(
                user=user, issuer=provider.issuer, subject=subject, created_at=clock.now()
            )
            user.set_unusable_password()
            user.save(update_fields=["password"])
            events.record(
                verb="person.linked",
                message=f"A command linked {name} to a person of {provider.name}; the password ended.",
                at=clock.now(),
                detail={"user": name, "issuer": provider.issuer, "subject": subject},
            )
    except IntegrityError as error:
        raise Refused(
            "This account or this person of the provider is linked already.", code="taken"
        ) from error
    return identity


def _known(person: Person) -> ExternalIdentity | None:
    """Locked, so that two sign-ins of one person do not both change their groups."""
    return (
        ExternalIdentity.objects.select_for_update(of=("self",))
        .select_related("user")
        .filter(issuer=person.issuer, subject=person.subject)
        .first()
    )


def _made(person: Person, provider: Provider, clock: Clock) -> ExternalIdentity:
    taken = Refused(
        f"There is another account {person.username} here, which {provider.name} does not vouch for. "
        "Where both are you, an administrator can link them (manage.py link_person).",
        code="taken",
    )
    if User.objects.filter(username__iexact=person.username).exists():
        raise taken
    try:
        with transaction.atomic():
            user = User.objects.create_user(person.username)  # without a password
            identity = ExternalIdentity.objects.create(
                user=user, issuer=person.issuer, subject=person.subject, created_at=clock.now()
            )
    except IntegrityError as error:
        # Somebody of that name came first; or the same person, in another tab.
        if again := _known(person):
            return again
        raise taken from error
    events.record(
        verb="person.added",
        message=f"{user.username} came from {provider.name} for the first time.",
        at=clock.now(),
        actor=user,
        detail={"issuer": person.issuer, "subject": person.subject},
    )
    return identity


def _describe(user: User, person: Person) -> None:
    """Keep name and address as the provider has them; the user name stays what it was at first."""
    said = {
        "first_name": person.first_name,
        "last_name": person.last_name,
        "email": person.email,
    }
    changed = [name for name, value in said.items() if getattr(user, name) != value]
    if changed:
        for name in changed:
            setattr(user, name, said[name])
        user.save(update_fields=changed)


def _mirror(identity: ExternalIdentity, person: Person, provider: Provider, clock: Clock) -> None:
    """Give what the provider gives now, take what it gave and gives no more; leave what is given here."""
    user = identity.user
    wanted = {
        group.pk: group
        for group in (*_mirrored(person, provider), *_mapped(person.groups, provider))
    }
    given = {row.group_id: row for row in identity.memberships.select_related("group")}
    held = set(user.groups.values_list("pk", flat=True))
    added = [group for pk, group in wanted.items() if pk not in held]
    taken = [row.group for pk, row in given.items() if pk not in wanted]
    if not added and not taken:
        return
    ProviderMembership.objects.bulk_create(
        (ProviderMembership(identity=identity, group=group) for group in added),
        ignore_conflicts=True,
    )
    user.groups.add(*added)
    identity.memberships.filter(group__in=taken).delete()
    user.groups.remove(*taken)
    names = {"added": _names(added), "removed": _names(taken)}
    words = [f"{verb} {', '.join(found)}" for verb, found in names.items() if found]
    events.record(
        verb="person.regrouped",
        message=f"{provider.name} changed the groups of {user.username}: {'; '.join(words)}."[
            :1000
        ],
        at=clock.now(),
        actor=user,
        detail=names,
    )


def _mirrored(person: Person, provider: Provider) -> list[Group]:
    """The groups here that stand for the provider's; made where they are new.

    A group of that name which was made here is not one of them, and is not given.
    """
    wanted = mirrored(person.groups, provider)
    rows = ProviderGroup.objects.filter(issuer=provider.issuer, name__in=wanted.values())
    found = {row.group.name: row.group for row in rows.select_related("group")}
    for ours, theirs in sorted(wanted.items()):
        if ours in found:
            continue
        group, is_new = Group.objects.get_or_create(name=ours)
        if is_new:
            ProviderGroup.objects.create(group=group, issuer=provider.issuer, name=theirs)
            found[ours] = group
        else:
            log.warning("identities.group_is_our_own", group=ours)
    return [group for name, group in found.items() if name in wanted]


def _mapped(groups: frozenset[str], provider: Provider) -> list[Group]:
    names = mapped(groups, provider)
    found = list(Group.objects.filter(name__in=names)) if names else []
    if missing := names - {group.name for group in found}:
        log.warning("identities.mapped_group_is_absent", groups=sorted(missing))
    return found


def _names(groups: Collection[Group]) -> list[str]:
    return sorted(group.name for group in groups)
