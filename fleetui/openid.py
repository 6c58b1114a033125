"""Reads from the environment which identity provider people sign in with, if any."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from fleetui.env import Environment
from onboarding.domain.openid import Provider, is_safe_address, is_safe_algorithm

LONGEST_RENEWAL = 24 * 60


def provider_from(env: Environment) -> Provider | None:
    """The provider that `OIDC_ISSUER` names; None where it is not set.

    Raises ImproperlyConfigured with the variable's name for what cannot be used or is not safe.
    """
    issuer = env.str("OIDC_ISSUER", default="")
    if not issuer:
        return None
    loopback = env.bool("OIDC_ALLOW_HTTP_LOOPBACK", default=False)
    if not is_safe_address(issuer, allow_http_loopback=loopback):
        raise ImproperlyConfigured(
            "OIDC_ISSUER must be the provider's https address, without query or fragment."
        )
    return Provider(
        name=env.str("OIDC_NAME", default=urlsplit(issuer).hostname or ""),
        issuer=issuer,
        client_id=env.str("OIDC_CLIENT_ID"),
        client_secret=env.str("OIDC_CLIENT_SECRET", default=""),
        scopes=_scopes(env),
        algorithms=_algorithms(env),
        username_claim=env.str("OIDC_USERNAME_CLAIM", default="preferred_username"),
        groups_claim=env.str("OIDC_GROUPS_CLAIM", default="groups"),
        groups_prefix=env.str("OIDC_GROUPS_PREFIX", default="oidc:"),
        mirrored=tuple(env.list("OIDC_GROUPS", default=["*"])),
        mapped=_mapped(env),
        required=tuple(env.list("OIDC_REQUIRED_GROUPS", default=[])),
        ask_userinfo=env.bool("OIDC_USERINFO", default=False),
        renew_minutes=_minutes(env),
        ca_file=env.str("OIDC_CA_FILE", default=""),
        allow_http_loopback=loopback,
    )


def _scopes(env: Environment) -> tuple[str, ...]:
    scopes = tuple(env.str("OIDC_SCOPES", default="openid profile email").split())
    if "openid" not in scopes:
        raise ImproperlyConfigured("OIDC_SCOPES must contain openid; names are parted by spaces.")
    return scopes


def _algorithms(env: Environment) -> tuple[str, ...]:
    names = tuple(env.list("OIDC_ALGORITHMS", default=["RS256"]))
    if unsafe := [name for name in names if not is_safe_algorithm(name)]:
        raise ImproperlyConfigured(
            f"OIDC_ALGORITHMS names {', '.join(unsafe)}: only signatures by the provider's own key "
            "count, such as RS256, PS256 or ES256."
        )
    return names


def _mapped(env: Environment) -> dict[str, tuple[str, ...]]:
    """`their-group=Our group,another=Ours`; a group of theirs may stand more than once."""
    found: dict[str, tuple[str, ...]] = {}
    for pair in env.list("OIDC_GROUP_MAP", default=[]):
        theirs, equals, ours = (part.strip() for part in pair.rpartition("="))
        if not (theirs and equals and ours):
            raise ImproperlyConfigured(
                "OIDC_GROUP_MAP is a list of their-group=Our group, parted by commas."
            )
        found[theirs] = (*found.get(theirs, ()), ours)
    return found


def _minutes(env: Environment) -> int:
    minutes: int = env.int("OIDC_RENEW_MINUTES", default=10)
    if not 1 <= minutes <= LONGEST_RENEWAL:
        raise ImproperlyConfigured(f"OIDC_RENEW_MINUTES must be 1 to {LONGEST_RENEWAL}.")
    return minutes
