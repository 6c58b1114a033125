"""Every page's address. One verb per URL; names are `<noun>-<verb>`."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
