"""People who sign in by way of a real identity provider, in a browser of our own making."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from django.http import HttpResponse
from django.test import Client

from onboarding import wiring
from onboarding.domain.openid import Provider as Settings
from tests.signing_in.provider import (
    CLIENT_ID,
    SECRET,
    NodeMissing,
    Provider,
    go_through,
    installed,
    running_provider,
)

BACK = "http://testserver/login/callback/"


class Browser:
    """A browser: here it is Django's client, at the provider a session of `requests`."""

    def __init__(self) -> None:
        self.here = Client()
        self.there = requests.Session()
        self.there.trust_env = False

    def begin(self, next_url: str = "", **data: str) -> str:
        """Press the button; where the provider is."""
        answer = self.here.get("/login/provider/", {"next": next_url, **data})
        assert answer.status_code == 302, answer.content.decode()
        return str(answer["Location"])

    def come_back(self, url: str, **headers: str) -> HttpResponse:
        """Follow the provider's redirect to us."""
        parts = urlsplit(url)
        return self.here.get(f"{parts.path}?{parts.query}", **headers)  # type: ignore[return-value]

    def sign_in(self, subject: str, next_url: str = "") -> HttpResponse:
        """The whole way: to the provider, in there, and back."""
        return self.come_back(go_through(self.there, self.begin(next_url), subject))


@pytest.fixture(scope="session")
def _provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    try:
        installed()
    except NodeMissing as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    with running_provider(tmp_path_factory.mktemp("provider"), BACK) as provider:
        yield provider


@pytest.fixture
def configure(settings: Any) -> Callable[..., Settings]:
    """Have the installation trust an issuer."""

    def configured(issuer: str, **given: Any) -> Settings:
        wiring._providers.clear()  # a process that was just started
        settings.OPENID = Settings(
            **{
                "name": "Example ID",
                "issuer": issuer,
                "client_id": CLIENT_ID,
                "client_secret": SECRET,
                "scopes": ("openid", "profile", "email", "groups"),
                "allow_http_loopback": True,
            }
            | given
        )
        settings.AUTHENTICATION_BACKENDS = [
            "django.contrib.auth.backends.ModelBackend",
            "onboarding.views.signed_in.ProviderBackend",
        ]
        return settings.OPENID

    return configured


@pytest.fixture
def provider(
    _provider: Provider, configure: Callable[..., Settings], db: None
) -> Iterator[Provider]:
    """The provider, with Ada in one group, trusted by the installation."""
    _provider.tell(people={}, refresh=True, thin=False)
    _provider.person("ada", "platform-team")
    if _provider.process is None:
        _provider.start()
    configure(_provider.issuer)
    yield _provider
    if _provider.process is None:
        _provider.start()


@pytest.fixture
def visitor() -> Browser:
    """One browser of one person."""
    return Browser()
