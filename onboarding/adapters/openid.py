"""An identity provider, asked by OpenID Connect: discovery, code flow with PKCE, renewal, sign-out.

Authlib speaks the protocol and joserfc verifies; here stands what this installation insists on: one
issuer, its own list of algorithms, addresses that are safe, no redirects, bounded waits.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import requests
from authlib.common.security import generate_token
from authlib.common.urls import add_params_to_uri
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.claims import JWTClaims
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import BadSignatureError, ClaimError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from onboarding.domain.errors import Refused, Transient
from onboarding.domain.openid import Provider, is_safe_address, is_safe_algorithm
from onboarding.ports import ProviderSignOut, ProviderTokens, SignInBegun

# Seconds by which two clocks may differ.
LEEWAY = 60
_TIMEOUT = (3.05, 7)
_METADATA_AGE = 3600.0
_KEYS_AGE = 3600.0
# A token that names an unknown key has the keys fetched anew, but not again within so many seconds.
_KEYS_PAUSE = 10.0
_LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_OF_TIME = {"exp", "iat", "nbf"}
# What a provider answers that will answer better later (RFC 6749, 4.1.2.1).
_PASSING = {"server_error", "temporarily_unavailable"}


class OpenIDProvider:
    """One provider; what it says of itself and its keys are kept for a while, for all threads."""

    def __init__(self, provider: Provider) -> None:
        """Nothing is asked before it is needed."""
        self.provider = provider
        self._lock = threading.Lock()
        self._metadata: dict[str, Any] = {}
        self._metadata_at = 0.0
        self._keys: KeySet | None = None
        self._keys_at = 0.0
        self._renewed_at = -_KEYS_PAUSE

    # --- The way there and back -----------------------------------------------------------------

    def begin(self, *, redirect_uri: str, silent: bool = False) -> SignInBegun:
        """Where to send a person. See `ports.IdentityProvider`.

        Asked anew each time, so that nobody is sent to a provider that is away.
        """
        with self._session(fresh=True) as session:
            state, nonce, verifier = (generate_token(48) for _ in range(3))
            extra = {"prompt": "none"} if silent else {}
            url, _ = session.create_authorization_url(
                self._endpoint("authorization_endpoint"),
                state=state,
                code_verifier=verifier,
                nonce=nonce,
                redirect_uri=redirect_uri,
                **extra,
            )
        return SignInBegun(url=url, state=state, nonce=nonce, verifier=verifier)

    def finish(self, *, code: str, begun: SignInBegun, redirect_uri: str) -> ProviderTokens:
        """Exchange the code and verify what it gives. See `ports.IdentityProvider`."""
        with self._session() as session:
            given = session.fetch_token(
                self._endpoint("token_endpoint"),
                grant_type="authorization_code",
                code=code,
                redirect_uri=redirect_uri,
                code_verifier=begun.verifier,
                timeout=_TIMEOUT,
                allow_redirects=False,
            )
            return self._tokens(session, given, nonce=begun.nonce)

    def renew(self, *, refresh_token: str, subject: str) -> ProviderTokens:
        """Ask anew about a person. See `ports.IdentityProvider`."""
        with self._session() as session:
            given = session.refresh_token(
                self._endpoint("token_endpoint"),
                refresh_token=refresh_token,
                timeout=_TIMEOUT,
                allow_redirects=False,
            )
            tokens = self._tokens(session, given, kept=refresh_token)
        if tokens.claims.get("sub") != subject:
            raise _not_acceptable("it is about somebody else")
        return tokens

    def answers(self) -> bool:
        """Whether it is there now: its description is fetched anew."""
        try:
            self._describe(fresh=True)
        except (Refused, Transient):
            return False
        return True

    def sign_out_url(self, *, id_token: str, return_to: str) -> str:
        """Where a person signs out there, too (RP-Initiated Logout 1.0)."""
        if not self._describe().get("end_session_endpoint"):
            return ""
        asked = {
            "id_token_hint": id_token,
            "client_id": self.provider.client_id,
            "post_logout_redirect_uri": return_to,
        }
        return str(add_params_to_uri(self._endpoint("end_session_endpoint"), asked))

    def signed_out(self, text: str) -> ProviderSignOut:
        """What a logout token says (Back-Channel Logout 1.0, section 2.6)."""
        with self._session():
            token = self._decoded(text)
            claims = JWTClaims(token.claims, token.header, self._expected())
            claims.validate(leeway=LEEWAY)
        events, issued = claims.get("events"), claims.get("iat")
        named = claims.get("sub") or claims.get("sid")
        is_one = isinstance(events, Mapping) and _LOGOUT_EVENT in events and "nonce" not in claims
        if not is_one or not named or not isinstance(issued, int | float):
            raise _not_acceptable("it is no logout token")
        if issued < time.time() - 2 * LEEWAY:
            raise _not_acceptable("it is an old one")
        return ProviderSignOut(
            subject=str(claims.get("sub") or ""),
            session=str(claims.get("sid") or ""),
            at=datetime.fromtimestamp(issued, UTC),
        )

    # --- What comes back ------------------------------------------------------------------------

    def _tokens(
        self, session: OAuth2Session, given: Mapping[str, Any], *, nonce: str = "", kept: str = ""
    ) -> ProviderTokens:
        id_token, access_token = given.get("id_token"), given.get("access_token")
        claims: dict[str, Any] = {}
        if isinstance(id_token, str):
            claims = self._verified(id_token, nonce=nonce, access_token=access_token)
        elif nonce:
            raise _not_acceptable("there is no ID token")
        if access_token and (self.provider.ask_userinfo or not claims):
            claims |= self._userinfo(session, claims.get("sub"))
        if not claims:
            raise _not_acceptable("it says nothing about the person")
        return ProviderTokens(
            claims=claims,
            id_token=id_token if isinstance(id_token, str) else "",
            refresh_token=str(given.get("refresh_token") or kept),
        )

    def _verified(self, text: str, *, nonce: str, access_token: Any) -> dict[str, Any]:
        """The claims of an ID token, after all that Core 1.0, 3.1.3.7 asks for."""
        token = self._decoded(text)
        wanted = {"client_id": self.provider.client_id, "nonce": nonce}
        if isinstance(access_token, str):
            wanted["access_token"] = access_token
        claims = CodeIDToken(token.claims, token.header, self._expected(), wanted)
        claims.validate(leeway=LEEWAY)
        return dict(claims)

    def _expected(self) -> dict[str, Any]:
        return {
            "iss": {"essential": True, "value": self.provider.issuer},
            "aud": {"essential": True, "value": self.provider.client_id},
        }

    def _decoded(self, text: str) -> jwt.Token:
        """The token, if a key of the provider signed it by an algorithm that we allow."""
        allowed = JWSRegistry(algorithms=list(self.provider.algorithms), strict_check_header=False)
        try:
            return jwt.decode(text, self._key_set(), registry=allowed)
        except (InvalidKeyIdError, BadSignatureError):
            # The provider may have changed its keys since.
            with self._lock:
                if time.monotonic() - self._renewed_at < _KEYS_PAUSE:
                    raise
                self._renewed_at = time.monotonic()
            return jwt.decode(text, self._key_set(fresh=True), registry=allowed)

    def _userinfo(self, session: OAuth2Session, subject: Any) -> dict[str, Any]:
        """What the userinfo endpoint adds; it has to be about the same person (Core 1.0, 5.3.2)."""
        said = self._object(session.get(self._endpoint("userinfo_endpoint"), **self._politely()))
        if subject is not None and said.get("sub") != subject:
            raise _not_acceptable("its userinfo is about somebody else")
        return said

    # --- What it says of itself -----------------------------------------------------------------

    def _describe(self, *, fresh: bool = False) -> dict[str, Any]:
        """Its discovery document; while it is away, the one from before."""
        with self._lock:
            age = time.monotonic() - self._metadata_at
            if self._metadata and not fresh and age < _METADATA_AGE:
                return self._metadata
        try:
            found = self._fetched(
                f"{self.provider.issuer.rstrip('/')}/.well-known/openid-configuration"
            )
        except Transient:
            if self._metadata and not fresh:
                return self._metadata
            raise
        if found.get("issuer") != self.provider.issuer:
            raise Refused(
                f"{self.provider.name} calls itself by another address than the configured one. An "
                "administrator has to set OIDC_ISSUER to exactly the issuer that it publishes.",
                code="client",
            )
        with self._lock:
            self._metadata, self._metadata_at = found, time.monotonic()
        return found

    def _endpoint(self, name: str) -> str:
        address = self._describe().get(name)
        loopback = self.provider.allow_http_loopback
        plain = address.partition("?")[0] if isinstance(address, str) else ""
        if not is_safe_address(plain, allow_http_loopback=loopback):
            raise Refused(
                f"{self.provider.name} publishes no https address for {name}.", code="client"
            )
        return str(address)

    def _key_set(self, *, fresh: bool = False) -> KeySet:
        with self._lock:
            age = time.monotonic() - self._keys_at
            if self._keys is not None and not fresh and age < _KEYS_AGE:
                return self._keys
        published = self._fetched(self._endpoint("jwks_uri")).get("keys")
        usable = [one for one in published or () if _verifies(one)]
        with self._lock:
            self._keys = KeySet.import_key_set({"keys": usable})
            self._keys_at = time.monotonic()
            return self._keys

    # --- Talking --------------------------------------------------------------------------------

    @contextmanager
    def _session(self, *, fresh: bool = False) -> Iterator[OAuth2Session]:
        """A connection to it, on which whatever goes wrong becomes one of our two errors."""
        with self._in_our_words():
            methods = self._describe(fresh=fresh).get("token_endpoint_auth_methods_supported")
            basic = not methods or "client_secret_basic" in methods
            secret = self.provider.client_secret
            way = "none" if not secret else "client_secret_basic" if basic else "client_secret_post"
            with OAuth2Session(
                self.provider.client_id,
                secret or None,
                token_endpoint_auth_method=way,
                scope=" ".join(self.provider.scopes),
                code_challenge_method="S256",
            ) as session:
                session.trust_env = False  # no password from ~/.netrc
                session.verify = self.provider.ca_file or True
                yield session

    @contextmanager
    def _in_our_words(self) -> Iterator[None]:
        name = self.provider.name
        try:
            yield
        except requests.RequestException as error:
            raise Transient(f"{name} does not answer.") from error
        except OAuthError as error:
            if error.error in _PASSING:
                raise Transient(f"{name} does not answer.") from error
            if error.error in {"invalid_client", "unauthorized_client"}:
                raise Refused(
                    f"{name} does not know this installation. An administrator has to look at its "
                    "client id and secret.",
                    code="client",
                ) from error
            raise Refused(f"{name} takes the answer no more.", code="grant") from error
        except ClaimError as error:
            if error.claim in _OF_TIME:
                raise Refused(
                    f"The sign-in of {name} is outside of its time, by the clock of this server "
                    f"({datetime.now(UTC):%H:%M} UTC). The two clocks differ: an administrator has "
                    "to set the one that is wrong.",
                    code="clock",
                ) from error
            raise _not_acceptable(f"its {error.claim} is not what it has to be") from error
        except JoseError as error:
            raise _not_acceptable("its signature does not hold") from error
        except ValueError as error:
            raise _not_acceptable("it cannot be read") from error

    def _fetched(self, address: str) -> dict[str, Any]:
        with self._in_our_words(), requests.Session() as session:
            session.trust_env = False
            session.verify = self.provider.ca_file or True
            return self._object(session.get(address, **self._politely()))

    def _politely(self) -> dict[str, Any]:
        return {"timeout": _TIMEOUT, "allow_redirects": False}

    def _object(self, answer: requests.Response) -> dict[str, Any]:
        answer.raise_for_status()
        found = answer.json()
        if answer.status_code != requests.codes.ok or not isinstance(found, dict):
            raise Transient(f"{self.provider.name} does not answer as it should.")
        return found


def _verifies(key: Any) -> bool:
    """Whether a published key may verify signatures: never a shared secret, never one for encryption."""
    if not isinstance(key, Mapping) or key.get("kty") not in {"RSA", "EC", "OKP"}:
        return False
    return key.get("use", "sig") == "sig" and is_safe_algorithm(str(key.get("alg", "RS256")))


def _not_acceptable(why: str) -> Refused:
    return Refused(
        f"What the identity provider sent cannot be relied on: {why}. Nobody was signed in.",
        code="token",
    )
