"""What an identity provider says of a person, and what of it counts here (OpenID Connect Core 1.0).

A person is the issuer and the subject, never an e-mail address or a name: both can be given to
somebody else. Groups that are missing, too many or of another shape are no groups.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from onboarding.domain.errors import Refused

LONGEST_SUBJECT = 255
MOST_GROUPS = 500
LONGEST_GROUP = 150
"""As long as Django lets a group's name be, its prefix with it."""
_NAME = re.compile(r"[\w.@+-]{1,150}")
_ASYMMETRIC = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)


def is_safe_algorithm(name: str) -> bool:
    """Whether a signature of this kind needs a key that only the provider has; `none` and HS256 do not."""
    return name in _ASYMMETRIC


def is_safe_address(address: str, *, allow_http_loopback: bool) -> bool:
    """Whether what is said there stays between us and the provider: https, or this machine itself."""
    parts = urlsplit(address)
    if parts.query or parts.fragment or parts.username or not parts.hostname:
        return False
    if parts.scheme == "https":
        return True
    return allow_http_loopback and parts.scheme == "http" and _is_loopback(parts.hostname)


@dataclass(frozen=True, slots=True)
class Provider:
    """The identity provider that an installation trusts, and what it takes of it.

    `issuer` is compared letter by letter; `mirrored` are patterns of group names (`*`, `?`) that
    become groups here under `groups_prefix`; `mapped` gives groups of this installation to those of
    a provider's group; where `required` names groups, nobody else may sign in. `renew_minutes` is
    after how many minutes the provider is asked again whether the person is still one.
    """

    name: str
    issuer: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    algorithms: tuple[str, ...] = ("RS256",)
    username_claim: str = "preferred_username"
    groups_claim: str = "groups"
    groups_prefix: str = "oidc:"
    mirrored: tuple[str, ...] = ("*",)
    mapped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    ask_userinfo: bool = False
    renew_minutes: int = 10
    ca_file: str = ""
    allow_http_loopback: bool = False


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as the provider describes them. `groups` are the provider's names.

    `unread` says why no group could be taken where that is not the person's having none.
    """

    issuer: str
    subject: str
    username: str
    first_name: str
    last_name: str
    email: str
    groups: frozenset[str]
    unread: str = ""


def person_of(claims: Mapping[str, Any], provider: Provider) -> Person:
    """The person that verified claims describe; raises `Refused` where they cannot be let in."""
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= LONGEST_SUBJECT:
        raise Refused(
            f"{provider.name} did not say who you are (claim sub). An administrator of "
            f"{provider.name} has to look at it.",
            code="claims",
        )
    username = claims.get(provider.username_claim)
    if not isinstance(username, str) or not _NAME.fullmatch(username):
        raise Refused(
            f"{provider.name} did not send a user name that can be used here (claim "
            f"{provider.username_claim}: letters, digits and . @ + - _). An administrator can name "
            "another claim.",
            code="claims",
        )
    groups, unread = groups_of(claims, provider)
    if provider.required and not groups & set(provider.required):
        raise Refused(
            f"Your account at {provider.name} is in none of the groups that may sign in here. "
            f"{unread or 'Ask whoever administers your groups there, then sign in again.'}",
            code="group",
        )
    first, last = _names_of(claims)
    return Person(
        issuer=provider.issuer,
        subject=subject,
        username=username,
        first_name=first,
        last_name=last,
        email=_email_of(claims),
        groups=groups,
        unread=unread,
    )


def groups_of(claims: Mapping[str, Any], provider: Provider) -> tuple[frozenset[str], str]:
    """The groups that the claims name, and why none could be read where they name them otherwise."""
    found = _found(claims, provider.groups_claim)
    if isinstance(found, str):
        found = [found]
    if isinstance(found, list) and all(isinstance(one, str) for one in found):
        if len(found) <= MOST_GROUPS:
            return frozenset(one for one in found if _is_group(one, provider)), ""
        return frozenset(), f"It sends more than {MOST_GROUPS} groups: let it send fewer."
    elsewhere = claims.get("_claim_names")
    is_elsewhere = isinstance(elsewhere, Mapping) and provider.groups_claim in elsewhere
    if is_elsewhere or claims.get("hasgroups"):
        # Entra ID leaves them out above some 200, and says where they could be asked for.
        return frozenset(), "Your groups are too many for it to send: let it send fewer."
    if found is None:
        return frozenset(), f"It sent no groups (claim {provider.groups_claim})."
    return frozenset(), f"It sent groups that are no list of names (claim {provider.groups_claim})."


def mirrored(groups: frozenset[str], provider: Provider) -> dict[str, str]:
    """The groups that are made here for the provider's, each with the provider's name of it."""
    return {
        f"{provider.groups_prefix}{group}": group
        for group in groups
        if any(fnmatchcase(group, pattern) for pattern in provider.mirrored)
    }


def mapped(groups: frozenset[str], provider: Provider) -> frozenset[str]:
    """The installation's own groups that the configuration gives to people of these groups."""
    return frozenset(name for group in groups for name in provider.mapped.get(group, ()))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _found(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, or by its way through objects, as in `realm_access.roles`."""
    if name in claims:
        return claims[name]
    found: Any = claims
    for part in name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _is_group(name: str, provider: Provider) -> bool:
    fits = 0 < len(name) <= LONGEST_GROUP - len(provider.groups_prefix)
    return fits and name.isprintable()


def _names_of(claims: Mapping[str, Any]) -> tuple[str, str]:
    given, family, name = (claims.get(one) for one in ("given_name", "family_name", "name"))
    if isinstance(given, str) and isinstance(family, str):
        return given[:150], family[:150]
    first, _, last = name.partition(" ") if isinstance(name, str) else ("", "", "")
    return first[:150], last[:150]


def _email_of(claims: Mapping[str, Any]) -> str:
    """The address for notices and commits; one that the provider says is unproved is none."""
    found = claims.get("email")
    proved = claims.get("email_verified", True) in (True, "true")
    usable = isinstance(found, str) and re.fullmatch(r"[^\s@<>\"]{1,64}@[^\s@<>\"]{1,180}", found)
    return str(found) if usable and proved else ""
