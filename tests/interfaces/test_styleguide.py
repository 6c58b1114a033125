"""The style guide draws every component there is, and only for developers."""

from __future__ import annotations

import re

import pytest
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.http import Http404
from django.test import RequestFactory

from onboarding.views.styleguide import styleguide

COMPONENTS = settings.BASE_DIR / "templates" / "cotton"


def request_for_it():
    request = RequestFactory().get("/styleguide/")
    request.user = AnonymousUser()
    return request


def test_it_is_not_there_in_an_installation() -> None:
    with pytest.raises(Http404):
        styleguide(request_for_it())


@pytest.mark.django_db
def test_it_shows_every_tone_with_its_word(settings) -> None:
    settings.DEBUG = True

    html = styleguide(request_for_it()).content.decode()

    for word, tone in (("Healthy", "green"), ("Out of sync", "amber"), ("Degraded", "red")):
        assert re.search(rf"fui-tone-{tone}[^>]*><span[^>]*></span>{word}</span>", html)


def test_it_names_every_component_that_pages_use() -> None:
    used = set()
    for path in (settings.BASE_DIR / "templates").rglob("*.html"):
        used |= set(re.findall(r"<c-([a-z-]+)", path.read_text()))
    used -= {"vars", "slot"}

    there = {path.stem.replace("_", "-") for path in COMPONENTS.glob("*.html")}

    assert used <= there
    assert not there - used, "a component that nobody uses is not kept"


def test_it_documents_every_component_at_its_top() -> None:
    for path in COMPONENTS.glob("*.html"):
        assert "{% comment %}" in path.read_text()[:60], path.name
